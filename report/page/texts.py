"""Numbers and days as the texts of the page."""

import datetime

from validate import range_text

# What follows a figure, by its unit.
SUFFIXES = {"days": " days", "per year": " a year"}


def whole(value: float) -> str:
    """Return a whole number with separators, or in millions from ten million on."""
    return f"{value / 1e6:.1f} million" if value >= 1e7 else f"{value:,.0f}"


def plural(number: int, one: str, many: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {one if number == 1 else many}"


def money(value: float) -> str:
    """Return an amount of dollars, in short from a hundred thousand on."""
    return f"${value / 1e6:.2f} million" if value >= 1e5 else f"${value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share as text."""
    return "-" if value is None else f"{100 * value:.{digits}f}%"


def date(day: datetime.date) -> str:
    """Return a day as text, such as 3 October 2025."""
    return f"{day.day} {day:%B %Y}"


def with_unit(value: float | None, unit: str) -> str:
    """Return a figure in its unit as text; ratios, hours and counts of units have none."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{100 * value:.3g}%"
    if unit == "USD":
        return f"${value:,.0f}"
    return f"{value:.3g}" + SUFFIXES.get(unit, "")


def published_text(low: float | None, high: float | None, unit: str) -> str:
    """Return a published range, open at one end or both, as text that says its unit once."""
    if low is None and high is None:
        return "-"
    text = range_text(low, high, lambda value: with_unit(value, unit))
    return text.replace(f"{SUFFIXES.get(unit, '')} to ", " to ")
