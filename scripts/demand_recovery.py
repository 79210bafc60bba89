"""Print how far true demand is recovered from sales and stock; write target/demand_recovery.json.

    python scripts/demand_recovery.py --method my_method.py

Five simple methods estimate the units that shoppers chose first, by product, location and week,
from what an analyst sees, and are judged against gold_demand_truth. A file with a function
`estimate` adds a method of one's own. What each does, and how well, is in docs/demand_recovery.md.
The tables of the local target are read straight from their folder; analyses/demand_recovery/ is
asked through dbt. Folder and schema are those of profiles.yml: STOCKTRUE_WAREHOUSE and
STOCKTRUE_SCHEMA choose others.
"""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from demand_recovery_methods import (
    WEEKS_BEFORE,
    bias,
    by_frame,
    fit_censored,
    in_place_of_ranged,
    in_stock_days,
    past_sales,
    sales_as_they_are,
)
from demand_recovery_panel import Seen, Truth, load, load_truth
from learnability_metrics import wape
from learnability_panel import read_arrays
from local_tables import ROOT
from measuring import Command, Tell

Array = Any
COMMAND = Command(
    name="recovery",
    output=ROOT / "target" / "demand_recovery.json",
    queries="path:analyses/demand_recovery",
)
# By how much sales understate demand in FreshRetailNet-50K (arXiv 2505.16319).
FRESH_RETAIL_NET = -0.074
CLASSES = ("smooth", "erratic", "intermittent", "lumpy")
# Mean units a week from which a position sells at a medium pace, or fast.
MEDIUM, FAST = 1.0, 5.0


def methods(tell: Tell) -> dict[str, Callable[[Seen], Array]]:
    """Return the methods by name."""

    def fitted(substitution: bool) -> Callable[[Seen], Array]:
        def method(seen: Seen) -> Array:
            fit = fit_censored(seen, substitution)
            found = f", theta {fit.theta:.3f}" if substitution else ""
            tell(f"  {fit.steps} steps{found}")
            return in_place_of_ranged(seen, fit.daily)

        return method

    return {
        "sales": sales_as_they_are,
        "in_stock_days": in_stock_days,
        "censored_poisson": fitted(substitution=False),
        "substitution_aware": fitted(substitution=True),
        "four_weeks_before": past_sales,
    }


def own_method(file: Path) -> Callable[[Seen], Array]:
    """Return the method of a file with a function `estimate`."""
    found = runpy.run_path(str(file))
    if "estimate" not in found:
        COMMAND.stop(f"no function estimate in {file}")
    return by_frame(found["estimate"])


def groups_of(seen: Seen, truth: Truth, wanted: Array) -> dict[str, Array]:
    """Return which positions and weeks are of each group; all of shape (products, l, weeks)."""
    listed = seen.by_week(seen.available >= 0) > 0
    short = seen.by_week(seen.is_stockout) > 0
    late = seen.weeks() >= WEEKS_BEFORE * 7
    groups = {
        "all": listed,
        "with a stockout": listed & short,
        "without one": listed & ~short,
        "after four weeks": listed & late,
    }
    for name in CLASSES:
        groups[name] = listed & (truth.demand_class == name)[:, :, None]
    mean = (wanted.sum(2) / np.maximum(listed.sum(2), 1))[:, :, None]
    groups["sparse"] = listed & (mean < MEDIUM)
    groups["medium"] = listed & (mean >= MEDIUM) & (mean < FAST)
    groups["fast"] = listed & (mean >= FAST)
    return groups


def judge(wanted: Array, estimate: Array, groups: dict[str, Array]) -> dict[str, dict[str, float]]:
    """Return bias and WAPE in each group in which anything was wanted."""
    return {
        name: {"bias": bias(wanted[at], estimate[at]), "wape": wape(wanted[at], estimate[at])}
        for name, at in groups.items()
        if wanted[at].any()
    }


def recovered(schema: Path, own: Path | None, tell: Tell) -> dict[str, Any]:
    """Return how far off each method is; nothing of a world without a whole week."""
    tell("reading")
    seen = load(schema)
    if seen.share_kept < 1:
        tell(f"sampled {seen.share_kept:.1%} of the locations by a hash of their keys")
    if not len(seen.weeks()):
        tell("no estimates: there is no whole week")
        return {}
    chosen = methods(tell)
    if own:
        chosen[own.stem] = own_method(own)
    estimates = {}
    for name, method in chosen.items():
        tell(f"method: {name}")
        estimates[name] = method(seen)
    # Only now, so that no method can see it.
    tell("judging")
    truth = load_truth(schema, seen)
    wanted = seen.by_week(truth.wanted)
    groups = groups_of(seen, truth, wanted)
    at = groups["all"]
    return {
        "units": {
            name: {"positions and weeks": int(of.sum()), "share": wanted[of].sum() / wanted.sum()}
            for name, of in groups.items()
        },
        "methods": {name: judge(wanted, each, groups) for name, each in estimates.items()},
        "understated": {
            "sales": bias(wanted[at], estimates["sales"][at]),
            "sales of first choices": bias(wanted[at], seen.by_week(truth.sold_first)[at]),
            "sales in FreshRetailNet-50K": FRESH_RETAIL_NET,
        },
    }


def planted(schema: Path) -> dict[str, float]:
    """Return the variables of the built tables that say what shoppers do."""
    found = read_arrays(schema, "build_variables", ["variable_name", "variable_value"])
    values = dict(zip(found["variable_name"], found["variable_value"], strict=True))
    return {name: float(values[name]) for name in ("substitution_rate", "waiting_rate")}


def shares(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the shares of responses of all rows together and of each, found and planted."""
    counts = [name for name in rows[0] if name != "category_level_2"]
    total = {name: sum(row[name] for row in rows) for name in counts}
    return {
        row["category_level_2"]: {
            "substituting": row["lines_substituting"] / row["lines_short"],
            "planted substituting": row["all_lines_substituting"] / row["all_lines"],
            "waiting": row["lines_waiting"] / row["lines_short"],
            "planted waiting": row["all_lines_waiting"] / row["all_lines"],
        }
        for row in [{"category_level_2": "all", **total}, *rows]
        if row["lines_short"]
    }


def responses(schema: Path, tell: Tell) -> dict[str, Any]:
    """Return how the published tables tell what was planted.

    Raises:
        MissingTableError: a table has not been built.
    """
    tell("query: shortage_outcomes")
    with COMMAND.asking() as rows_of:
        rows = rows_of("shortage_outcomes")
    return {"variables": planted(schema), "shares": shares(rows) if rows else {}}


def lines(found: dict[str, Any]) -> list[str]:
    """Return the figures as tables."""
    shown = []
    if "methods" in found:
        names = list(found["methods"])
        for figure in ("bias", "wape"):
            heading = "".join(f"  {name}" for name in names)
            shown += ["", f"{figure:<18}{'share':>7}{heading}"]
            for group, units in found["units"].items():
                if group not in found["methods"]["sales"]:
                    continue
                figures = {name: found["methods"][name][group][figure] for name in names}
                columns = "".join(f"  {each:>{len(name)}.3f}" for name, each in figures.items())
                shown.append(f"  {group:<16}{units['share']:>7.3f}{columns}")
        shown += ["", "understated"]
        shown += [f"  {name:<29} {value:.3f}" for name, value in found["understated"].items()]
    shown += ["", "responses"]
    shown += [f"  {name:<29} {value:.3f}" for name, value in found["variables"].items()]
    for group, figures in found["shares"].items():
        of_group = "  ".join(f"{name} {value:.3f}" for name, value in figures.items())
        shown.append(f"  {group:<17} {of_group}")
    return shown


def main() -> None:
    """Estimate, judge, print and write."""
    parser = COMMAND.parser(__doc__.splitlines()[0])
    parser.add_argument("--method", type=Path, help="Python file with a function estimate(frame)")
    arguments = parser.parse_args()
    COMMAND.run(
        lambda schema, tell: recovered(schema, arguments.method, tell) | responses(schema, tell),
        lines,
        arguments.output,
    )


if __name__ == "__main__":
    main()
