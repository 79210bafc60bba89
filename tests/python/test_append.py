"""Days that are appended are those of a world that was built at once, table by table."""

import json
import shutil
from urllib.parse import unquote

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow import parquet
from support import (
    ROOT,
    SCHEMA,
    TINY_VARS,
    World,
    build_tiny,
    differing,
    read_fingerprints,
    run_dbt,
    run_on_one_parse,
)

# What says how the world came about, not what is in it.
HISTORY = ("int_simulated_days", "world")
FINGERPRINT = ["run-operation", "fingerprint", "--args", "{intermediate: true, format: json}"]
QUALITY = ["run", "--select", "path:models/quality"]
# Tables to which a day only adds rows, which are there after the allocation of the day.
FACTS = (
    "gold_cart_fact",
    "gold_inventory_fact",
    "gold_inventory_movement_fact",
    "gold_sales_daily_agg",
    "gold_sales_fact",
)


def append(days: str = "", to: str = "", *command: str) -> list[str]:
    """Return the words of a command that appends: so many days, or all up to one."""
    words = list(command) or ["run", "--selector", "append"]
    return [f"STOCKTRUE_APPEND_DAYS={days}", f"STOCKTRUE_APPEND_TO={to}", *words]


def grow(world: World, target, *commands: list[str], **changes):
    """Run dbt commands on a tiny world in one process, and return its fingerprints."""
    run = run_on_one_parse(
        *commands,
        FINGERPRINT,
        parsed=("local", TINY_VARS),
        run=("local", TINY_VARS | changes),
        target=target,
        env={"STOCKTRUE_WAREHOUSE": str(world.warehouse), "STOCKTRUE_SCHEMA": SCHEMA},
    )
    assert run.returncode == 0, run.output[-6000:]
    return content(read_fingerprints(run.output))


def content(fingerprints):
    """Fingerprints without the tables that tell how the world came about."""
    return {name: each for name, each in fingerprints.items() if name not in HISTORY}


def closings(world: World) -> list[dict]:
    """Return the rows of the table world, oldest first."""
    return sorted(world.table("world").to_pylist(), key=lambda row: row["last_closed_date"])


@pytest.fixture(scope="module")
def grown(tiny_world, tmp_path_factory):
    """Return the first nine days, grown to the 48 of the tiny preset, and the fingerprints.

    By a day, by three that began and were left half-way, across Black Friday and the end of a
    month, by the data tests' own run, to the end of the year and beyond: another year's calendar,
    plan and stock, and a product's first day.
    """
    folder = tmp_path_factory.mktemp("grown")
    world, _ = build_tiny(folder, seeds_of=tiny_world, date_range_days=9)
    half = ["run", "--select", "+gold_sales_fact,config.materialized:incremental"]
    half += ["int_simulated_days", "tag:rebuilt_daily", "gold_customer_dim", "gold_stockout_events"]
    fingerprints = grow(
        world,
        folder / "target",
        append("1"),
        append("3", "", *half),
        append("1"),
        append("", "2025-12-02", "build", "--selector", "append"),
        append("", "2025-12-31"),
        append("", "2026-01-03"),
        QUALITY,
        date_range_days=9,
    )
    return world, fingerprints


@pytest.mark.tables
def test_days_appended_are_days_built_at_once(grown, tiny_fingerprints):
    assert not differing(content(tiny_fingerprints), grown[1])


@pytest.mark.tables
def test_world_tells_what_is_complete(grown):
    """Days that were left half-way are finished by the next command, whatever it asks for."""
    days = [(str(row["last_closed_date"]), row["days_added"]) for row in closings(grown[0])]
    assert days == [
        ("2025-11-25", 9),
        ("2025-11-26", 1),
        ("2025-11-29", 3),
        ("2025-12-02", 3),
        ("2025-12-31", 29),
        ("2026-01-03", 3),
    ]


@pytest.mark.tables
def test_versions_that_the_world_names_are_there_after_two_attempts(grown, manifest):
    """So not those of tables that each attempt builds anew."""
    world, _ = grown
    named = json.loads(closings(world)[-1]["table_versions"])
    for name, version in named.items():
        node = manifest["nodes"][f"model.stocktrue.{name}"]
        assert not {"rebuilt_daily", "quality"} & set(node["tags"]), name
        DeltaTable(world.folder(name), version=version)
    assert set(FACTS) <= set(named)


@pytest.mark.tables
@pytest.mark.parametrize("name", FACTS)
def test_new_version_of_a_table_holds_the_new_rows(grown, name):
    """A consumer who keeps the version that it has read gets what was added, and nothing else."""
    world, _ = grown
    before, after = (json.loads(row["table_versions"])[name] for row in closings(world)[3:5])
    assert after == before + 1
    old, new = (
        set(DeltaTable(world.folder(name), version=version).file_uris())
        for version in (before, after)
    )
    assert old < new
    added = [parquet.read_table(unquote(uri), columns=["date_key"]) for uri in new - old]
    days = set(pa.concat_tables(added)["date_key"].to_pylist())
    assert min(days) > 20251202
    assert max(days) <= 20251231


@pytest.mark.tables
def test_another_world_is_refused_before_anything_is_written(grown, tmp_path):
    """Which value, was, is; and what can be done."""
    output = refused(grown[0], tmp_path, random_seed=43, return_rate=0.2)
    assert "random_seed: was 42, is 43" in output
    assert "return_rate: was 0.15, is 0.2" in output
    assert "build another world beside it (STOCKTRUE_SCHEMA), or build it anew" in output


def refused(world: World, target, **changes) -> str:
    """Return what an append says that ends before it writes anything; with changed variables."""
    versions = {name: DeltaTable(world.folder(name)).version() for name in (*HISTORY, *FACTS)}
    run = run_dbt(
        *("build", "--selector", "append", "--vars", json.dumps(TINY_VARS | changes)),
        project=ROOT,
        target=target,
        env={
            "STOCKTRUE_WAREHOUSE": str(world.warehouse),
            "STOCKTRUE_SCHEMA": SCHEMA,
            "STOCKTRUE_APPEND_DAYS": "1",
        },
    )
    assert run.returncode == 2
    assert "START sql" not in run.output
    found = {name: DeltaTable(world.folder(name)).version() for name in versions}
    assert found == versions
    return run.output


@pytest.mark.tables
@pytest.mark.parametrize("what", ["days", "variables"])
def test_nothing_is_appended_after_a_whole_build_that_did_not_end(grown, tmp_path, what):
    """Of other days or from other variables: the closing is that of the world before."""
    world = World(tmp_path / "warehouse")
    shutil.copytree(grown[0].warehouse, world.warehouse)
    begun = world.table("int_simulated_days")
    (row,) = begun.to_pylist()
    if what == "days":
        row |= {"closed_date": row["first_date"], "last_date": row["first_date"]}
    else:
        row["variables"] = row["variables"].replace('"random_seed": 42', '"random_seed": 43')
    write_deltalake(
        world.folder("int_simulated_days"),
        pa.Table.from_pylist([row], begun.schema),
        mode="overwrite",
    )
    assert "a build that began later did not end" in refused(world, tmp_path / "target")


# A table, the column of its days, a column that is changed on the first or the last of them and to
# what, and the data tests that must see it.
MISTAKES = [
    (
        ("gold_inventory_fact", "date_key", "quantity_on_hand", "quantity_on_hand + 1"),
        ("assert_inventory_changes_by_its_movements", "assert_inventory_quantities_balance"),
    ),
    (
        ("gold_sales_fact", "date_key", "quantity_sold", "quantity_sold + 9"),
        (
            *("assert_sales_stay_within_the_shelf", "assert_surviving_lines_are_sold_or_lost"),
            *("assert_returns_follow_one_sale", "gold_sales_fact_rules"),
        ),
    ),
    (("gold_cart_fact", "date_key", "customer_key", "-1"), ("gold_cart_fact_foreign_keys",)),
    (
        ("gold_cart_abandonment_fact", "date_key", "is_recovered", "not is_recovered"),
        ("assert_recovery_carts_follow_an_abandoned_cart", "gold_cart_abandonment_fact_rules"),
    ),
    (
        ("gold_customer_event_fact", "date_key", "bounce_flag", "not bounce_flag"),
        ("assert_events_follow_the_order_of_a_visit", "assert_events_keep_their_rules"),
    ),
    (
        ("gold_sales_monthly_agg", "month_start_date_key", "units_lost", "units_lost + 1"),
        ("assert_sales_rollups_equal_their_facts",),
    ),
    (
        ("gold_channel_performance_agg", "date_key", "total_revenue", "total_revenue + 1"),
        ("assert_channel_rollup_adds_up",),
    ),
    (
        ("gold_stockout_events", "stockout_end_date_key", "lost_sales_attempts", "999"),
        ("assert_lost_sales_agree_with_carts_and_stockouts",),
    ),
    (
        ("int_stock_events", "date_key", "quantity", "quantity + 1"),
        ("assert_orders_follow_the_policy",),
    ),
    (
        ("int_line_outcomes", "date_key", "opening_available", "-1"),
        ("assert_allocated_units_were_on_the_shelf",),
    ),
    (
        ("int_cart_lines", "date_key", "abandonment_draw", "1 - abandonment_draw"),
        ("assert_digital_carts_follow_their_draw",),
    ),
]
SEEING = [name for _, names in MISTAKES for name in names]


def newest(column: str, days: list) -> str:
    """Return the condition for the last day."""
    return f"{column} >= '{days[-1]}'"


def oldest(column: str, days: list) -> str:
    """Return the condition for days that an append does not look at: eight, or the first.

    A stockout or a version that began early may end late, so of these it is the first.
    """
    return f"{column} <= '{days[7 if column == 'date_key' else 0]}'"


def with_mistakes(world: World, folder, pick) -> World:
    """Return a copy of a world whose last day alone is new, with MISTAKES where `pick` says."""
    copied = World(folder / "warehouse")
    shutil.copytree(world.warehouse, copied.warehouse)
    DeltaTable(copied.folder("int_simulated_days")).update({"closed_date": "last_date - 1"})
    for (table, of, column, value), _ in MISTAKES:
        days = {day for day in copied.table(table)[of].to_pylist() if day}
        changed = DeltaTable(copied.folder(table)).update(
            {column: value}, predicate=pick(of, sorted(days))
        )
        assert changed["num_updated_rows"], table
    return copied


def failing(world: World, target, *selection: str) -> tuple[set[str], set[str]]:
    """Return the names of the data tests that fail, and of all that run."""
    run = run_dbt(
        *("test", *selection, "--vars", json.dumps(TINY_VARS)),
        project=ROOT,
        target=target,
        env={"STOCKTRUE_WAREHOUSE": str(world.warehouse), "STOCKTRUE_SCHEMA": SCHEMA},
    )
    statuses = {name: each for name, each in run.results().items() if each in ("pass", "fail")}
    return {name for name, each in statuses.items() if each == "fail"}, set(statuses)


@pytest.mark.tables
def test_append_finds_what_is_wrong_with_a_new_day(grown, tmp_path):
    world = with_mistakes(grown[0], tmp_path, newest)
    failed, _ = failing(world, tmp_path / "target", "--selector", "append")
    assert set(SEEING) - failed == set()


@pytest.mark.tables
def test_old_days_are_tested_by_the_run_of_all_data_tests(grown, manifest, tmp_path):
    """An append does not read them again: none of its tests sees what is wrong there."""
    world = with_mistakes(grown[0], tmp_path, oldest)
    failed, ran = failing(world, tmp_path / "target", "--selector", "append")
    assert failed == set()
    assert set(SEEING) < ran
    tags = {node["name"]: node["tags"] for node in manifest["nodes"].values()}
    assert not [name for name in ran if "whole_world" in tags.get(name, [])]
    failed, _ = failing(world, tmp_path / "target", "--select", *SEEING)
    assert set(SEEING) - failed == set()


def consume(world: World, target, *options: str, up_to: str = "9999-12-31") -> dict[str, list]:
    """Run the project in docs/consumer/ up to a day, and return the rows of its tables."""
    run = run_dbt(
        *("run", *options),
        project=ROOT / "docs" / "consumer",
        target=target,
        env={
            "STOCKTRUE_WAREHOUSE": str(world.warehouse),
            "STOCKTRUE_SCHEMA": SCHEMA,
            "STOCKTRUE_UP_TO": up_to,
        },
    )
    assert run.returncode == 0, run.output[-3000:]
    tables = ("daily_category_revenue", "cart_recovery_daily")
    return {name: World(world.warehouse, "consumer").table(name).to_pylist() for name in tables}


def without_version(rows: list[dict]) -> list[str]:
    """Return rows as sorted text, without how far their reader was then."""
    return sorted(str({key: row[key] for key in row if key != "read_version"}) for row in rows)


@pytest.mark.tables
def test_consumer_who_follows_the_closings_is_where_a_full_refresh_is(grown, tmp_path):
    """Each run reads what was closed since the last one; some of it revises what it has read."""
    world, _ = grown
    days = [str(row["last_closed_date"]) for row in closings(world)]
    runs = [consume(world, tmp_path / "target", up_to=day) for day in days]
    at_once = consume(world, tmp_path / "target", "--full-refresh")
    for name, rows in at_once.items():
        assert without_version(runs[-1][name]) == without_version(rows), name
    read_in = {row["read_version"] for row in runs[-1]["cart_recovery_daily"]}
    assert len(read_in) > 1
    for run, day in zip(runs, days, strict=True):
        last = max(row["date_key"] for row in run["daily_category_revenue"])
        assert str(last) == day.replace("-", "")
    first, last = (
        {(row["date_key"], row["channel_key"]): row["recovered_carts"] for row in rows}
        for rows in (runs[0]["cart_recovery_daily"], runs[-1]["cart_recovery_daily"])
    )
    assert any(first[key] < last[key] for key in first)
