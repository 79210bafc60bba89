"""Publish a built world again, day by day, into a second schema of the local target.

    python scripts/replay.py --from 2025-11-20 --to 2025-12-05 --every 5s

The tables begin with what lies before the first day. Then each day brings, in one Delta version of
each table that it changes, the rows that are new and those that are revised, as they were known on
that day; the table `world` tells last of all that the day is complete. docs/replay.md has the rule
of each table. Rows stream from the files of one Delta table to those of another: no engine runs and
nothing is simulated.
"""

import argparse
import json
import re
import runpy
import shutil
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError
from local_tables import ROOT, local_schema, read_delta
from replay_rules import TABLES, WHOLE, values_of

# Rows that a writer holds in memory.
WRITER = WriterProperties(max_row_group_size=100_000)
REPLAY_OF = "Replay of schema"
PROPERTIES = {"delta.enableChangeDataFeed": "true"}


def stop(reason: object) -> NoReturn:
    """Exit with one line."""
    sys.exit(f"replay: {reason}")


@dataclass(frozen=True)
class World:
    """The built tables, all opened at once: what is built meanwhile changes nothing in them."""

    name: str
    tables: dict[str, DeltaTable]
    closing: dict[str, Any]

    @property
    def last(self) -> date:
        """The last day that is complete."""
        return self.closing["last_closed_date"]

    def rows(self, table: str, day: date, only_new: bool) -> tuple[int, Any]:
        """Return a table's rows as known on a day, or the day's alone: how many, and a stream."""
        rule = TABLES[table]
        values = values_of(day, self.last)
        before = values_of(day - timedelta(days=1), self.last)
        values |= {f"b_{name}": value for name, value in before.items()}
        columns = ", ".join(
            f"{rule.revised.get(column.name, f't.{column.name}')} as {column.name}"
            for column in self.tables[table].schema().fields
        )
        condition = f"({rule.known}) and ({rule.new})" if only_new else rule.known
        rest = f"from {rule.rows or f'{table} as t'} where {condition}"
        query = QueryBuilder()
        for name in TABLES:
            if name in rest or name in columns:
                query.register(name, self.tables[name])
        (count,) = pa.table(query.execute(f"select count(*) as n {rest}".format(**values)))["n"]
        return count.as_py(), query.execute(f"select {columns} {rest}".format(**values))


def opened(schema: Path) -> World:
    """Open the world in a schema; exit with a line when it is not there or not complete."""
    closings = read_delta(schema / "world")
    missing = [name for name in TABLES if not DeltaTable.is_deltatable(str(schema / name))]
    if not closings or missing:
        stop(f"no {missing[0] if missing else 'world'} in {schema}: run make build first")
    closing = max(closings, key=lambda row: row["last_closed_date"])
    tables = {name: DeltaTable(schema / name) for name in (*TABLES, "world")}
    days = read_delta(schema / "int_simulated_days")
    if days and days[0]["last_date"] != closing["last_closed_date"]:
        stop(
            f"days after {closing['last_closed_date']} are half appended to {schema}:"
            " run make append again"
        )
    return World(schema.name, tables, closing)


class Replay:
    """Writes into the second schema."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder

    def begin(self) -> None:
        """Make the tables, without rows, in place of those of a replay before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # The one that readers ask goes first.
        for path in sorted(self.folder.iterdir(), key=lambda path: path.name != "world"):
            shutil.rmtree(path)
        for name, table in self.world.tables.items():
            DeltaTable.create(
                self.folder / name,
                table.schema(),
                description=f"{REPLAY_OF} {self.world.name}",
                configuration=PROPERTIES,
            )

    def publish_all(self, day: date, only_new: bool, pool: ThreadPoolExecutor) -> tuple[int, int]:
        """Write what is new on a day, or all that is known then; return rows and tables."""
        names = [name for name in TABLES if not only_new or TABLES[name] != WHOLE]
        # While this one waits for another thread, a signal can end this process at any moment.
        counts = list(pool.map(lambda name: self.publish(name, day, only_new), names))
        days = 1 if only_new else (day - self.world.closing["first_date"]).days + 1
        if days > 0:
            self.close(day, days)
        return sum(counts), sum(count > 0 for count in counts)

    def publish(self, table: str, day: date, only_new: bool) -> int:
        """Write what a day brings to a table, if anything, as one version; return the rows."""
        count, rows = self.world.rows(table, day, only_new)
        target = DeltaTable(self.folder / table)
        if count and only_new and (column := TABLES[table].key):
            merger = target.merge(
                rows, f"old.{column} = new.{column}", source_alias="new", target_alias="old"
            )
            merger.when_matched_update_all().when_not_matched_insert_all().execute()
        elif count or not only_new:
            write_deltalake(target, rows, mode="append", writer_properties=WRITER)
        return count

    def close(self, day: date, days_added: int) -> None:
        """Tell that a day is complete, with the version of each table."""
        target = DeltaTable(self.folder / "world")
        versions = {name: DeltaTable(self.folder / name).version() for name in TABLES}
        row = {
            **self.world.closing,
            "last_closed_date": day,
            "days_added": days_added,
            "table_versions": json.dumps(versions),
            "etl_timestamp": datetime.now(timezone.utc),
        }
        schema = pa.schema(target.schema().to_arrow())
        write_deltalake(target, pa.Table.from_pylist([row], schema=schema), mode="append")


def check_folder(folder: Path) -> None:
    """Exit with a line when the folder holds anything but the tables of a replay."""
    for path in folder.iterdir() if folder.exists() else ():
        is_table = path.is_dir() and DeltaTable.is_deltatable(str(path))
        described = DeltaTable(path).metadata().description if is_table else None
        if not (described or "").startswith(REPLAY_OF):
            stop(f"NAME: {folder} holds {path.name}, which is no replay's: choose another name")


def lock(folder: Path) -> Any:
    """Keep builds and other replays out of a schema as long as what is returned lives."""
    # Read as a file: its package would load dbt, which takes seconds.
    module = runpy.run_path(str(ROOT / "adapter/dbt/adapters/embedded/locks.py"))
    locks = module["SchemaLocks"](folder.parent / ".locks")
    try:
        locks.take(folder.name)
    except module["DbtRuntimeError"] as error:
        stop(error.msg)
    return locks


def seconds_of(text: str) -> float:
    """Return the seconds of a text such as 5s, 500ms or 2m."""
    match = re.fullmatch(r"(\d{1,6}(?:\.\d{1,6})?)(ms|s|m|h)?", text)
    if not match:
        stop(f"EVERY: got {text!r}, allowed: a time as in 5s, 500ms or 2m; 0 does not wait")
    return float(match[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[match[2] or "s"]


def day_of(name: str, text: str, first: date, last: date) -> date:
    """Return a given day of the world."""
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text) else date.max
    except ValueError:
        day = date.max
    if not first <= day <= last:
        stop(f"{name}: got {text!r}, allowed: a date from {first} to {last}")
    return day


def run(
    replay: Replay, first: date, last: date, every: float, wait: Callable[[float], Any]
) -> None:
    """Publish what lies before the first day, then a day each `every` seconds; a line for each."""
    replay.begin()
    with ThreadPoolExecutor(1) as pool:
        day = first - timedelta(days=1)
        while day <= last:
            started = time.monotonic()
            rows, tables = replay.publish_all(day, day >= first, pool)
            took = time.monotonic() - started
            name = day if day >= first else f"before {first}"
            print(f"{name}: {rows:,} rows into {tables} tables in {took:.1f} s", flush=True)
            if first <= day < last:
                wait(max(every - took, 0))
            day += timedelta(days=1)


def main() -> None:
    """Check what is asked for, then publish."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="first", default="", help="first day to publish by itself")
    parser.add_argument("--to", dest="last", default="", help="last day; that of the world")
    parser.add_argument("--every", default="5s", help="time from day to day")
    parser.add_argument("--name", default="replay", help="what follows the schema and _")
    parser.add_argument("--target", default="local", help="only local has files to read")
    given = parser.parse_args()
    if given.target != "local":
        stop(f"TARGET: got {given.target!r}, allowed: local, whose tables are files to read")
    if not re.fullmatch(r"[A-Za-z0-9_]+", given.name):
        stop(f"NAME: got {given.name!r}, allowed: letters, digits and underscores")
    every = seconds_of(given.every)
    schema = local_schema()
    world = opened(schema)
    begin = world.closing["first_date"]
    first = day_of("FROM", given.first, begin, world.last)
    last = day_of("TO", given.last, first, world.last) if given.last else world.last
    folder = schema.with_name(f"{schema.name}_{given.name}")
    locked = lock(folder)
    check_folder(folder)
    try:
        run(Replay(world, folder), first, last, every, time.sleep)
    except (DeltaError, OSError) as error:
        stop(error)
    locked.release()


if __name__ == "__main__":
    main()
