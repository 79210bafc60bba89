"""Kill appends of days, and compare worlds that have grown with worlds that are built at once.

The part of soak.py about appending. A reader is one without dbt: it asks the table `world` for the
last closed day, and takes the rows up to that day, or each table in the version of the closing.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import run_vars
from local_tables import read_files

if TYPE_CHECKING:
    from soak import Ended, Fingerprints, Soak

# Kills before a world is compared with one that is built at once, and another one begins.
ROUND = 10
# Begins of worlds: with a season, a New Year or a month's end ahead.
FIRST_DAY = date(2025, 10, 25)
FIRST_DAYS = 100
# What says how the world came about, not what is in it.
HISTORY = ("int_simulated_days", "world")
# Tables in which rows of closed days stay as they are.
FACTS = (
    "gold_cart_fact",
    "gold_channel_performance_agg",
    "gold_inventory_fact",
    "gold_inventory_movement_fact",
    "gold_lost_sales_fact",
    "gold_sales_daily_agg",
    "gold_sales_fact",
)

Tables = dict[str, list[pa.Table]]


@dataclass
class Growing:
    """A world that grows in a warehouse of its own, and what readers were told at its closing."""

    soak: "Soak"
    name: str
    variables: dict[str, Any]
    preset: str = "tiny"
    seconds: float = 0
    closed: date = date.min
    tables: Tables = field(default_factory=dict)

    @property
    def warehouse(self) -> Path:
        """Return the folder of its tables."""
        return self.soak.folder / "grown" / self.name

    def start(self, *command: str, days: int | None = None) -> subprocess.Popen[bytes]:
        """Start a dbt command, one that appends when days are given."""
        return self.soak.start_with(
            self.variables,
            *command,
            name=self.name,
            PRESET=self.preset,
            STOCKTRUE_WAREHOUSE=str(self.warehouse),
            STOCKTRUE_APPEND_DAYS=str(days or ""),
        )

    def run(self, *command: str, days: int | None = None) -> "Ended":
        """Run a dbt command; one that fails is a failure."""
        ended = self.soak.wait(self.start(*command, days=days), name=self.name)
        if ended.status:
            self.soak.fail(f"{self}: {' '.join(command)}", ended.output)
        return ended

    def append(self, days: int) -> subprocess.Popen[bytes]:
        """Start an append of days."""
        return self.start("build", "--selector", "append", days=days)

    def build(self) -> None:
        """Build the world without its tests, from nothing."""
        shutil.rmtree(self.warehouse, ignore_errors=True)
        self.warehouse.mkdir(parents=True)
        self.run("build", "--exclude-resource-type", "unit_test", "test")

    def fingerprints(self) -> "Fingerprints":
        """Return those of all tables, but for what says how the world came about."""
        found = self.soak.read_fingerprints(self.start(*self.soak.FINGERPRINT), self.name)
        return {table: each for table, each in found.items() if table not in HISTORY}

    def pinned(self) -> tuple[date, Tables]:
        """Return the last closed day, and the rows of each table in the version of its closing."""
        schema = self.warehouse / "soak"
        rows = [row for part in read_files(schema / "world") for row in part.to_pylist()]
        closing = max(rows, key=lambda row: row["last_closed_date"])
        versions = json.loads(closing["table_versions"])
        tables = {name: read_files(schema / name, number) for name, number in versions.items()}
        return closing["last_closed_date"], tables

    def remember(self) -> None:
        """Keep what readers are told now."""
        self.closed, self.tables = self.pinned()

    def check_readers(self, what: str) -> None:
        """See that readers find the closed days as they were at the closing."""
        try:
            closed, tables = self.pinned()
        except Exception as error:  # whatever a reader may meet
            self.soak.fail(f"{what}: the closed world cannot be read: {error}")
            return
        if closed != self.closed:  # killed after the closing
            self.soak.counts["closed before"] += 1
            self.closed, self.tables = closed, tables
        for name, parts in self.tables.items():
            if tables.get(name) != parts:
                self.soak.fail(f"{what}: {name} is not what it was when {closed} was closed")
        for name in self.tables.keys() & set(FACTS):
            now = closed_rows(read_files(self.warehouse / "soak" / name), closed)
            if now != closed_rows(self.tables[name], closed):
                self.soak.fail(f"{what}: {name} has changed up to {closed}")

    def kill(self, chance: random.Random) -> None:
        """SIGKILL an append, now and then two in a row, look as readers do, and append."""
        days = chance.randint(1, 3)
        for _ in range(2 if chance.random() < 0.2 else 1):
            process, moment = self.append(days), chance.uniform(0.1, 1) * self.seconds
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGKILL)
            status = self.soak.wait(process, name=self.name).status
            self.soak.counts["appends killed" if status < 0 else "ended before"] += 1
            what = f"{self}: {days} days after {self.closed}, killed after {moment:.1f} s"
            self.check_readers(what)
        before = self.closed
        self.run("build", "--selector", "append", days=days)
        self.remember()
        if self.closed != before + timedelta(days):
            self.soak.fail(f"{what}: the next append of {days} days closed {self.closed}")

    def compare(self) -> None:
        """See that the world is one of all its days built at once."""
        self.run("run", "--select", "path:models/quality")
        days = (self.closed - date.fromisoformat(self.variables["start_date"])).days + 1
        once = Growing(self.soak, "once", self.variables | {"date_range_days": days})
        once.build()
        check_equal(self.soak, f"{self}, grown to {self.closed}", once, self.fingerprints())

    def __str__(self) -> str:
        return f"world {json.dumps(self.variables)}"


def check_equal(soak: "Soak", what: str, once: Growing, found: "Fingerprints") -> None:
    """Count tables that differ from those of a world that was built at once as failures."""
    expected = once.fingerprints()
    others = [name for name in expected | found if expected.get(name) != found.get(name)]
    if others:
        soak.fail(f"{what}, differs from one built at once: {', '.join(sorted(others))}")
    soak.counts["grown worlds compared"] += 1


def closed_rows(parts: list[pa.Table], closed: date) -> pa.Table:
    """Return the rows up to a day in an order that is that of their values."""
    rows = pa.concat_tables(parts)
    rows = rows.filter(pc.less_equal(rows["date_key"], int(closed.strftime("%Y%m%d"))))
    return rows.sort_by([(name, "ascending") for name in rows.column_names])


def kill_append(soak: "Soak", chance: random.Random, number: int) -> None:
    """Kill an append of a world that grows; the last of a round compares the world."""
    if number % ROUND == 0:
        first_day = FIRST_DAY + timedelta(chance.randrange(FIRST_DAYS))
        variables = {"random_seed": chance.randrange(1000), "start_date": str(first_day)}
        variables["date_range_days"] = chance.randint(15, 35)
        soak.growing = Growing(soak, "tiny", variables)
        soak.growing.build()
        started = time.monotonic()
        soak.growing.run("build", "--selector", "append", days=1)
        soak.growing.seconds = time.monotonic() - started
        soak.growing.remember()
    soak.growing.kill(chance)
    if number % ROUND == ROUND - 1 or number == soak.appends - 1:
        soak.growing.compare()


def splits(days: int) -> list[list[int]]:
    """Return ways to make a world of days: those of the build, then of each append."""
    return [[days - 10, *[1] * 10], [days * 2 // 3, days - days * 2 // 3]]


def grow(soak: "Soak", preset: str) -> None:
    """Build the world of a preset at once, and grow it in two ways to the same."""
    text = (run_vars.PRESETS / f"{preset}.yml").read_text()
    whole = int({**run_vars.project_vars(), **(run_vars.load(text) or {})}["date_range_days"])
    once = Growing(soak, "once", {}, preset)
    once.build()
    for first, *appended in splits(whole):
        world = Growing(soak, "grown", {"date_range_days": first}, preset)
        world.build()
        for days in appended:
            world.run("build", "--selector", "append", days=days)
        world.run("run", "--select", "path:models/quality")
        check_equal(soak, f"{preset}: {first} days and {appended}", once, world.fingerprints())
