"""make and signals: SIGTERM, Ctrl-C. The programs that it calls are short ones of our own here."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import ROOT

SCRIPTS = {
    # Takes a moment to end, as dbt does.
    "scripts/run_dbt.py": """
import signal, sys, time
def become_dbt(*_): pass
def stop(number, _):
    time.sleep(0.3)
    print("dbt has ended", flush=True)
    sys.exit(128 + number)
if __name__ == "__main__":
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    print("begun", flush=True)
    time.sleep(60)
""",
    # These import what takes long, so Ctrl-C often comes at that time.
    **dict.fromkeys(
        ("report/__main__.py", "scripts/scenario.py"), "print('begun', flush=True)\nimport slow"
    ),
    "scripts/slow.py": "import time\ntime.sleep(60)",
    "scripts/setup.sh": "#!/bin/sh\n",
}


@pytest.fixture
def checkout(tmp_path) -> Path:
    """Return a checkout with the Makefile, the environment of this process and SCRIPTS."""
    for name in ("scripts", "report"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name, text in SCRIPTS.items():
        (tmp_path / name).write_text(text)
    for name in ("presets", "dbt_project.yml"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def stopped(checkout: Path, command: str, number: int, to_group: bool) -> tuple[int, list[str]]:
    """Send a signal to make or its group; return its status and output once all have ended."""
    make = subprocess.Popen(
        ["make", command],
        cwd=checkout,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # What starts the tests in the background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert make.stdout.readline() == "begun\n"
        (os.killpg if to_group else os.kill)(make.pid, number)
        # Whoever still runs holds the output.
        output = make.communicate(timeout=10)[0]
    finally:
        if not make.stdout.closed:
            os.killpg(make.pid, signal.SIGKILL)
    return make.returncode, [line for line in output.splitlines() if not line.startswith("make: ")]


@pytest.mark.parametrize("command", ["build", "slim", "docs"])
def test_sigterm_of_make_stops_dbt(checkout, command):
    """And make does not end before it."""
    if command == "slim":
        (checkout / "scripts" / "slim.py").write_text(SCRIPTS["scripts/run_dbt.py"])
    status, lines = stopped(checkout, command, signal.SIGTERM, to_group=False)
    assert lines == ["dbt has ended"]
    assert status == -signal.SIGTERM


@pytest.mark.parametrize("command", ["report", "scenario"])
@pytest.mark.parametrize(("number", "to_group"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_signals_end_a_script_with_one_line(checkout, command, number, to_group):
    status, lines = stopped(checkout, command, number, to_group)
    assert lines == [f"{command}: stopped by {number.name}"]
    assert status == -number
