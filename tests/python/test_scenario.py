"""make scenario: another policy meets the carts of the base build, or the command stops."""

import os
import re
import shutil

import forks
import pytest
import scenario
import yaml
from deltalake import DeltaTable
from support import ROOT, SCHEMA, TINY_VARS, content, read_delta
from warehouse_query import open_warehouse

RELIABLE = f"{SCHEMA}_reliable"


@pytest.fixture(scope="module")
def warehouse(tiny_world, tmp_path_factory):
    """Return a warehouse folder of its own with the tiny world."""
    folder = tmp_path_factory.mktemp("scenario") / "warehouse"
    shutil.copytree(tiny_world.warehouse / SCHEMA, folder / SCHEMA)
    return folder


@pytest.fixture
def in_warehouse(warehouse, monkeypatch):
    """Let this process work in that folder."""
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(warehouse))
    monkeypatch.setenv("STOCKTRUE_SCHEMA", SCHEMA)
    return warehouse


@pytest.fixture(scope="module")
def reliable(warehouse):
    """Return the output of a scenario with a lower stockout target."""
    done = forks.run(
        *(ROOT / "scripts" / "scenario.py", "--name", "reliable"),
        cwd=ROOT,
        env=os.environ
        | {
            "STOCKTRUE_WAREHOUSE": str(warehouse),
            "STOCKTRUE_SCHEMA": SCHEMA,
            "VARS": "target_stockout_rate: 0.03",
        },
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    return done.stdout


def column(warehouse, schema, table, *names):
    """Return the rows of a table, as values of one column or tuples of several."""
    rows = read_delta(DeltaTable(str(warehouse / schema / table)), list(names)).to_pylist()
    return [row[names[0]] if len(names) == 1 else tuple(row.values()) for row in rows]


def printed(output, label):
    """Return the base and the scenario of a printed line as numbers."""
    (line,) = [line for line in output.splitlines() if line.startswith(f"{label}  ")]
    before, after = line.removeprefix(label).split()[:2]
    return tuple(float(cell.rstrip("%").replace(",", "")) for cell in (before, after))


def test_scenario_has_the_cart_lines_of_the_base(warehouse, reliable):
    base, other = (
        read_delta(DeltaTable(str(warehouse / schema / scenario.DEMAND)))
        for schema in (SCHEMA, RELIABLE)
    )
    assert content(base) == content(other)
    assert f"the same {base.num_rows:,} cart lines in both" in reliable
    assert printed(reliable, "units in carts")[0] == printed(reliable, "units in carts")[1]


def test_lower_target_loses_fewer_units_with_more_stock(warehouse, reliable):
    lost, value = (
        tuple(sum(column(warehouse, schema, *of)) for schema in (SCHEMA, RELIABLE))
        for of in (
            ("gold_lost_sales_fact", "quantity_lost"),
            ("gold_inventory_fact", "inventory_value_cost"),
        )
    )
    assert lost[1] < 0.7 * lost[0]
    assert value[1] > value[0]
    assert printed(reliable, "units lost") == lost
    days = TINY_VARS["date_range_days"]
    assert printed(reliable, "average stock at cost") == pytest.approx(
        [each / days for each in value], abs=1
    )


def test_figures_are_those_of_the_tables(warehouse, reliable):
    for at, schema in enumerate((SCHEMA, RELIABLE)):
        sales = column(warehouse, schema, "gold_sales_fact", "quantity_sold", "is_return")
        sold = sum(quantity for quantity, is_return in sales if not is_return)
        assert printed(reliable, "units sold")[at] == sold
        wanted = printed(reliable, "units requested (carts not abandoned)")[at]
        assert wanted == sold + printed(reliable, "units lost")[at]
        revenue = sum(column(warehouse, schema, "gold_sales_fact", "net_sales_amount"))
        assert printed(reliable, "net revenue, less returns")[at] == pytest.approx(revenue, abs=1)
        empty = column(warehouse, schema, "gold_inventory_fact", "is_stockout")
        rate = printed(reliable, "stockout rate")[at]
        assert rate == pytest.approx(100 * sum(empty) / len(empty), abs=0.006)
        carts = column(
            *(warehouse, schema, "gold_cart_fact"),
            *("is_digital", "is_abandoned", "recovered_from_cart_id"),
        )
        left = [abandoned for digital, abandoned, first in carts if digital and first is None]
        rate = printed(reliable, "abandonment rate, digital")[at]
        assert rate == pytest.approx(100 * sum(left) / len(left), abs=0.006)


def test_docs_show_this_scenario(reliable):
    page = (ROOT / "docs" / "scenarios.md").read_text()
    table = page.split("| | base | scenario |")[1].split("\n\n")[0]
    shown = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    found = [re.split(r"\s{2,}", line.strip()) for line in reliable.splitlines()]
    assert len(shown) > 5
    assert [row for row in shown if row not in found] == []


def test_scenario_keeps_its_variables(warehouse, reliable):
    base, other = (
        dict(column(warehouse, schema, scenario.VARIABLES, "variable_name", "variable_value"))
        for schema in (SCHEMA, RELIABLE)
    )
    assert {name: other[name] for name in other if other[name] != base[name]} == {
        "target_stockout_rate": "0.03"
    }


@pytest.mark.usefixtures("in_warehouse")
def test_variables_of_demand_are_refused(warehouse):
    before = sorted(path.name for path in warehouse.iterdir())
    with pytest.raises(SystemExit, match=r"^scenario: random_seed, return_rate: [^\n]+$"):
        scenario.run(
            "local", "other", {"random_seed": 7, "return_rate": 0.3, "target_stockout_rate": 0.1}
        )
    assert sorted(path.name for path in warehouse.iterdir()) == before


def test_other_cart_lines_stop_the_scenario(warehouse, tmp_path, monkeypatch):
    """One line less in the scenario, whatever made it: the simulation does not begin."""
    shutil.copytree(warehouse / SCHEMA, tmp_path / SCHEMA)
    copy = tmp_path / RELIABLE / scenario.DEMAND
    shutil.copytree(warehouse / SCHEMA / scenario.DEMAND, copy)
    (line, *_) = column(warehouse, SCHEMA, scenario.DEMAND, "cart_line_id")
    DeltaTable(str(copy)).delete(f"cart_line_id = {line}")
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(tmp_path))
    monkeypatch.setenv("STOCKTRUE_SCHEMA", SCHEMA)
    done, dbt = [], scenario.Scenario.dbt

    def without_builds(self, *command):
        done.append(command[0])
        return dbt(self, *command) if "parse" in command else None

    monkeypatch.setattr(scenario.Scenario, "dbt", without_builds)
    with pytest.raises(SystemExit, match=r"^scenario: int_cart_lines of [^\n]+ edited [^\n]+$"):
        scenario.run("local", "reliable", {"target_stockout_rate": 0.03})
    assert "build" in done
    assert "run" not in done


def test_missing_base_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(tmp_path / "none"))
    with pytest.raises(SystemExit, match=r"^scenario: no [^\n]+: run make build first$"):
        scenario.run("local", "scenario", {})
    assert not (tmp_path / "none").exists()


def test_free_variables_and_supply_are_no_part_of_demand(manifest):
    """What the models up to the carts read: all variables but the free ones, no supply."""
    defaults = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    variables = {name for name in defaults if ":" not in name}
    pending, seen, read = [f"model.stocktrue.{scenario.DEMAND}"], set(), set()
    while pending:
        each = pending.pop()
        if each in seen or each.split(".")[1] != "stocktrue":
            continue
        seen.add(each)
        node = manifest["macros" if each.startswith("macro.") else "nodes"][each]
        text = node.get("macro_sql") or node.get("raw_code") or ""
        read |= set(re.findall(r"""\bvar\(\s*['"](\w+)""", text))
        # Python models get them by their configuration.
        read |= node.get("config", {}).keys() & variables
        for kind in ("nodes", "macros"):
            pending += node["depends_on"].get(kind, [])
    # What is appended to a world is no part of what it is.
    assert read - {"append_days", "append_to"} == variables - set(scenario.FREE_VARIABLES)
    assert "seed.stocktrue.units_per_line" in seen
    assert "seed.stocktrue.supply_schedule" not in seen


def test_values_of_a_build_are_read_as_they_were():
    texts = {"0.075": 0.075, "1e-05": 1e-05, "[1, 3]": [1, 3], "2025-10-03": "2025-10-03"}
    assert {text: scenario.built_value(text) for text in texts} == texts


@pytest.mark.usefixtures("in_warehouse")
def test_hash_of_the_cart_lines_is_their_fingerprint(tiny_fingerprints):
    with open_warehouse("local") as opened:
        rows, total = opened.fingerprint(scenario.DEMAND)
    assert (rows, f"{int(total) % 2**64:016x}") == tiny_fingerprints[scenario.DEMAND]
