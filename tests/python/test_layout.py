"""How large tables lie in their files: a filter on a month skips files by the Delta log."""

import datetime
import shutil
from types import SimpleNamespace

import jinja2
import pyarrow as pa
import pytest
import yaml
from deltalake import DeltaTable
from support import ROOT, SCHEMA, TINY_VARS, World, content, run_on_one_parse

MACRO_FILE = ROOT / "macros" / "file_range_starts.sql"
DEFAULTS = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
TABLES = (
    "gold_sales_fact",
    "gold_inventory_fact",
    "gold_inventory_movement_fact",
    "gold_cart_fact",
)
# With so many positions the tables are written in ranges, whatever they hold.
MANY_PRODUCTS = TINY_VARS | {"num_products": 100000, "num_locations": 50}


def range_starts(bytes_per_position: float, **variables) -> list[int]:
    """Return what the macro `file_range_starts` returns."""
    returned = []
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    values = DEFAULTS | variables
    first = datetime.date.fromisoformat(str(values["start_date"]))
    last = first + datetime.timedelta(days=values["date_range_days"] - 1)
    module = environment.from_string(MACRO_FILE.read_text()).make_module(
        {
            "return": returned.append,
            "var": values.__getitem__,
            "simulated_days": lambda: SimpleNamespace(first=first, last=last),
        }
    )
    module.file_range_starts({"bytes_per_position": bytes_per_position})
    return returned[0]


def preset(name: str) -> dict:
    """Return the variables of a preset."""
    return yaml.safe_load((ROOT / "presets" / f"{name}.yml").read_text()) or {}


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_small_tables_are_one_range(name):
    assert range_starts(5.5, **preset(name)) == []


def test_ranges_of_the_large_preset():
    large = preset("large")
    assert range_starts(2.1, **large) == [20250101]
    assert range_starts(4, **large) == [20240901, 20250501]
    assert range_starts(5.5, **large) == [20240701, 20250101, 20250701]


def test_ranges_are_of_whole_months_and_at_most_six():
    many = {"num_products": 1000000, "num_locations": 1000}
    assert range_starts(4, **many, start_date="2025-11-17", date_range_days=14) == []
    assert range_starts(4, **many, start_date="2025-11-17", date_range_days=45) == [20251201]
    ten_years = range_starts(4, **many, start_date="2020-01-01", date_range_days=3650)
    assert ten_years == [20210901, 20230501, 20250101, 20260901, 20280501]


@pytest.fixture(scope="module")
def written(tiny_world, tmp_path_factory) -> World:
    """Return the tables written as a large world does, from copies of the tiny ones."""
    folder = tmp_path_factory.mktemp("layout")
    shutil.copytree(tiny_world.warehouse / SCHEMA, folder / "warehouse" / SCHEMA)
    run = run_on_one_parse(
        ["run", "--select", *TABLES],
        parsed=("local", TINY_VARS),
        run=("local", MANY_PRODUCTS),
        target=folder / "target",
        env={"STOCKTRUE_WAREHOUSE": str(folder / "warehouse"), "STOCKTRUE_SCHEMA": SCHEMA},
    )
    assert run.returncode == 0, run.output
    return World(folder / "warehouse")


@pytest.mark.parametrize("name", TABLES)
def test_month_is_in_few_files(written, tiny_world, name):
    """Returns of November lie with their sales, so that it is November's filter that counts."""
    files = pa.table(DeltaTable(written.folder(name)).get_add_actions(flatten=True))
    first_days = files["min.date_key"].to_pylist()
    november = [day for day in first_days if day <= 20251130]
    assert 0 < len(november) < len(first_days)
    if name in ("gold_inventory_fact", "gold_cart_fact"):
        last_days = files["max.date_key"].to_pylist()
        assert sum(day <= 20251130 for day in last_days) == len(november)
    assert content(written.table(name)) == content(tiny_world.table(name))
