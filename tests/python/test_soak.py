"""The soak test finds the faults that it is for: here in builds of a stub in place of dbt."""

import random
import signal
import sys

import pytest
import run_vars
import soak

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
    (folder / "new").write_text(seed + "!" * (FAULT == "odd" and (folder / name).exists()))
    os.replace(folder / "new", folder / name)
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
