"""Print what can be learned from the tables built last, and write target/learnability.json.

    python scripts/learnability.py --only forecast

Forecasts of weekly units by simple means and by a tree model on fair features, who runs out within
a week, price elasticity, repeat purchases, baskets, and what sales hide of demand. How each is
measured, and what real data show, is in docs/learnability.md. The tables of the local target are
read straight from their folder; analyses/learnability/ is asked through dbt. Folder and schema are
those of profiles.yml: STOCKTRUE_WAREHOUSE and STOCKTRUE_SCHEMA choose others.
"""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from learnability_panel import MissingTableError, load, read_arrays
from local_tables import ROOT
from measuring import Command, Tell

PARTS = ("forecast", "stockouts", "customers", "elasticity", "baskets", "censoring")
COMMAND = Command(
    name="learnability",
    output=ROOT / "target" / "learnability.json",
    queries="path:analyses/learnability",
)
# Pairs of categories with fewer baskets by chance have a lift by chance.
BASKETS_EXPECTED = 20


def from_panel(schema: Path, parts: list[str], tell: Tell) -> dict[str, dict[str, Any]]:
    """Return what models learn of sales and stock; nothing of a world of a few weeks."""
    from learnability_forecast import LEAST_WEEKS, forecast_errors
    from learnability_stockouts import stockout_auc

    tell("reading")
    panel = load(schema)
    if panel.share_kept < 1:
        tell(f"sampled {panel.share_kept:.1%} of the products by a hash of their keys")
    if len(panel.weeks()) < LEAST_WEEKS:
        tell(f"no models: they need {LEAST_WEEKS} whole weeks, there are {len(panel.weeks())}")
        return {}
    found: dict[str, dict[str, Any]] = {}
    if "forecast" in parts:
        found["forecast"] = forecast_errors(panel, tell)
    if "stockouts" in parts:
        found["stockouts"] = stockout_auc(panel, schema, tell)
    return found


def true_elasticity(schema: Path) -> float | None:
    """Return the true elasticity, a mean over products; None where no table publishes it."""
    try:
        return float(
            read_arrays(schema, "int_price_elasticity", ["elasticity"])["elasticity"].mean()
        )
    except MissingTableError:
        return None


def from_queries(parts: list[str], tell: Tell) -> dict[str, dict[str, Any]]:
    """Return what the analyses find.

    Raises:
        MissingTableError: a table has not been built.
    """
    tell("queries: reading the project")
    rows = {}
    with COMMAND.asking() as rows_of:
        for part in parts:
            tell(f"query: {ASKED[part]}")
            rows[part] = rows_of(ASKED[part])
    return {part: SUMMED_UP[part](rows[part]) for part in parts}


def elasticities(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the elasticity that each estimator finds."""
    return {row["estimator"]: row["elasticity"] for row in rows}


def hidden_demand(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return by how much sales understate demand, of all categories and of each."""
    lost, sold = (sum(row[name] for row in rows) for name in ("units_lost", "units_sold"))
    shares = {row["category_level_1"]: row["understated_share"] for row in rows}
    return {"all": lost / (lost + sold), **shares}


def lift_range(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the lowest, median and highest lift of the pairs with baskets enough."""
    lifts = [row["lift"] for row in pairs if row["baskets_expected"] >= BASKETS_EXPECTED]
    if not lifts:
        return {"pairs": 0}
    return {
        "pairs": len(lifts),
        "lowest": min(lifts),
        "median": median(lifts),
        "highest": max(lifts),
    }


ASKED = {
    "elasticity": "price_elasticity",
    "baskets": "basket_lift",
    "censoring": "censoring_bias",
}
SUMMED_UP: dict[str, Callable[[list[dict[str, Any]]], dict[str, Any]]] = {
    "elasticity": elasticities,
    "baskets": lift_range,
    "censoring": hidden_demand,
}


def lines(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the figures as a table, part by part."""
    shown = []
    for part, figures in found.items():
        shown += ["", part]
        for name, value in figures.items():
            if not isinstance(value, dict):
                shown.append(f"  {name:<51} {_text(value)}")
                continue
            for key, figure in value.items():
                several = figure if isinstance(figure, dict) else {"wape": figure}
                texts = "  ".join(f"{each} {_text(one)}" for each, one in several.items())
                shown.append(f"  {name:<17} {key:<15} {texts}")
    return shown


def _text(figure: Any) -> str:
    if isinstance(figure, list):
        return " ".join(_text(each) for each in figure)
    return f"{figure:.3f}" if isinstance(figure, float) else f"{figure:,}"


def measure(parts: list[str], schema: Path, tell: Tell) -> dict[str, dict[str, Any]]:
    """Return the figures of some parts."""
    from learnability_customers import repeat_purchases

    found: dict[str, dict[str, Any]] = {}
    if set(parts) & {"forecast", "stockouts"}:
        found |= from_panel(schema, parts, tell)
    if "customers" in parts:
        tell("customers")
        found["customers"] = repeat_purchases(schema)
    if asked := [part for part in parts if part in ASKED]:
        found |= from_queries(asked, tell)
    if "elasticity" in parts and (truth := true_elasticity(schema)) is not None:
        found["elasticity"]["truth, mean of products"] = truth
    return found


def main() -> None:
    """Measure, print and write."""
    parser = COMMAND.parser(__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=PARTS, help="parts (default all)")
    arguments = parser.parse_args()
    parts = arguments.only or list(PARTS)
    COMMAND.run(lambda schema, tell: measure(parts, schema, tell), lines, arguments.output)


if __name__ == "__main__":
    main()
