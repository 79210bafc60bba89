"""make replay: a built world, published again day by day as it was known on each."""

import json
import os
import shutil
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import forks
import pyarrow as pa
import pytest
import replay
from deltalake import DeltaTable
from replay_rules import LEFT_OUT, TABLES
from support import ROOT, SCHEMA, World, content, read_delta
from test_contracts import PUBLISHED

FIRST, MIDDLE, LAST = date(2025, 11, 28), date(2025, 11, 29), date(2025, 12, 1)
END = date(2026, 1, 3)


def key(day: date) -> int:
    return int(f"{day:%Y%m%d}")


def publish(
    world: World, folder: Path, first: date, last: date, wait=lambda seconds: None
) -> World:
    """Replay some days of a world into a folder."""
    opened = replay.opened(world.warehouse / world.schema)
    replay.run(replay.Replay(opened, folder), first, last, 5, wait)
    return World(folder.parent, folder.name)


@pytest.fixture(scope="module")
def replayed(tiny_world, tmp_path_factory):
    """Return the tables after the days up to LAST, those from FIRST on one by one."""
    return publish(tiny_world, tmp_path_factory.mktemp("replay") / "days", FIRST, LAST)


def at(world: World, name: str, day: date) -> pa.Table:
    """Return the rows of a table when a day was complete, by the version that world tells."""
    (closing,) = (r for r in world.table("world").to_pylist() if r["last_closed_date"] == day)
    version = json.loads(closing["table_versions"])[name]
    return read_delta(DeltaTable(world.folder(name), version=version))


def test_every_published_table_is_replayed_or_left_out():
    assert {*TABLES, *LEFT_OUT} == set(PUBLISHED) - {"world"}


def test_the_last_day_ends_in_the_built_tables(tiny_world, tmp_path):
    whole = publish(tiny_world, tmp_path / "whole", END - timedelta(days=3), END)
    differing = [
        name for name in TABLES if content(whole.table(name)) != content(tiny_world.table(name))
    ]
    assert differing == []


def test_days_one_by_one_end_as_all_of_them_at_once(replayed, tiny_world, tmp_path):
    """What lies before the first day is all that was known on the evening before."""
    next_day = LAST + timedelta(days=1)
    at_once = publish(tiny_world, tmp_path / "at_once", next_day, next_day)
    differing = [
        name
        for name in TABLES
        if content(at(at_once, name, LAST)) != content(at(replayed, name, LAST))
    ]
    assert differing == []


@pytest.mark.parametrize("day", [MIDDLE, LAST])
def test_facts_know_their_days(replayed, tiny_world, day):
    for name in ("gold_inventory_fact", "gold_sales_fact", "gold_channel_performance_agg"):
        whole = tiny_world.table(name)
        known = [date_key for date_key in whole["date_key"].to_pylist() if date_key <= key(day)]
        assert Counter(at(replayed, name, day)["date_key"].to_pylist()) == Counter(known)


@pytest.mark.parametrize("day", [MIDDLE, LAST])
def test_open_stockouts_are_the_empty_shelves_of_the_day(replayed, tiny_world, day):
    empty = {
        (row["product_key"], row["location_key"]): row["stockout_duration_days"]
        for row in tiny_world.table("gold_inventory_fact").to_pylist()
        if row["date_key"] == key(day) and row["is_stockout"]
    }
    lost = Counter()
    for row in tiny_world.table("gold_lost_sales_fact").to_pylist():
        if row["date_key"] <= key(day):
            lost[row["stockout_id"]] += row["quantity_lost"]
    events = at(replayed, "gold_stockout_events", day).to_pylist()
    going_on = {
        (row["product_key"], row["location_key"]): row["stockout_duration_days"]
        for row in events
        if row["stockout_end_date_key"] is None
    }
    assert going_on == empty
    assert going_on
    assert {row["stockout_id"]: row["lost_sales_quantity"] for row in events} == {
        row["stockout_id"]: lost[row["stockout_id"]] for row in events
    }


@pytest.mark.parametrize("day", [MIDDLE, LAST])
def test_abandoned_carts_are_recovered_by_the_carts_so_far(replayed, tiny_world, day):
    recovering = {
        row["recovered_from_cart_id"]
        for row in tiny_world.table("gold_cart_fact").to_pylist()
        if row["recovered_from_cart_id"] and row["date_key"] <= key(day) and row["units_sold"]
    }
    carts = at(replayed, "gold_cart_abandonment_fact", day).to_pylist()
    recovered = {row["cart_id"] for row in carts if row["is_recovered"]}
    assert recovered == recovering != set()
    for row in carts:
        values = [row["recovery_date_key"] is not None, row["recovery_revenue"] > 0]
        assert values == [row["recovery_converted"]] * 2 == [row["is_recovered"]] * 2


@pytest.mark.parametrize("day", [MIDDLE, LAST])
def test_customers_have_one_version_each_that_is_current(replayed, tiny_world, day):
    customers = at(replayed, "gold_customer_dim", day).to_pylist()
    current = Counter(row["customer_id"] for row in customers if row["is_current"])
    assert set(current.values()) == {1}
    known = tiny_world.table("gold_customer_dim").to_pylist()
    assert set(current) == {row["customer_id"] for row in known if row["acquisition_date"] <= day}
    for row in customers:
        assert row["effective_date"] <= day
        assert (row["expiration_date"] == date(9999, 12, 31)) == row["is_current"]
        assert row["is_current"] or row["expiration_date"] < day


@pytest.mark.parametrize("day", [MIDDLE, LAST])
def test_forecasts_meet_their_actuals_when_the_week_is_over(replayed, day):
    forecasts = at(replayed, "gold_demand_forecast_fact", day).to_pylist()
    assert max(row["forecast_date"] for row in forecasts) <= day
    for row in forecasts:
        is_over = row["date_key"] <= key(day - timedelta(days=6))
        assert (row["actual_demand"] is not None) == is_over
    weeks = at(replayed, "gold_sales_weekly_agg", day)["week_start_date_key"].to_pylist()
    assert max(weeks) == max(row["date_key"] for row in forecasts if row["actual_demand"])


def test_a_day_is_one_version_of_a_table(replayed):
    """Its change feed holds the rows of the day, and for a revised row that of before as well."""
    sales = DeltaTable(replayed.folder("gold_sales_fact"))
    days = (LAST - FIRST).days + 1
    assert sales.version() == days + 1  # one has no rows, one those before the first day
    changes = pa.table(sales.load_cdf(starting_version=3, ending_version=3).read_all())
    assert set(changes["date_key"].to_pylist()) == {key(FIRST + timedelta(days=1))}
    assert set(map(str, changes["_change_type"])) == {"insert"}
    carts = DeltaTable(replayed.folder("gold_cart_abandonment_fact"))
    kinds = Counter(map(str, pa.table(carts.load_cdf(2).read_all())["_change_type"]))
    assert kinds["update_preimage"] == kinds["update_postimage"] > 0
    assert kinds["insert"] > 0


def test_world_tells_of_each_day(replayed, tiny_world):
    (built,) = tiny_world.table("world").to_pylist()
    rows = sorted(replayed.table("world").to_pylist(), key=lambda row: row["last_closed_date"])
    before, days = (FIRST - built["first_date"]).days, (LAST - FIRST).days + 1
    assert [(row["last_closed_date"], row["days_added"]) for row in rows] == [
        (FIRST - timedelta(days=1), before),
        *((FIRST + timedelta(days=number), 1) for number in range(days)),
    ]
    same = ("first_date", "random_seed", "variables", "seed_files")
    assert all(row[name] == built[name] for row in rows for name in same)


def test_from_the_first_day_on_there_is_nothing_before(tiny_world, tmp_path):
    first = date(2025, 11, 17)
    world = publish(tiny_world, tmp_path / "first", first, first)
    assert {row["last_closed_date"] for row in world.table("world").to_pylist()} == {first}
    assert read_delta(DeltaTable(world.folder("gold_sales_fact"), version=1)).num_rows == 0
    assert world.table("gold_sales_fact").num_rows > 0


def test_world_is_told_last(tiny_world, tmp_path, monkeypatch):
    """When a day fails half-way, who asks the world sees the day before."""
    written = replay.Replay.publish

    def fail(self, table, day, only_new):
        if only_new and table == "gold_lost_sales_fact":
            raise OSError("No space left on device")
        return written(self, table, day, only_new)

    monkeypatch.setattr(replay.Replay, "publish", fail)
    with pytest.raises(OSError, match="No space left"):
        publish(tiny_world, tmp_path / "failed", FIRST, LAST)
    failed = World(tmp_path, "failed")
    assert max(failed.table("gold_sales_fact")["date_key"].to_pylist()) == key(FIRST)
    closed = failed.table("world")["last_closed_date"].to_pylist()
    assert closed == [FIRST - timedelta(days=1)]


def test_pace_and_progress(tiny_world, tmp_path, capsys):
    waits = []
    publish(tiny_world, tmp_path / "paced", LAST - timedelta(days=2), LAST, waits.append)
    assert len(waits) == 2  # not before the first day, nor after the last one
    assert all(0 <= seconds < 5 for seconds in waits)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "before 2025-11-29",
        "2025-11-29",
        "2025-11-30",
        "2025-12-01",
    ]


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("0", 0), ("2", 2), ("500ms", 0.5), ("1.5m", 90), ("1h", 3600)]
)
def test_times(text, seconds):
    assert replay.seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "-1s", "5 s", "5d", "nan", "1e9", "9" * 9])
def test_other_times_are_refused(text):
    with pytest.raises(SystemExit, match=r"replay: EVERY: got '.*', allowed: a time as in 5s"):
        replay.seconds_of(text)


def run(warehouse: Path, *arguments: str):
    return forks.run(
        *(ROOT / "scripts" / "replay.py", *arguments),
        cwd=ROOT,
        env=os.environ | {"STOCKTRUE_WAREHOUSE": str(warehouse), "STOCKTRUE_SCHEMA": SCHEMA},
    )


@pytest.fixture
def warehouse(tiny_world, tmp_path) -> Path:
    """Return a warehouse with the tables of the tiny world, each a link to its folder."""
    schema = tmp_path / "warehouse" / SCHEMA
    schema.mkdir(parents=True)
    for path in (tiny_world.warehouse / SCHEMA).iterdir():
        (schema / path.name).symlink_to(path)
    return tmp_path / "warehouse"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "FROM: got '', allowed: a date from 2025-11-17 to 2026-01-03"),
        (("--from", "2025-11-16"), "FROM: got '2025-11-16', allowed: a date from 2025-11-17 to"),
        (("--from", "20251120"), "FROM: got '20251120', allowed: a date from"),
        (("--from", "2025-11-31"), "FROM: got '2025-11-31', allowed: a date from"),
        (
            ("--from", "2025-12-05", "--to", "2025-12-04"),
            "TO: got '2025-12-04', allowed: a date from 2025-12-05 to 2026-01-03",
        ),
        (("--from", "2025-12-05", "--every", "soon"), "EVERY: got 'soon', allowed: a time as in"),
        (("--from", "2025-12-05", "--name", "a/b"), "NAME: got 'a/b', allowed: letters, digits"),
        (("--target", "spark"), "TARGET: got 'spark', allowed: local, whose tables are files"),
    ],
)
def test_wrong_arguments_are_refused(arguments, line, warehouse, monkeypatch):
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(warehouse))
    monkeypatch.setenv("STOCKTRUE_SCHEMA", SCHEMA)
    monkeypatch.setattr("sys.argv", ["replay.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        replay.main()
    assert str(ended.value).startswith(f"replay: {line}")
    assert [path.name for path in warehouse.iterdir()] == [SCHEMA]


def test_world_that_is_not_there_or_half_appended_is_refused(warehouse):
    schema = warehouse / SCHEMA
    (schema / "gold_cart_fact").unlink()
    with pytest.raises(SystemExit, match=r"replay: no gold_cart_fact in .*: run make build first"):
        replay.opened(schema)
    with pytest.raises(SystemExit, match=r"replay: no .* in .*: run make build first"):
        replay.opened(schema / "none")
    (schema / "gold_cart_fact").symlink_to(schema.joinpath("gold_time_dim").resolve())
    (schema / "int_simulated_days").unlink()
    days = pa.table({"last_date": [END + timedelta(days=1)]})
    replay.write_deltalake(schema / "int_simulated_days", days)
    with pytest.raises(SystemExit, match="replay: days after 2026-01-03 are half appended to"):
        replay.opened(schema)


def test_command_replaces_a_replay_and_nothing_else(warehouse):
    arguments = ("--from", "2026-01-03", "--every", "0", "--name", "again")
    folder = warehouse / f"{SCHEMA}_again"
    for _ in range(2):
        done = run(warehouse, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
            "before 2026-01-03",
            "2026-01-03",
        ]
        assert {path.name for path in folder.iterdir()} == {*TABLES, "world"}
        assert DeltaTable(folder / "gold_sales_fact").version() == 2
    shutil.rmtree(folder / "world")
    (folder / "notes.txt").write_text("mine")
    done = run(warehouse, *arguments)
    assert done.stderr == (
        f"replay: NAME: {folder} holds notes.txt, which is no replay's: choose another name\n"
    )
    assert (folder / "notes.txt").exists()
    assert DeltaTable(folder / "gold_sales_fact").version() == 2


def test_one_writer_at_a_time(warehouse):
    held = replay.lock(warehouse / f"{SCHEMA}_replay")
    done = run(warehouse, "--from", "2026-01-03")
    held.release()
    assert done.returncode == 1
    assert done.stderr.startswith(f"replay: schema {SCHEMA}_replay of {warehouse} is being built")
    assert not (warehouse / f"{SCHEMA}_replay").exists()
