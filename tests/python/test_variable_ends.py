"""Worlds at the ends of the variables: each builds and tests green, or is refused with a line.

`STOCKTRUE_ALL_ENDS=1 .venv/bin/pytest tests/python/test_variable_ends.py` takes all of them, for an
hour or more; without it the one in which most can go wrong.
"""

import json
import os

import forks
import pytest
from support import ROOT, SCHEMA, run_dbt
from test_vars import SPEC

SMALL = {
    "start_date": "2025-11-17",
    "date_range_days": 14,
    "num_customers": 60,
    "num_products": 20,
    "num_locations": 5,
}
# As far as is built here: the highest values take a machine of their own.
HIGHEST = {"num_customers": 200_000, "num_products": 50_000}
RATES = [
    *("cart_abandonment_base_rate", "cart_abandonment_increase", "cart_recovery_rate"),
    *("return_rate", "digital_share", "substitution_rate", "waiting_rate"),
]
# Each may not exceed 1 together with another rate, which stays.
LEFT_OUT = {"cart_abandonment_increase": 0, "waiting_rate": 0}


def end(entry: dict, which: str) -> object:
    """Return the smallest or largest value of a variable."""
    value = entry[which]
    if which == "max":
        value = min(value, HIGHEST.get(entry["name"], value))
    return [value, value] if entry["kind"] == "day range" else value


ENDS = {
    f"{entry['name']} {which}": {entry["name"]: end(entry, which)}
    for entry in SPEC
    for which in ("min", "max")
}
SIZES = ("date_range_days", "num_customers", "num_products", "num_locations")
# A week of a spring has neither complete months nor promotions of the season.
SMALLEST = {"start_date": "2025-03-01"}
SMALLEST |= {name: value for size in SIZES for name, value in ENDS[f"{size} min"].items()}
TOGETHER = {
    "smallest": SMALLEST,
    "smallest, digital only": SMALLEST | {"digital_share": 1},
    "all min": {entry["name"]: end(entry, "min") for entry in SPEC},
    "all rates 0": dict.fromkeys(RATES, 0) | {"target_stockout_rate": 0},
    "all rates 1": dict.fromkeys(RATES, 1)
    | {"cart_abandonment_base_rate": 0, "substitution_rate": 0, "target_stockout_rate": 0.5},
    "all carts abandoned": dict.fromkeys(RATES, 1) | LEFT_OUT,
    "most of all": {
        entry["name"]: end(entry, "max")
        for entry in SPEC
        if entry["name"] not in (*SIZES, "digital_share")
    }
    | LEFT_OUT,
}
CASES = TOGETHER | ENDS
# The default of the other one added to these is above 1.
REFUSED = {
    *("cart_abandonment_base_rate max", "cart_abandonment_increase max"),
    *("substitution_rate max", "waiting_rate max"),
}
CHOSEN = CASES if os.environ.get("STOCKTRUE_ALL_ENDS") else ["smallest, digital only"]


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", CHOSEN)
def test_world_is_built_or_refused(tmp_path, name):
    """Every test passes, and report and validations can be made of the tables."""
    env = {"STOCKTRUE_WAREHOUSE": str(tmp_path / "warehouse"), "STOCKTRUE_SCHEMA": SCHEMA}
    run = run_dbt(
        *("build", "--exclude-resource-type", "unit_test"),
        *("--vars", json.dumps(SMALL | CASES[name])),
        project=ROOT,
        target=tmp_path / "target",
        env=env,
    )
    if name in REFUSED:
        assert run.returncode != 0
        lines = [line for line in run.output.splitlines() if ", allowed: " in line]
        assert len(lines) == 1, run.output[-6000:]
        assert not (tmp_path / "warehouse").exists()
        return
    assert run.returncode == 0, run.output[-6000:]
    validate = ROOT / "scripts" / "validate.py"
    for program, *options in (["report", "--output", tmp_path / "page.html"], [validate]):
        done = forks.run(program, *options, cwd=ROOT, env={**os.environ, **env})
        assert done.returncode == 0, done.stdout + done.stderr
