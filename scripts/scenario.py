"""Build another policy on the demand of the tables built last, and print what it changes.

The scenario has the variables of the base build, with those of VARS (from the environment) over
them, and the seeds as they are now. Its tables go beside the base, into the schema
<schema>_<name>. The models run only as far as the comparison needs; of the tests only those of
the seeds, which may have been edited. It stops unless both builds have the same cart lines, to
the last draw, because only then is the difference the effect of the policy alone.
"""

import argparse
import json
import os
import re
import sys
from contextlib import AbstractContextManager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, NoReturn

import kept_parse
from dbt.cli.main import dbtRunner
from run_vars import given_vars
from warehouse_query import ROOT, Warehouse, WarehouseError, open_warehouse

# The carts do not depend on these.
FREE_VARIABLES = (
    "target_stockout_rate",
    "low_inventory_threshold",
    "cart_abandonment_increase",
    "event_history_days",
)
# Every random draw of the simulation is in it.
DEMAND = "int_cart_lines"
VARIABLES = "build_variables"
FIGURES = "scenario_figures"
TARGET_PATH = ROOT / "target" / "scenario"


@dataclass(frozen=True)
class Figure:
    """A line of the comparison: numerator over denominator, columns of scenario_figures."""

    label: str
    numerator: str
    denominator: str | None = None
    is_money: bool = False

    @property
    def is_share(self) -> bool:
        """Whether it is shown in percent."""
        return self.denominator is not None and not self.is_money

    def of(self, row: dict[str, int]) -> float | None:
        """Return the figure of a build, money in dollars; None when there is no denominator."""
        below = int(row[self.denominator]) if self.denominator else 1
        return int(row[self.numerator]) / (100 if self.is_money else 1) / below if below else None

    def text(self, value: float | None, sign: str = "") -> str:
        """Return a value as text; `sign` "+" for a difference."""
        if value is None:
            return "-"
        if self.is_share:
            return f"{100 * value:{sign}.2f}{' points' if sign else '%'}"
        return f"{value:{sign},.0f}"


COMPARED = (
    Figure("units in carts", "cart_units"),
    Figure("units requested (carts not abandoned)", "units_requested"),
    Figure("units sold", "units_sold"),
    Figure("units lost", "units_lost"),
    Figure("units substituted", "units_substituted"),
    Figure("units bought later", "units_bought_later"),
    Figure("units finally lost", "units_finally_lost"),
    Figure("net revenue, less returns", "net_cents", is_money=True),
    Figure("lost revenue", "lost_cents", is_money=True),
    Figure("average stock at cost", "cost_cent_days", "days", is_money=True),
    Figure("stockout rate", "stockout_days", "position_days"),
    Figure("stockout rate, stores", "store_stockout_days", "store_position_days"),
    Figure("stockout rate, digital", "digital_stockout_days", "digital_position_days"),
    Figure("stockout events", "stockout_events"),
    Figure("abandonment rate, digital", "abandoned_digital_carts", "digital_carts"),
    Figure("orders placed", "orders"),
    Figure("orders failed by suppliers", "failed_orders"),
    Figure("units ordered", "units_ordered"),
    Figure("units received", "units_received"),
)


def stop(reason: object) -> NoReturn:
    """End the process with a reason."""
    sys.exit(f"scenario: {reason}")


def built_value(text: str) -> Any:
    """Return the value of a variable from its text in build_variables; dates stay text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def changed_variables(base: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Return those of the given variables that the base build does not have so."""
    return {name: value for name, value in given.items() if base.get(name) != value}


def demand_variables(base: dict[str, Any], changed: dict[str, Any]) -> list[str]:
    """Return the changed variables that alter demand; unknown names are left to dbt."""
    return [name for name in changed if name in base and name not in FREE_VARIABLES]


def comparison(base: dict[str, int], scenario: dict[str, int]) -> str:
    """Return the figures of two builds, rows of scenario_figures, as a table."""
    lines: list[tuple[str, ...]] = [("", "base", "scenario", "difference", "relative")]
    for figure in COMPARED:
        before, after = figure.of(base), figure.of(scenario)
        difference = None if before is None or after is None else after - before
        relative = "-" if difference is None or not before else f"{100 * difference / before:+.1f}%"
        lines.append(
            (
                figure.label,
                figure.text(before),
                figure.text(after),
                figure.text(difference, "+"),
                relative,
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join([label.ljust(widths[0]), *map(str.rjust, cells, widths[1:])])
        for label, *cells in lines
    )


class Scenario:
    """dbt on the schema of the scenario, in this process; the project is parsed once."""

    def __init__(self, target: str, variables: dict[str, Any]) -> None:
        """Parse the project, which checks the variables."""
        self._target = target
        self._options = ["--target", target, "--vars", json.dumps(variables)]
        self._options += ["--project-dir", str(ROOT), "--profiles-dir", str(ROOT)]
        self._options += ["--target-path", str(TARGET_PATH), "--log-path", str(TARGET_PATH)]
        kept_parse.link(TARGET_PATH, kept_parse.kept_file(target, variables))
        self._manifest = None
        self._manifest = self.dbt("--log-level", "none", "parse")

    def dbt(self, *command: str) -> Any:
        """Run a dbt command with its output and return its result; stop when it fails."""
        # A copy, because a run changes it.
        done = dbtRunner(manifest=deepcopy(self._manifest)).invoke([*command, *self._options])
        if not done.success:
            stop(done.exception or f"dbt {command[0]} failed: see above")
        return done.result

    def opened(self, *analyses: str) -> AbstractContextManager[Warehouse]:
        """Open the tables as open_warehouse does."""
        return open_warehouse(self._target, *analyses, manifest=deepcopy(self._manifest))


def run(target: str, name: str, given: dict[str, Any]) -> None:
    """Build the scenario `name` and print the comparison."""
    with open_warehouse(target, FIGURES) as warehouse:
        schema = warehouse.schema
        models = warehouse.tables_read()
        if missing := warehouse.missing([VARIABLES, DEMAND, *models]):
            stop(f"no {missing[0]} in target {target}, schema {schema}: run make build first")
        rows = warehouse.query(f"select * from {warehouse.table(VARIABLES)}")
        variables = {row["variable_name"]: built_value(row["variable_value"]) for row in rows}
        changed = changed_variables(variables, given)
        if altered := demand_variables(variables, changed):
            stop(
                f"{', '.join(altered)}: got another value than the base, which alters demand;"
                f" a scenario may change {', '.join(FREE_VARIABLES)}"
            )
        demand = warehouse.fingerprint(DEMAND)
        (base,) = warehouse.query(warehouse.analysis(FIGURES))

    # Read by profiles.yml, as the schema of every dbt command from here on.
    os.environ["STOCKTRUE_SCHEMA"] = f"{schema}_{name}"
    scenario = Scenario(target, {**variables, **given})
    scenario.dbt(
        *("build", "--full-refresh", "--select", "path:seeds", f"+{DEMAND}", VARIABLES),
        # Those tests only that are in the folder of the seeds.
        *("--indirect-selection", "empty"),
    )
    with scenario.opened() as warehouse:
        if warehouse.fingerprint(DEMAND) != demand:
            stop(
                f"{DEMAND} of {warehouse.schema} is not that of {schema}: seeds or models that"
                " demand depends on were edited since that build"
            )
    chain = [f"+{model}" for model in models]
    scenario.dbt("run", "--full-refresh", "--select", *chain, "--exclude", f"+{DEMAND}", VARIABLES)
    with scenario.opened(FIGURES) as warehouse:
        (after,) = warehouse.query(warehouse.analysis(FIGURES))
        shown = ", ".join(f"{key}: {value}" for key, value in changed.items())
        print(f"\nbase: {schema}; scenario: {warehouse.schema}, {shown or 'variables as the base'}")
        print(f"the same {demand[0]:,} cart lines in both\n")
    print(comparison(base, after))


def main() -> None:
    """Check what was given, build and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="local", help="target of profiles.yml")
    parser.add_argument("--name", default="scenario", help="the schema is <schema>_<name>")
    arguments = parser.parse_args()
    if not re.fullmatch(r"[a-z0-9_]+", arguments.name):
        stop(f"NAME: got {arguments.name!r}, allowed: small letters, digits and _")
    text = os.environ.get("VARS", "")
    try:
        given = given_vars(text)
    except ValueError:
        stop(f'VARS: got {text!r}, allowed: pairs such as "target_stockout_rate: 0.03"')
    try:
        run(arguments.target, arguments.name, given)
    except WarehouseError as error:
        stop(error)


if __name__ == "__main__":
    main()
