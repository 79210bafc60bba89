"""The parts of the page that hold charts: what each shows and how to read it."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median

import plotly.graph_objects as go

from report.figures.abandonment import abandonment
from report.figures.demand import demand
from report.figures.forecast import forecast_errors, forecast_wape, forecast_weeks
from report.figures.funnel import funnel
from report.figures.inventory import inventory
from report.figures.recent import SHOWN_DAYS, recent_days
from report.figures.returns import return_lags, return_reasons, returns_by_channel
from report.figures.stockouts import stockouts_by_category, stockouts_by_day, stockouts_by_location
from report.page.recent import WEEK, Compared, compared, whole_days
from report.page.texts import date, percent, plural, whole
from report.rows import Answers, Row, returned_share, share, total, words


@dataclass
class Chart:
    """A figure with what to see in it and how to read it; without rows, why it is not there."""

    name: str
    title: str
    note: str
    figure: go.Figure | None
    is_half: bool = False

    @property
    def json(self) -> str:
        """The figure for plotly.js, safe inside a script element; empty without one."""
        return self.figure.to_json().replace("</", "<\\/") if self.figure is not None else ""


@dataclass
class Comparison:
    """Rows of a table that stands above the charts, and how many days its columns are of."""

    week_days: int
    whole_days: int
    rows: list[Compared]


@dataclass
class Section:
    """A part of the page with its entry in the table of contents."""

    name: str
    title: str
    text: str
    charts: list[Chart] = field(default_factory=list)
    compared: Comparison | None = None


def sections(answers: Answers, variables: dict[str, str]) -> list[Section]:
    """Return the parts of the page that hold charts, in their order."""
    return [
        recent_section(answers),
        inventory_section(answers),
        demand_section(answers),
        stockout_section(answers, variables),
        abandonment_section(answers, variables),
        forecast_section(answers),
        returns_section(answers),
        funnel_section(answers),
    ]


def recent_section(answers: Answers) -> Section:
    """Return the last week beside all days, and the last four weeks by day and closing."""
    closings = answers["closings"]
    days = whole_days(answers["days"], closings)
    return Section(
        "recent",
        "The last week",
        f"An average day of the week up to {date(days[-1]['calendar_date'])} beside one of all "
        f"{len(days)} days up to it. Appended days are, row for row, what one run over all days "
        "makes, so it is season and chance that set them apart.",
        [
            Chart(
                "recent-days",
                recent_title(days[-SHOWN_DAYS:], closings),
                "Units sold and lost by day. Each shaded band is what one closing appended; days "
                "without a band are those that the world was built with.",
                recent_days(days, closings),
            )
        ],
        Comparison(min(WEEK, len(days)), len(days), compared(days)),
    )


def recent_title(shown: list[Row], closings: list[Row]) -> str:
    """Return how many of the shown days were appended, as text."""
    newest = f"the last {len(shown)} days"
    if not closings:
        return newest.capitalize()
    first_shown, built_to = shown[0]["calendar_date"], closings[0]["last_closed_date"]
    appended = sum(day["calendar_date"] > built_to for day in shown)
    later = sum(closing["last_closed_date"] >= first_shown for closing in closings[1:])
    if not appended:
        return f"None of {newest} was appended"
    return f"{appended} of {newest} were appended, in {plural(later, 'closing', 'closings')}"


def inventory_section(answers: Answers) -> Section:
    """Return the stock histories of three products."""
    kinds = {
        "store": "A fast mover in a store",
        "stockout": "A long stockout in a store",
        "online": "A fast mover online",
    }
    charts = []
    for example, kind in kinds.items():
        days = [row for row in answers["inventory"] if row["example"] == example]
        if not days:
            continue
        empty = total(days, "is_stockout")
        received = sum(day["units_received"] > 0 for day in days)
        charts.append(
            Chart(
                f"inventory-{example}",
                f"{kind}: {days[0]['product_name']}, {days[0]['location_name']}",
                f"{plural(received, 'delivery', 'deliveries')}; nothing available on {empty} of "
                f"{len(days)} days; "
                f"{total(days, 'units_sold'):,} units sold, "
                f"{total(days, 'units_lost'):,} lost, "
                f"{total(days, 'units_returned'):,} back on the shelf.",
                inventory(days),
            )
        )
    return Section(
        "inventory",
        "One shelf, day by day",
        "Each sale takes a unit off the shelf and each delivery fills it up: the classic "
        "saw-tooth. The line is the stock at closing time. While it lies at zero (shaded) whatever "
        "is asked for is lost, to the unit; returned units, below the axis, can be sold again.",
        charts,
    )


def demand_section(answers: Answers) -> Section:
    """Return demand, sales and lost sales by day."""
    days = answers["days"]
    wanted = {day["calendar_date"]: day["units_requested"] for day in days}
    busiest = max(days, key=lambda day: day["units_requested"])
    usual = median(wanted.values()) or 1
    name = f" ({busiest['holiday_name']})" if busiest["holiday_name"] else ""
    lost = share(total(days, "units_lost"), total(days, "units_requested"))
    day = f"{date(busiest['calendar_date'])}{name}"
    return Section(
        "demand",
        "Demand, sales and lost sales",
        "Sales are what the shelf allowed, not what customers wanted. Both are in the tables, so a "
        "method that has to infer demand from sales can be checked against the truth.",
        [
            Chart(
                "demand-by-day",
                f"Demand peaks on {day} at {busiest['units_requested'] / usual:.1f} times the "
                f"median day; {percent(lost)} of all units wanted are not there at first",
                "The height of a day is what customers wanted who did not abandon their cart: "
                "blue was sold, orange found no stock.",
                demand(days),
            )
        ],
    )


def stockout_section(answers: Answers, variables: dict[str, str]) -> Section:
    """Return the stockout rate by day, category and location."""
    days, locations = answers["days"], answers["stockouts_by_location"]
    rates = {day["calendar_date"]: day["stockout_days"] / day["position_days"] for day in days}
    worst_day = max(rates, key=rates.__getitem__)
    lowest, highest = percent(min(rates.values())), percent(rates[worst_day])
    categories = {
        row["category_level_1"]: row["stockout_days"] / row["position_days"]
        for row in answers["stockouts_by_category"]
    }
    worst = max(categories, key=categories.__getitem__)
    by_location = [row["stockout_days"] / row["position_days"] for row in locations]
    target = float(variables["target_stockout_rate"])
    return Section(
        "stockouts",
        "Stockouts",
        "A product is out of stock at a location when nothing is available at closing time. The "
        "plan aims at a rate over all products, locations and days; deliveries, outages at "
        "suppliers and busy days move it.",
        [
            Chart(
                "stockouts-by-day",
                f"On a day {lowest} to {highest} of the shelves are empty, most on "
                f"{date(worst_day)}",
                "Each point is one day's share of all products at all locations; the target for "
                f"all days together is {percent(target)}.",
                stockouts_by_day(days, target),
            ),
            Chart(
                "stockouts-by-category",
                f"{words(worst).capitalize()} runs out most often: {percent(categories[worst])}",
                "Two shares of each category: days without stock, and units wanted that were lost. "
                "The second one differs because demand falls on some products and days more than "
                "on others.",
                stockouts_by_category(answers["stockouts_by_category"]),
            ),
            Chart(
                "stockouts-by-location",
                f"Locations range from {percent(min(by_location))} to {percent(max(by_location))}",
                "Each mark is a location; hover for its name and the share of its demand that is "
                "lost. Within a group the height of a mark means nothing.",
                stockouts_by_location(locations),
            ),
        ],
    )


def abandonment_section(answers: Answers, variables: dict[str, str]) -> Section:
    """Return cart abandonment with and without a trigger."""
    rows = answers["abandonment"]
    increase = float(variables["cart_abandonment_increase"])
    rise = next(r for r in answers["validations"] if r["validation_id"] == "5d")["measured_value"]
    carts, triggered = (
        total(rows, "carts"),
        total([row for row in rows if row["is_triggered"]], "carts"),
    )
    measured = "-" if rise is None else f"{100 * rise:.1f}"
    return Section(
        "abandonment",
        "Low stock and abandoned carts",
        "A digital cart is triggered when an item opens the day with fewer than "
        f"{variables['low_inventory_threshold']} units available, or in peak season when the "
        "day's demand for an item exceeds its stock. Here "
        f"{percent(share(triggered, carts))} of {whole(carts)} first carts are triggered.",
        [
            Chart(
                "abandonment",
                f"Triggered carts are abandoned {measured} points more often; "
                f"{100 * increase:g} points were set",
                "Marks are measured shares, bars their 95% intervals: wide bars mean few carts. "
                "Segments differ in level; the rise, on the right, is meant to be the same.",
                abandonment(rows, increase),
            )
        ],
    )


def forecast_section(answers: Answers) -> Section:
    """Return the forecast beside demand and sales."""
    weeks = answers["forecast"]
    short = forecast_wape(weeks).get(True)
    title = (
        "No week ran short"
        if not short
        else f"Where the shelf ran short, the error is {percent(short['demand_wape'], 0)} of "
        f"demand, but looks like {percent(short['sales_wape'], 0)} of sales"
    )
    return Section(
        "forecast",
        "The forecast",
        "A forecast of demand is made for each product, location and week, on the Sunday before it "
        "and from earlier demand alone. Judged by sales it is blamed for stockouts.",
        [
            Chart(
                "forecast-weeks",
                "Sales stay below demand, which the forecast aims at",
                "Weekly totals of all products and locations, complete weeks only.",
                forecast_weeks(weeks),
                is_half=True,
            ),
            Chart(
                "forecast-errors",
                title,
                "Sum of absolute errors over sum of actuals, for weeks in which every unit wanted "
                "was served and for the others.",
                forecast_errors(weeks),
                is_half=True,
            ),
        ],
    )


def returns_section(answers: Answers) -> Section:
    """Return rate, lag and reasons of returns."""
    channels = answers["returns_by_channel"]
    online, in_stores = (
        returned_share([row for row in channels if row["is_digital"] == is_digital])
        for is_digital in (True, False)
    )
    return Section(
        "returns",
        "Returns",
        "A return is a row of its own in the sales table and brings its units back to the shelf "
        "after a delay. Returns after the last day are not in the tables, so lines sold near the "
        "end have had less time to come back.",
        [
            Chart(
                "returns-by-channel",
                f"Online {percent(online)} of lines come back, from stores {percent(in_stores)}",
                "Returned lines over sold lines of the whole window, by the channel of the sale.",
                returns_by_channel(channels),
            ),
            Chart(
                "return-lags",
                f"Half of the returns are back within {median_lag(answers['return_lags'])} days",
                "Share of all returns by the days that passed since the sale.",
                return_lags(answers["return_lags"]),
                is_half=True,
            ),
            Chart(
                "return-reasons",
                top_reason(answers["return_reasons"]),
                "Share of returned lines by the reason that the customer gave.",
                return_reasons(answers["return_reasons"]),
                is_half=True,
            ),
        ],
    )


def median_lag(lags: list[Row]) -> int | None:
    """Return within how many days half of the returns are back, None without returns."""
    returned, seen = total(lags, "return_lines"), 0
    for row in sorted(lags, key=lambda row: row["lag_days"]):
        seen += row["return_lines"]
        if 2 * seen >= returned:
            return row["lag_days"]
    return None


def top_reason(reasons: list[Row]) -> str:
    """Return the most frequent reason of returns with its share, as text."""
    lines: Counter[str] = Counter()
    for row in sorted(reasons, key=lambda row: row["return_reason"]):
        lines[row["return_reason"]] += row["return_lines"]
    if not lines:
        return "No returns"
    ((top, count),) = lines.most_common(1)
    return (
        f"{words(top).capitalize()} is the most frequent reason: {percent(count / lines.total())}"
    )


def funnel_section(answers: Answers) -> Section:
    """Return the web funnel."""
    rows = answers["funnel"]
    orders, visits = total(rows, "order_visits"), total(rows, "visits")
    by_device = ", ".join(
        f"{row['device_type']} {percent(row['order_visits'] / row['visits'])}" for row in rows
    )
    window = (
        f" The events cover {date(min(row['first_day'] for row in rows))} to "
        f"{date(max(row['last_day'] for row in rows))}."
        if rows
        else ""
    )
    return Section(
        "funnel",
        "The web funnel",
        "Visits are sessions of the event table; carts and orders in it are those of the cart and "
        f"sales tables.{window}",
        [
            Chart(
                "funnel",
                f"{percent(share(orders, visits))} of visits end in an order: {by_device}",
                "Read from left to right: what share of a device's visits gets at least that far.",
                funnel(rows),
            )
        ],
    )
