"""Write one self-contained HTML page that shows what is in the tables built last.

Works on every target, preset and schema: the queries are the analyses in analyses/report/, and
the engine of the target aggregates. Folder and schema are those of profiles.yml, where
STOCKTRUE_WAREHOUSE and STOCKTRUE_SCHEMA choose others. The page needs no network.
"""

import argparse
import datetime
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import jinja2
import report_figures as figures
import yaml
from plotly.offline import get_plotlyjs
from report_figures import Row, share, words
from run_vars import PRESETS, load
from validate import figure_text, range_text
from warehouse_query import ROOT, Warehouse, WarehouseError, open_warehouse

PREFIX = "report_"
PROGRESS_SECONDS = 10
ENGINES = {"sail": "Sail", "spark": "Apache Spark", "databricks": "Databricks"}


@dataclass
class Chart:
    """A figure with what to see in it and how to read it; without rows, why it is not there."""

    name: str
    title: str
    note: str
    figure: object | None
    is_half: bool = False

    @property
    def json(self) -> str:
        """The figure for plotly.js, safe inside a script element."""
        return self.figure.to_json().replace("</", "<\\/")


@dataclass
class Section:
    """A part of the page with its entry in the table of contents."""

    name: str
    title: str
    text: str
    charts: list[Chart] = field(default_factory=list)


class Progress:
    """Tells every ten seconds what is being done."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self.task = "starting"
        self.started = time.monotonic()
        self._done = threading.Event()

    @contextmanager
    def shown(self) -> Iterator["Progress"]:
        """Print a line every ten seconds while the block runs."""
        thread = threading.Thread(target=self._print_lines, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._done.set()
            thread.join()

    def _print_lines(self) -> None:
        while not self._done.wait(PROGRESS_SECONDS):
            print(f"report: {time.monotonic() - self.started:.0f} s: {self.task}", flush=True)


def ask(warehouse: Warehouse, progress: Progress) -> dict[str, list[Row]]:
    """Return the rows of every query of the report, by its name without the prefix."""
    answers = {}
    names = warehouse.analyses()
    for number, name in enumerate(names, start=1):
        progress.task = f"query {number} of {len(names)}: {name}"
        answers[name.removeprefix(PREFIX)] = warehouse.query(warehouse.analysis(name))
    return answers


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


def how_built(variables: dict[str, str]) -> tuple[str, str]:
    """Return the preset that the tables were built with and the variables that differ from it.

    Args:
        variables: the values in force when the tables were built, as text.

    Returns:
        Name of the preset in presets/ with the fewest differences, and those as text for VARS.
    """
    defaults = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    candidates = []
    for path in sorted(PRESETS.glob("*.yml")):
        preset = {**defaults, **load(path.read_text())}
        changed = {
            name: value for name, value in variables.items() if str(preset.get(name)) != value
        }
        candidates.append((len(changed), path.stem != "small", path.stem, changed))
    _, _, preset, changed = min(candidates)
    return preset, ", ".join(f"{name}: {value}" for name, value in sorted(changed.items()))


def tiles(answers: dict[str, list[Row]], variables: dict[str, str]) -> list[Row]:
    """Return the headline figures, each with the validation that it stands for, if any."""
    days = answers["days"]
    checks = {row["validation_id"]: row for row in answers["validations"]}
    total = {
        key: sum(day[key] for day in days)
        for key in (
            "position_days",
            "stockout_days",
            "units_requested",
            "units_lost",
            "lost_revenue",
        )
    }
    channels = answers["returns_by_channel"]
    returned = share(
        sum(row["return_lines"] for row in channels), sum(row["sale_lines"] for row in channels)
    )
    errors = figures.forecast_wape(answers["forecast"]).get(True, {})
    rise = checks["5d"]["measured_value"]
    fewest, most = yaml.safe_load(variables["return_delay_days"])
    return [
        {
            "value": percent(share(total["stockout_days"], total["position_days"])),
            "label": "of product-location-days have nothing to sell",
            "detail": f"expected {expected(checks['5a'], '%')}",
            "check": checks["5a"],
            "colour": figures.STOCKOUT,
        },
        {
            "value": percent(share(total["units_lost"], total["units_requested"])),
            "label": f"of the units wanted are lost: {money(total['lost_revenue'])}",
            "detail": f"{whole(total['units_lost'])} units, as in the stockout events",
            "check": checks["5c"],
            "colour": figures.LOST,
        },
        {
            "value": "-" if rise is None else f"{100 * rise:+.1f} points",
            "label": "more carts are abandoned when stock is low",
            "detail": f"expected {expected(checks['5d'], ' points')}",
            "check": checks["5d"],
            "colour": figures.TRIGGERED,
        },
        {
            "value": whole(checks["7a"]["measured_value"] or 0),
            "label": "units unexplained: all wanted are sold or lost",
            "detail": f"{whole(total['units_requested'])} units wanted",
            "check": checks["7a"],
            "colour": figures.DEMAND,
        },
        {
            "value": percent(returned),
            "label": "of sold lines have come back",
            "detail": f"on the shelf again in {fewest} to {most} days",
            "check": checks["5f"],
            "colour": figures.RETURNS,
        },
        {
            "value": f"{percent(errors.get('demand_wape'), 0)} / "
            f"{percent(errors.get('sales_wape'), 0)}",
            "label": "forecast error on demand / on sales",
            "detail": "in weeks when the shelf ran short",
            "check": checks["6b"],
            "colour": figures.FORECAST,
        },
    ]


def expected(check: Row, unit: str) -> str:
    """Return the range of shares that passes, times 100, with its unit."""
    low, high = check["expected_min"], check["expected_max"]
    return "any" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}{unit}"


def inventory_section(answers: dict[str, list[Row]]) -> Section:
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
        empty = sum(day["is_stockout"] for day in days)
        received = sum(day["units_received"] > 0 for day in days)
        charts.append(
            Chart(
                f"inventory-{example}",
                f"{kind}: {days[0]['product_name']}, {days[0]['location_name']}",
                f"{plural(received, 'delivery', 'deliveries')}; nothing available on {empty} of "
                f"{len(days)} days; "
                f"{sum(day['units_sold'] for day in days):,} units sold, "
                f"{sum(day['units_lost'] for day in days):,} lost, "
                f"{sum(day['units_returned'] for day in days):,} back on the shelf.",
                figures.inventory(days),
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


def stockout_section(answers: dict[str, list[Row]], variables: dict[str, str]) -> Section:
    """Return the stockout rate by day, category and location."""
    days, locations = answers["days"], answers["stockouts_by_location"]
    rates = {day["calendar_date"]: day["stockout_days"] / day["position_days"] for day in days}
    worst_day = max(rates, key=rates.get)
    lowest, highest = percent(min(rates.values())), percent(rates[worst_day])
    categories = {
        row["category_level_1"]: row["stockout_days"] / row["position_days"]
        for row in answers["stockouts_by_category"]
    }
    worst = max(categories, key=categories.get)
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
                figures.stockouts_by_day(days, target),
            ),
            Chart(
                "stockouts-by-category",
                f"{words(worst).capitalize()} runs out most often: {percent(categories[worst])}",
                "Two shares of each category: days without stock, and units wanted that were lost. "
                "The second one differs because demand falls on some products and days more than "
                "on others.",
                figures.stockouts_by_category(answers["stockouts_by_category"]),
            ),
            Chart(
                "stockouts-by-location",
                f"Locations range from {percent(min(by_location))} to {percent(max(by_location))}",
                "Each mark is a location; hover for its name and the share of its demand that is "
                "lost. Within a group the height of a mark means nothing.",
                figures.stockouts_by_location(locations),
            ),
        ],
    )


def demand_section(answers: dict[str, list[Row]]) -> Section:
    """Return demand, sales and lost sales by day."""
    days = answers["days"]
    wanted = {day["calendar_date"]: day["units_requested"] for day in days}
    busiest = max(days, key=lambda day: day["units_requested"])
    usual = figures.median(wanted.values()) or 1
    name = f" ({busiest['holiday_name']})" if busiest["holiday_name"] else ""
    lost = share(sum(day["units_lost"] for day in days), sum(wanted.values()))
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
                f"median day; {percent(lost)} of all units wanted are lost",
                "The height of a day is what customers wanted who did not abandon their cart: "
                "blue was sold, orange found no stock.",
                figures.demand(days),
            )
        ],
    )


def abandonment_section(answers: dict[str, list[Row]], variables: dict[str, str]) -> Section:
    """Return cart abandonment with and without a trigger."""
    rows = answers["abandonment"]
    increase = float(variables["cart_abandonment_increase"])
    rise = next(r for r in answers["validations"] if r["validation_id"] == "5d")["measured_value"]
    carts = sum(row["carts"] for row in rows)
    triggered = sum(row["carts"] for row in rows if row["is_triggered"])
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
                figures.abandonment(rows, increase),
            )
        ],
    )


def funnel_section(answers: dict[str, list[Row]]) -> Section:
    """Return the web funnel."""
    rows = answers["funnel"]
    orders = sum(row["order_visits"] for row in rows)
    visits = sum(row["visits"] for row in rows)
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
                figures.funnel(rows),
            )
        ],
    )


def returns_section(answers: dict[str, list[Row]]) -> Section:
    """Return rate, lag and reasons of returns."""
    channels = answers["returns_by_channel"]
    rates = {}
    for is_digital in (True, False):
        rows = [row for row in channels if row["is_digital"] == is_digital]
        rates[is_digital] = share(
            sum(row["return_lines"] for row in rows), sum(row["sale_lines"] for row in rows)
        )
    lags = sorted((row["lag_days"], row["return_lines"]) for row in answers["return_lags"])
    returned = sum(lines for _, lines in lags)
    middle, seen = None, 0
    for lag, lines in lags:
        seen += lines
        if middle is None and 2 * seen >= returned:
            middle = lag
    reasons = {}
    for row in answers["return_reasons"]:
        reasons[row["return_reason"]] = reasons.get(row["return_reason"], 0) + row["return_lines"]
    top = max(sorted(reasons), key=reasons.get, default=None)
    return Section(
        "returns",
        "Returns",
        "A return is a row of its own in the sales table and brings its units back to the shelf "
        "after a delay. Returns after the last day are not in the tables, so lines sold near the "
        "end have had less time to come back.",
        [
            Chart(
                "returns-by-channel",
                f"Online {percent(rates[True])} of lines come back, from stores "
                f"{percent(rates[False])}",
                "Returned lines over sold lines of the whole window, by the channel of the sale.",
                figures.returns_by_channel(channels),
            ),
            Chart(
                "return-lags",
                f"Half of the returns are back within {middle} days",
                "Share of all returns by the days that passed since the sale.",
                figures.return_lags(answers["return_lags"]),
                is_half=True,
            ),
            Chart(
                "return-reasons",
                "No returns"
                if top is None
                else f"{words(top).capitalize()} is the most frequent reason: "
                f"{percent(reasons[top] / returned)}",
                "Share of returned lines by the reason that the customer gave.",
                figures.return_reasons(answers["return_reasons"]),
                is_half=True,
            ),
        ],
    )


def forecast_section(answers: dict[str, list[Row]]) -> Section:
    """Return the forecast beside demand and sales."""
    weeks = answers["forecast"]
    short = figures.forecast_wape(weeks).get(True)
    title = (
        "No week ran short"
        if not short
        else f"Where the shelf ran short, the error is {percent(short['demand_wape'], 0)} of "
        f"demand, but looks like {percent(short['sales_wape'], 0)} of sales"
    )
    return Section(
        "forecast",
        "The forecast",
        "A forecast of demand is made for each product, location and week from earlier demand "
        "alone. Judged by sales it is blamed for stockouts.",
        [
            Chart(
                "forecast-weeks",
                "Sales stay below demand, which the forecast aims at",
                "Weekly totals of all products and locations, complete weeks only.",
                figures.forecast_weeks(weeks),
                is_half=True,
            ),
            Chart(
                "forecast-errors",
                title,
                "Sum of absolute errors over sum of actuals, for weeks in which every unit wanted "
                "was served and for the others.",
                figures.forecast_errors(weeks),
                is_half=True,
            ),
        ],
    )


def with_unit(value: float | None, unit: str) -> str:
    """Return a figure in its unit as text; ratios, hours and counts of units have none."""
    if value is None:
        return "-"
    if unit == "share":
        return f"{100 * value:.3g}%"
    if unit == "USD":
        return f"${value:,.0f}"
    return f"{value:.3g}" + {"days": " days", "per year": " a year"}.get(unit, "")


def published_text(low: float | None, high: float | None, unit: str) -> str:
    """Return a published range, open at one end or both, as text."""
    if low is None and high is None:
        return "-"
    if low is None:
        return f"at most {with_unit(high, unit)}"
    if high is None:
        return f"at least {with_unit(low, unit)}"
    texts = [with_unit(low, unit), with_unit(high, unit)]
    suffix = with_unit(0, unit)[1:]
    if suffix.startswith(" "):
        texts[0] = texts[0].removesuffix(suffix)
    return texts[1] if low == high else " to ".join(texts)


def realism_rows(rows: list[Row]) -> list[Row]:
    """Return the measured realism metrics with texts and with places on a scale of 0 to 100.

    The scale holds zero, the published ends and ours; a range open at one end reaches its edge.
    """
    shown = []
    for row in rows:
        low, high, ours = row["published_low"], row["published_high"], row["measured_value"]
        if ours is None:
            continue
        known = [value for value in (low, high, ours, 0.0) if value is not None]
        least, width = min(known), 1.1 * (max(known) - min(known)) or 1.0
        if least < 0:
            least, width = least - 0.1 * width, 1.1 * width
        shown.append(
            {
                **row,
                "published": published_text(low, high, row["unit"]),
                "ours": with_unit(ours, row["unit"]),
                "has_range": low is not None or high is not None,
                "low_at": 0 if low is None else 100 * (low - least) / width,
                "high_at": 100 if high is None else 100 * (high - least) / width,
                "ours_at": 100 * (ours - least) / width,
            }
        )
    return shown


def sections(answers: dict[str, list[Row]], variables: dict[str, str]) -> list[Section]:
    """Return the parts of the page that hold charts, in their order."""
    return [
        inventory_section(answers),
        demand_section(answers),
        stockout_section(answers, variables),
        abandonment_section(answers, variables),
        forecast_section(answers),
        returns_section(answers),
        funnel_section(answers),
    ]


def page(answers: dict[str, list[Row]], engine: str, target: str, schema: str) -> str:
    """Return the page for the answers of all queries."""
    variables = {row["variable_name"]: row["variable_value"] for row in answers["variables"]}
    days = answers["days"]
    counts = {row["table_name"]: row["row_count"] for row in answers["tables"]}
    preset, changed = how_built(variables)
    validations = [
        {
            **row,
            "measured": figure_text(row["measured_value"], decimals=4) or "-",
            "expected": range_text(row["expected_min"], row["expected_max"], decimals=4),
        }
        for row in answers["validations"]
    ]
    template = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROOT / "scripts"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    ).get_template("report.html.jinja")
    return template.render(
        sections=sections(answers, variables),
        tiles=tiles(answers, variables),
        validations=validations,
        passed=sum(row["is_passed"] for row in validations),
        realism=realism_rows(answers["realism"]),
        not_measured=sum(row["measured_value"] is None for row in answers["realism"]),
        in_range=sum(row["is_in_range"] is True for row in answers["realism"]),
        compared=sum(row["is_in_range"] is not None for row in answers["realism"]),
        tables=[{**row, "rows": f"{row['row_count']:,}"} for row in answers["tables"]],
        variables=answers["variables"],
        header={
            "window": f"{date(days[0]['calendar_date'])} to {date(days[-1]['calendar_date'])}",
            "days": len(days),
            "preset": preset,
            "changed": changed,
            "seed": variables["random_seed"],
            "engine": ENGINES.get(engine, engine),
            "target": target,
            "schema": schema,
            "products": f"{counts['gold_product_dim']:,}",
            "locations": f"{counts['gold_location_dim']:,}",
            "inventory_rows": whole(counts["gold_inventory_fact"]),
            "sales_rows": whole(counts["gold_sales_fact"]),
            "all_rows": whole(sum(counts.values())),
            "built": f"{answers['validations'][0]['etl_timestamp']:%Y-%m-%d %H:%M} UTC",
            "version": version("stocktrue"),
            "plotly": version("plotly"),
        },
        command=f"make build PRESET={preset}"
        + (f' VARS="{changed}"' if changed else "")
        + ("" if target == "local" else f" TARGET={target}"),
        report_command="make report" + ("" if target == "local" else f" TARGET={target}"),
        plotlyjs=get_plotlyjs(),
    )


def main() -> None:
    """Ask, write the page and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="local", help="target of profiles.yml")
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "target" / "report.html",
        help="file to write (default target/report.html)",
    )
    arguments = parser.parse_args()
    try:
        with (
            Progress().shown() as progress,
            open_warehouse(arguments.target, "path:analyses/report") as warehouse,
        ):
            progress.task = "connecting"
            if missing := warehouse.missing(warehouse.tables_read()):
                sys.exit(
                    f"report: no {missing[0]} in target {arguments.target}, schema "
                    f"{warehouse.schema}: run make build first"
                )
            answers = ask(warehouse, progress)
            text = page(answers, warehouse.engine, arguments.target, warehouse.schema)
    except WarehouseError as error:
        sys.exit(f"report: {error}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")
    output = arguments.output.resolve()
    shown = output.relative_to(ROOT) if output.is_relative_to(ROOT) else output
    print(f"report: open {shown} ({len(text.encode()) / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
