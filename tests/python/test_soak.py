"""The soak test finds the faults that it is for: here in builds of a stub in place of dbt."""

import json
import random
import signal
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
import run_vars
import soak
import soak_appends
from deltalake import DeltaTable, write_deltalake

TABLES = ("t1", "t2", "t3")
# Three files as tables, which hold the seed of their world. FAULT is what it does wrong.
STUB = """
import fcntl, json, os, re, signal, sys, time
from pathlib import Path

FAULT = "{fault}"
print("Running with dbt", flush=True)
seed = re.search(r"[0-9]+", os.environ["VARS"])[0]
folder = Path(os.environ["STOCKTRUE_WAREHOUSE"])
if "run-operation" in sys.argv:
    for path in sorted(folder.glob("t?")):
        print(json.dumps(dict(table=path.name, rows=1, hash=path.read_text())))
    sys.exit()
if "parse" in sys.argv:
    sys.exit()
if FAULT == "deaf":
    signal.signal(signal.SIGINT, lambda *_: time.sleep(60))
elif FAULT != "traceback":
    signal.signal(signal.SIGINT, lambda *_: sys.exit(1))
folder.mkdir(exist_ok=True)
lock = (folder / "lock").open("w")
try:
    if FAULT != "no lock":
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit("is being built by process" if FAULT != "silent" else 1)
for name in ("t1", "t2", "t3"):
    time.sleep(0.2)
    if FAULT == "torn":
        continue
    new = folder / f"new of {os.getpid()}"
    new.write_text(seed + "!" * (FAULT == "odd" and (folder / name).exists()))
    os.replace(new, folder / name)
"""


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Return a function that runs the soak test on the stub with a fault."""

    def begin(begun: soak.Soak, fault: str) -> None:
        """Make the tables of a build without one; torn ones, which no build mends."""
        (begun.folder / "warehouse").mkdir(parents=True)
        for name in TABLES:
            content = "half" if fault == "torn" else "43"
            (begun.folder / "warehouse" / name).write_text(content)
        begun.worlds = {seed: dict.fromkeys(TABLES, (1, str(seed))) for seed in soak.SEEDS}
        begun.seconds = 0.6

    def run(fault: str, *options: str) -> tuple[int, str]:
        if fault:
            monkeypatch.setattr(soak.Soak, "begin", lambda begun: begin(begun, fault))
        (tmp_path / "scripts").mkdir(exist_ok=True)
        (tmp_path / "scripts/run_dbt.py").write_text(STUB.replace("{fault}", fault))
        monkeypatch.setattr(soak, "ROOT", tmp_path)
        monkeypatch.setattr(soak, "STOP_SECONDS", 1)
        monkeypatch.setattr(sys, "argv", ["soak", "--folder", str(tmp_path / "soak"), *options])
        status = soak.main()
        return status, capsys.readouterr().out

    return run


def test_nothing_is_wrong(run):
    status, printed = run("", "--kills", "1", "--interrupts", "1", "--pairs", "1")
    assert status == 0, printed
    assert "1 refused; 0 failures" in printed


@pytest.mark.parametrize(
    ("fault", "options", "message"),
    [
        ("torn", ("--kills", "1"), "is of no world: (1, 'half')"),
        ("odd", ("--kills", "1"), "the next build gave other tables"),
        ("deaf", ("--interrupts", "1"), "still there 1 s later"),
        ("traceback", ("--interrupts", "1"), "a traceback"),
        ("no lock", ("--pairs", "1"), "2 were built"),
        ("silent", ("--pairs", "1"), "the other was not refused"),
    ],
)
def test_each_fault_is_found(run, fault, options, message):
    status, printed = run(fault, *options)
    assert status == 1
    assert message in printed


@pytest.mark.parametrize(("needed", "failures"), [(5, 0), (6, 1)])
def test_mornings_are_those_of_the_databricks_tests(run, tmp_path, needed, failures):
    test = tmp_path / "tests" / "python" / "test_databricks.py"
    test.parent.mkdir(parents=True)
    test.write_text(
        f"import os\n\ndef test_(): assert os.environ['STOCKTRUE_MORNINGS'] == '{needed}'\n"
    )
    status, printed = run("", "--mornings", "5")
    assert status == failures, printed
    assert f"5 mornings; {failures} failures" in printed


@pytest.mark.parametrize(("wrong_seed", "failures"), [(6, 0), (8, 1)])
def test_simulations_are_those_of_the_allocation_tests(
    run, monkeypatch, tmp_path, wrong_seed, failures
):
    """Twenty of one seed, then of the next one; those of a seed can be repeated."""
    test = tmp_path / "tests" / "python" / "test_allocation.py"
    test.parent.mkdir(parents=True)
    test.write_text(
        "import os\n\nimport pytest\n\n"
        f'@pytest.mark.parametrize("_", {soak.SIMULATION_TESTS})\n'
        "def test_(request, _):\n"
        '    seed = request.config.getoption("--hypothesis-seed")\n'
        f'    assert seed != "{wrong_seed}"\n'
        '    size = os.environ["STOCKTRUE_SIMULATIONS"]\n'
        '    assert size == {"7": "20", "8": "20", "9": "10"}[seed]\n'
    )
    monkeypatch.setattr(soak, "SIMULATIONS", 20)
    names = [f"test_[{name}]" for name in soak.SIMULATION_TESTS]
    monkeypatch.setattr(soak, "SIMULATION_TESTS", names)
    status, printed = run("", "--simulations", "50", "--seed", "7")
    assert status == failures, printed
    assert "simulations 41 to 50 of 50, seed 9" in printed
    assert ('FAILED make soak SOAK="--simulations 20 --seed 8"' in printed) == failures
    assert f"50 simulations; {failures} failures" in printed


def test_simulations_are_tests_that_are_there():
    """Their names are those in test_allocation.py."""
    text = (soak.ROOT / "tests/python/test_allocation.py").read_text()
    for name in soak.SIMULATION_TESTS:
        assert f"def {name}(" in text


def test_builds_end_with_it(run, monkeypatch):
    """They run in sessions of their own, to which Ctrl-C does not come."""
    started = []

    def leave(build: soak.Soak, *_) -> None:
        started.append(build.start(43))
        sys.exit(130)

    monkeypatch.setattr(soak.Soak, "kill", leave)
    with pytest.raises(SystemExit):
        run("deaf", "--kills", "1")
    assert [build.poll() for build in started] == [-signal.SIGKILL]


class StubWorld:
    """In place of dbt: a table of one row a day and the table world; every second append stops.

    `fault` is what it does wrong.
    """

    def __init__(self, folder, fault: str) -> None:
        self.folder, self.fault, self.appends = folder, fault, 0

    def start(self, changed, *command: str, name: str, **environment: str) -> subprocess.Popen:
        """Do what the command asks for, at once, and return a process that ends or hangs."""
        self.schema = self.folder / "grown" / name / "soak"
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        output, argv = "", [sys.executable, "-c", ""]
        if "run-operation" in command:
            days = DeltaTable(self.schema / "gold_sales_fact").to_pyarrow_table()["date_key"]
            wrong = "!" * (self.fault == "other world" and name != "once")
            content = str(sorted(days.to_pylist())) + wrong
            output = json.dumps({"table": "gold_sales_fact", "rows": len(days), "hash": content})
        elif days := environment["STOCKTRUE_APPEND_DAYS"]:
            argv = self.append(int(days))
        elif "build" in command:
            self.first = date.fromisoformat(changed.get("start_date", "2025-10-03"))
            self.last = self.first - timedelta(1)
            self.write(changed.get("date_range_days", 90))
            self.close()
        (self.folder / name / "output").write_text(output)
        return subprocess.Popen(argv, start_new_session=True)

    def append(self, days: int) -> list[str]:
        """Add days; the second append does not close them, and the third does it again."""
        self.appends += 1
        closed = self.last
        if self.fault == "changes a closed day" and self.appends == 2:
            DeltaTable(self.schema / "gold_sales_fact").delete("date_key < 20260101")
        self.write(days)
        if self.fault == "removes a version" and self.appends == 2:
            table = DeltaTable(self.schema / "gold_sales_fact")
            write_deltalake(table.table_uri, table.to_pyarrow_table(), mode="overwrite")
            for path in table.file_uris():
                Path(path).unlink()
        if self.appends % 2 == 0:
            self.last = closed
            return [sys.executable, "-c", "import time; time.sleep(60)"]
        if self.fault != "does not close" or self.appends < 3:
            self.close()
        status = int(self.fault == "fails" and self.appends == 3)
        return [sys.executable, "-c", f"raise SystemExit({status})"]

    def write(self, days: int) -> None:
        """Add the rows of days after the last one, in place of those there."""
        added = self.last >= self.first
        keys = [int(f"{self.last + timedelta(n):%Y%m%d}") for n in range(1, days + 1)]
        write_deltalake(
            self.schema / "gold_sales_fact",
            pa.table({"date_key": pa.array(keys, pa.int32())}),
            mode="overwrite",
            predicate=f"date_key > {self.last:%Y%m%d}" if added else None,
        )
        self.last += timedelta(days)

    def close(self) -> None:
        """Write the row of the table world."""
        versions = json.dumps({"gold_sales_fact": table_version(self.schema)})
        row = {"last_closed_date": [self.last], "table_versions": [versions]}
        write_deltalake(self.schema / "world", pa.table(row), mode="append")


@pytest.fixture
def grow(run, monkeypatch, tmp_path):
    """Return a function that runs the part of the soak test about appends on a stub."""

    def start(fault: str, *options: str) -> tuple[int, str]:
        stub = StubWorld(tmp_path / "soak", fault)
        monkeypatch.setattr(soak.Soak, "start_with", lambda _, *a, **named: stub.start(*a, **named))
        monkeypatch.setattr(random.Random, "random", lambda _: 0.5)  # one kill before each append
        return run("", *options)

    return start


def table_version(schema) -> int:
    """Return the version of the only table of the stub."""
    return DeltaTable(schema / "gold_sales_fact").version()


def test_killed_appends_leave_nothing_wrong(grow):
    status, printed = grow("", "--appends", "2")
    assert status == 0, printed
    assert "2 appends killed, 1 grown worlds compared; 0 failures" in printed


def test_splits_of_a_preset_are_compared(grow, monkeypatch):
    monkeypatch.setattr(StubWorld, "append", lambda stub, days: stub.write(days) or ["true"])
    assert soak_appends.splits(90) == [[80, *[1] * 10], [60, 30]]
    status, printed = grow("", "--grow", "small")
    assert status == 0, printed
    assert "2 grown worlds compared; 0 failures" in printed


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("changes a closed day", "gold_sales_fact has changed up to"),
        ("removes a version", "the closed world cannot be read"),
        ("does not close", "the next append of "),
        ("fails", "build --selector append"),
        ("other world", "differs from one built at once: gold_sales_fact"),
    ],
)
def test_each_fault_of_an_append_is_found(grow, fault, message):
    status, printed = grow(fault, "--appends", "1")
    assert status == 1
    assert message in printed


def test_random_worlds_are_allowed():
    """Each variable gets both of its ends and values in between, if not more than the caps."""
    chance = random.Random(1)
    drawn = [soak.random_variables(chance) for _ in range(300)]
    for entry in run_vars.variable_spec():
        values = [world[entry["name"]] for world in drawn if entry["name"] in world]
        if entry["kind"] != "day range":
            high = min(entry["max"], soak.CAPS.get(entry["name"], entry["max"]))
            assert min(values) == entry["min"], entry["name"]
            assert max(values) == high, entry["name"]
        assert len({str(value) for value in values}) > 2
