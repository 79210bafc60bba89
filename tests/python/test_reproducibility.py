"""Same seed and variables, same rows: whatever the threads, and however many days follow."""

import hashlib

import pytest
import yaml
from support import ROOT, SCHEMA, World, run_dbt

DAILY_TABLES = {
    "int_cart_lines": "date_key",
    "int_line_outcomes": "date_key",
    "int_stock_events": "date_key",
    "gold_inventory_fact": "date_key",
    "gold_sales_fact": "date_key",
    "gold_cart_fact": "date_key",
    "gold_inventory_movement_fact": "date_key",
    "gold_lost_sales_fact": "date_key",
    "int_sessions": "date_key",
    "gold_sales_daily_agg": "date_key",
}


def content(table):
    """Hash of a table's rows whatever their order; the load time does not count."""
    columns = [name for name in sorted(table.column_names) if name != "etl_timestamp"]
    rows = table.select(columns).to_pylist()
    return hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()


def build(folder, threads, **changes):
    variables = yaml.safe_load((ROOT / "presets" / "tiny.yml").read_text()) | changes
    run = run_dbt(
        *("build", "--exclude-resource-type", "test", "unit_test"),
        *("--threads", threads, "--vars", yaml.safe_dump(variables)),
        project=ROOT,
        target=folder / "target",
        env={"STOCKTRUE_WAREHOUSE": str(folder / "warehouse"), "STOCKTRUE_SCHEMA": SCHEMA},
    )
    assert run.returncode == 0, run.output[-6000:]
    return World(folder / "warehouse")


@pytest.fixture(scope="module")
def make_world(tmp_path_factory):
    def make(threads=2, **changes):
        return build(tmp_path_factory.mktemp("world"), threads, **changes)

    return make


def model_names(world):
    return sorted(
        path.name
        for path in (world.warehouse / SCHEMA).iterdir()
        if path.name.startswith(("gold_", "int_"))
    )


def test_same_seed_gives_the_same_rows_with_other_threads(tiny_world, make_world):
    again = make_world(threads=5)
    names = model_names(tiny_world)
    assert names == model_names(again)
    assert "gold_sales_fact" in names
    differing = [
        name for name in names if content(tiny_world.table(name)) != content(again.table(name))
    ]
    assert differing == []


def test_other_seed_gives_other_rows(tiny_world, make_world):
    other = make_world(random_seed=43)
    for name in DAILY_TABLES:
        assert content(tiny_world.table(name)) != content(other.table(name))


def test_shorter_window_has_the_same_days(tiny_world, make_world):
    """A window of 30 days is the first 30 days of a longer one, line by line."""
    shorter = make_world(date_range_days=30)
    last_date_key = 20251216
    for name, column in DAILY_TABLES.items():
        whole, part = tiny_world.table(name), shorter.table(name)
        first_days = whole.filter(whole[column].to_numpy() <= last_date_key)
        assert part.num_rows > 0
        assert content(first_days) == content(part), name
