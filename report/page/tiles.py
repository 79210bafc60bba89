"""The headline figures at the top of the page, each with the validation that it stands for."""

from dataclasses import dataclass

import yaml

from report.figures import style
from report.figures.forecast import forecast_wape
from report.page.texts import money, percent, whole
from report.rows import Answers, Row, returned_share, share, total


@dataclass(frozen=True)
class Tile:
    """A figure, what it is of, a line below, its row of the validations, and its colour."""

    value: str
    label: str
    detail: str
    check: Row
    colour: str


def tiles(answers: Answers, variables: dict[str, str]) -> list[Tile]:
    """Return the headline figures in their order."""
    days = answers["days"]
    checks = {row["validation_id"]: row for row in answers["validations"]}
    return [
        stockout_tile(days, checks["5a"]),
        lost_tile(days, checks["5c"]),
        abandonment_tile(checks["5d"]),
        unexplained_tile(days, checks["7a"]),
        returns_tile(answers["returns_by_channel"], variables, checks["5f"]),
        forecast_tile(answers["forecast"], checks["6b"]),
    ]


def stockout_tile(days: list[Row], check: Row) -> Tile:
    """Return the stockout rate."""
    return Tile(
        percent(share(total(days, "stockout_days"), total(days, "position_days"))),
        "of product-location-days have nothing to sell",
        f"expected {expected(check, '%')}",
        check,
        style.STOCKOUT,
    )


def lost_tile(days: list[Row], check: Row) -> Tile:
    """Return the lost share of demand."""
    lost = total(days, "units_lost")
    return Tile(
        percent(share(lost, total(days, "units_requested"))),
        f"of the units wanted are not there at first: {money(total(days, 'lost_revenue'))}",
        f"{whole(lost)} units, as in the stockout events",
        check,
        style.LOST,
    )


def abandonment_tile(check: Row) -> Tile:
    """Return by how much a trigger adds to abandonment."""
    rise = check["measured_value"]
    return Tile(
        "-" if rise is None else f"{100 * rise:+.1f} points",
        "more carts are abandoned when stock is low",
        f"expected {expected(check, ' points')}",
        check,
        style.TRIGGERED,
    )


def unexplained_tile(days: list[Row], check: Row) -> Tile:
    """Return the units wanted that are neither sold nor lost."""
    return Tile(
        whole(check["measured_value"] or 0),
        "units unexplained: all wanted are sold or lost",
        f"{whole(total(days, 'units_requested'))} units wanted",
        check,
        style.DEMAND,
    )


def returns_tile(channels: list[Row], variables: dict[str, str], check: Row) -> Tile:
    """Return the share of sold lines that came back."""
    fewest, most = yaml.safe_load(variables["return_delay_days"])
    return Tile(
        percent(returned_share(channels)),
        "of sold lines have come back",
        f"on the shelf again in {fewest} to {most} days",
        check,
        style.RETURNS,
    )


def forecast_tile(weeks: list[Row], check: Row) -> Tile:
    """Return the error of the forecast where the shelf ran short."""
    errors = forecast_wape(weeks).get(True, {})
    return Tile(
        f"{percent(errors.get('demand_wape'), 0)} / {percent(errors.get('sales_wape'), 0)}",
        "forecast error on demand / on sales",
        "in weeks when the shelf ran short",
        check,
        style.FORECAST,
    )


def expected(check: Row, unit: str) -> str:
    """Return the range of shares that passes, times 100, with its unit."""
    low, high = check["expected_min"], check["expected_max"]
    return "any" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}{unit}"
