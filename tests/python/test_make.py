"""What make does when it is stopped, and what a build leaves for make slim.

The programs that it calls are short ones of our own here.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import ROOT

SCRIPTS = {
    # Writes the files of a run for an invocation, waits for a file where it is to, and then takes
    # a moment to end, as dbt does.
    "scripts/run_dbt.py": """
import json, os, pathlib, signal, sys, time
def become_dbt(*_): pass
def stop(number, _):
    time.sleep(0.3)
    print("dbt has ended", flush=True)
    sys.exit(128 + number)
def write(name):
    if invocation := json.loads(os.environ["WRITES"]).get(name):
        text = json.dumps({"metadata": {"invocation_id": invocation}})
        pathlib.Path("target", f"{name}.json").write_text(text)
if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    write("manifest")
    print("begun", flush=True)
    while os.environ["WAITS_FOR"] and not pathlib.Path(os.environ["WAITS_FOR"]).exists():
        time.sleep(0.02)
    write("run_results")
    sys.exit(int(os.environ["STATUS"]))
""",
    # These import what takes long, so Ctrl-C often comes at that time.
    **dict.fromkeys(
        ("report/__main__.py", "scripts/scenario.py", "scripts/replay.py"),
        "print('begun', flush=True)\nimport slow",
    ),
    "scripts/slow.py": "import time\ntime.sleep(60)",
    "scripts/setup.sh": "#!/bin/sh\n",
}
# What a test of this file has started.
STARTED: list[subprocess.Popen] = []


@pytest.fixture
def checkout(tmp_path) -> Iterator[Path]:
    """Yield a checkout with the Makefile, the environment of this process and SCRIPTS."""
    for name in ("scripts", "report"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    for name in ("presets", "dbt_project.yml"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    yield tmp_path
    # Where a test has failed, make or what it has started may still run.
    while STARTED:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(STARTED.pop().pid, signal.SIGKILL)


def start(
    checkout: Path, command: str, writes: dict[str, str], status: int = 0, waits_for: str = ""
) -> subprocess.Popen:
    """Start make in a process group of its own; dbt does what is asked here."""
    # make test would have make say more.
    inherited = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    environment = {"WRITES": json.dumps(writes), "STATUS": str(status), "WAITS_FOR": waits_for}
    make = subprocess.Popen(
        ["make", command],
        cwd=checkout,
        env={**inherited, "PRESET": "tiny", "VARS": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    STARTED.append(make)
    return make


def stopped(checkout: Path, command: str, number: int, to_group: bool) -> tuple[int, list[str]]:
    """Send a signal to make or its group; return its status and output once all have ended."""
    make = start(checkout, command, {}, waits_for="never")
    assert make.stdout.readline() == "begun\n"
    (os.killpg if to_group else os.kill)(make.pid, number)
    # Whoever still runs holds the output.
    output = make.communicate(timeout=10)[0]
    return make.returncode, [line for line in output.splitlines() if not line.startswith("make: ")]


@pytest.mark.parametrize("command", ["build", "slim", "docs"])
def test_sigterm_of_make_stops_dbt(checkout, command):
    """And make does not end before it."""
    if command == "slim":
        (checkout / "scripts" / "slim.py").write_text(SCRIPTS["scripts/run_dbt.py"])
    status, lines = stopped(checkout, command, signal.SIGTERM, to_group=False)
    assert lines == ["dbt has ended"]
    assert status == -signal.SIGTERM


@pytest.mark.parametrize("command", ["report", "scenario", "replay"])
@pytest.mark.parametrize(("number", "to_group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_signals_end_a_script_with_one_line(checkout, command, number, to_group):
    status, lines = stopped(checkout, command, number, to_group)
    assert lines == [f"{command}: stopped by {number.name}"]
    assert status == -number


def ended(make: subprocess.Popen) -> tuple[int, str]:
    """Return the status and the output of make when it has ended."""
    output = make.communicate(timeout=30)[0]
    return make.returncode, output


def state(checkout: Path) -> str | None:
    """Return the invocation whose manifest make slim would take, None when it would take none."""
    folder = checkout / "target" / "state"
    if not (folder / "state.json").exists():
        return None
    return json.loads((folder / "manifest.json").read_text())["metadata"]["invocation_id"]


def build(checkout: Path, invocation: str) -> None:
    """Run a build that succeeds."""
    (checkout / "target").mkdir(exist_ok=True)
    status, output = ended(
        start(checkout, "build", dict.fromkeys(("manifest", "run_results"), invocation))
    )
    assert status == 0, output
    assert state(checkout) == invocation


@pytest.mark.parametrize(
    ("writes", "status", "kept"),
    [
        ({"manifest": "new", "run_results": "new"}, 0, "new"),
        ({"manifest": "new", "run_results": "new"}, 1, None),
        # Refused before any table was touched, as for a wrong variable.
        ({}, 2, "old"),
        # Another dbt command has written its manifest after that of the build.
        ({"manifest": "other", "run_results": "new"}, 0, None),
    ],
    ids=["succeeds", "fails", "is-refused", "beside-another-command"],
)
def test_state_is_that_of_the_build_that_succeeded(checkout, writes, status, kept):
    build(checkout, "old")
    ended(start(checkout, "build", writes, status))
    assert state(checkout) == kept


def test_second_build_in_a_checkout_changes_nothing(checkout):
    """It is refused before it writes anything, and the first one keeps its state."""
    build(checkout, "old")
    writes = dict.fromkeys(("manifest", "run_results"), "first")
    first = start(checkout, "build", writes, waits_for="go")
    assert first.stdout.readline() == "begun\n"
    status, output = ended(start(checkout, "build", dict.fromkeys(writes, "second"), status=2))
    (checkout / "go").touch()
    assert ended(first)[0] == 0
    assert state(checkout) == "first"
    assert status != 0
    assert "build: make build already runs in this checkout (process " in output


def test_ctrl_c_ends_dbt_before_its_adapter_is_loaded(tmp_path):
    caught = 1 << signal.SIGTERM - 1
    dbt = subprocess.Popen(
        [sys.executable, ROOT / "scripts" / "run_dbt.py", "local", tmp_path, "parse"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    status = Path(f"/proc/{dbt.pid}/status")
    if not status.exists():
        dbt.kill()
        pytest.skip("needs /proc, to see when signals are caught")
    while not int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16) & caught:
        time.sleep(0.01)
    dbt.send_signal(signal.SIGINT)
    assert dbt.communicate(timeout=30)[0] == "dbt: stopped by SIGINT\n"
    assert dbt.returncode == 128 + signal.SIGINT
