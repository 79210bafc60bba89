"""How far the world is complete and how it grew, and its last week beside all of it."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass

from report.page.texts import date, money, percent, plural, whole
from report.rows import Row, share, total

WEEK = 7


@dataclass(frozen=True)
class Compared:
    """A figure of the last week and of all days, and by how much the week differs, as texts."""

    name: str
    week: str
    whole: str
    change: str


# Figures of a day: what is counted, its column and its text.
COUNTED: list[tuple[str, str, Callable[[float], str]]] = [
    ("units sold", "units_sold", whole),
    ("gross revenue", "gross_revenue", money),
    ("units lost", "units_lost", whole),
    ("units returned", "units_returned", whole),
    ("units received", "units_received", whole),
    ("first digital carts", "carts", whole),
]
# Shares: what of what, with the columns of both.
SHARES = [
    ("of these abandoned", "abandoned_carts", "carts"),
    ("product-locations out of stock", "stockout_days", "position_days"),
]


def last_closed(closings: list[Row]) -> datetime.date | None:
    """Return the day up to which the world is complete, None where no table tells it."""
    return closings[-1]["last_closed_date"] if closings else None


def whole_days(days: list[Row], closings: list[Row]) -> list[Row]:
    """Return the days that are complete; all where no closing is of these days."""
    last = last_closed(closings)
    return [day for day in days if last and day["calendar_date"] <= last] or days


def completeness(closings: list[Row], days: list[Row]) -> str:
    """Return up to which day the world is complete, and how it grew, as text.

    Args:
        closings: rows of report_closings; none where the table world is not there.
        days: rows of report_days, by day.
    """
    last = last_closed(closings)
    if last is None:
        return "unknown: the table world is not there"
    first, *later = closings
    text = f"{date(last)}, the day up to which it was built"
    if later:
        text = (
            f"{date(last)}: built with {plural(first['days_added'], 'day', 'days')}, "
            f"{plural(int(total(later, 'days_added')), 'day', 'days')} appended in "
            f"{plural(len(later), 'closing', 'closings')}"
        )
    is_begun = days[-1]["calendar_date"] > last
    return text + ("; the days after it are not complete" if is_begun else "")


def days_since(measured: list[Row], closings: list[Row]) -> int:
    """Return how many days were appended after some rows were written, such as the validations."""
    times = [row["etl_timestamp"] for row in measured]
    later = [row for row in closings[1:] if row["etl_timestamp"] > max(times)]
    return int(total(later, "days_added"))


def compared(days: list[Row]) -> list[Compared]:
    """Return the figures of a day in the last week beside those of all days.

    Args:
        days: rows of report_days that are complete, by day.
    """
    week = days[-WEEK:]
    rows = []
    for name, column, text in COUNTED:
        ours, usual = (total(some, column) / len(some) for some in (week, days))
        change = f"{100 * (ours / usual - 1):+.0f}%" if usual else "-"
        rows.append(Compared(name, text(ours), text(usual), change))
    for name, part, of in SHARES:
        now, ever = (share(total(some, part), total(some, of)) for some in (week, days))
        change = "-" if now is None or ever is None else f"{100 * (now - ever):+.1f} points"
        rows.append(Compared(name, percent(now), percent(ever), change))
    return rows
