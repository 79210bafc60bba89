"""Same seed and variables, same rows: whatever the threads, however many days follow."""

import re

import jinja2
import pytest
from dbt.adapters.embedded.engines import start_engine
from support import OTHER_PLAN, ROOT, build_tiny, content

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

# Drawn for each customer, location, product or day, up to the carts.
DRAWN_TABLES = (
    *("int_customer_profiles", "gold_customer_dim", "gold_location_dim", "gold_product_dim"),
    *("int_demand_plan", "int_supply_calendar", "int_stock_adjustments"),
    *("int_replenishment_plan", "int_cart_lines"),
)
DRAW = re.compile(r"\buniform(?:_int)?\(")
STREAM = re.compile(r"\buniform(?:_int)?\(\s*['\"](\w+)['\"]")


def test_shorter_window_has_the_same_days(tiny_world, tmp_path):
    """A window of 30 days is the first 30 days of a longer one, line by line.

    Eight threads build it with other partitions, which changes nothing either; the Databricks
    stand-in does the same with all tables of the whole window.
    """
    shorter, _ = build_tiny(
        *(tmp_path, "--select", *(f"+{name}" for name in DAILY_TABLES)),
        seeds_of=tiny_world,
        threads=8,
        env=OTHER_PLAN,
        date_range_days=30,
    )
    last_date_key = 20251216
    # Who waited may come again after the last day: up to two weeks later this is known.
    known = 20251202
    fate = ["outcome", "quantity_bought_later", "quantity_finally_lost", "later_visit_date_key"]
    for name, column in DAILY_TABLES.items():
        whole, part = tiny_world.table(name), shorter.table(name)
        dates = whole[column].to_numpy()
        # Sessions are kept as long as web events: the longer window begins later.
        part = part.filter(part[column].to_numpy() >= dates.min())
        assert part.num_rows > 0
        whole = whole.filter(dates <= last_date_key)
        if name == "gold_lost_sales_fact":
            settled = [rows.filter(rows[column].to_numpy() <= known) for rows in (whole, part)]
            assert content(settled[0]) == content(settled[1])
            assert settled[0].num_rows > 0
            whole, part = (rows.drop_columns(fate) for rows in (whole, part))
        assert content(whole) == content(part), name


def test_other_seed_gives_other_draws(tiny_world, tmp_path):
    """Of the tables up to the carts, which every later table of a day is made from."""
    other, _ = build_tiny(
        *(tmp_path, "--select", *(f"+{name}" for name in DRAWN_TABLES)),
        seeds_of=tiny_world,
        random_seed=43,
    )
    alike = [n for n in DRAWN_TABLES if content(other.table(n)) == content(tiny_world.table(n))]
    assert alike == []
    # What a seed may change, and what not.
    for name in ("gold_date_dim", "int_holiday_calendar", "int_traffic_plan"):
        assert content(other.table(name)) == content(tiny_world.table(name)), name


@pytest.fixture(scope="module")
def streams():
    """Return the name of the stream of every draw in SQL."""
    texts = [path.read_text() for path in (ROOT / "models").rglob("*.sql")]
    found = [name for text in texts for name in STREAM.findall(text)]
    assert len(found) == sum(len(DRAW.findall(text)) for text in texts) > 30
    return found


def test_every_stream_of_draws_depends_on_the_seed_and_its_name(streams):
    """Draws of the same rows: the same again, none in common with another seed or stream."""
    macros = jinja2.Environment().from_string((ROOT / "macros" / "uniform.sql").read_text())

    def draws(seed: int, streams: list[str]) -> list[list[float]]:
        module = macros.make_module({"var": {"random_seed": seed}.__getitem__})
        columns = [f"{module.uniform(name, ['id'])} as d{at}" for at, name in enumerate(streams)]
        rows = session.sql(f"select {', '.join(columns)} from range(20) order by id").toArrow()
        return [column.to_pylist() for column in rows.columns]

    session = start_engine("sail")
    names = sorted(set(streams))
    first, again, other = (draws(seed, names) for seed in (42, 42, 43))
    assert first == again
    values = [value for column in (*first, *other) for value in column]
    assert len(set(values)) == len(values) == 2 * 20 * len(names)
    assert all(0 <= value < 1 for value in values)


def test_sql_draws_in_no_other_way():
    other = re.compile(
        r"\b(rand|randn|random|uuid|shuffle|tablesample|monotonically_\w+)\s*\(", re.I
    )
    files = [*(ROOT / "models").rglob("*.sql"), *(ROOT / "macros").glob("*.sql")]
    assert [path.name for path in files if other.search(path.read_text())] == []
