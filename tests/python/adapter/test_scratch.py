"""Temporary files: one folder for each process, gone with it or removed by the next."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dbt.adapters.embedded import scratch

# The module alone, because importing the adapter takes seconds.
HOLD = f"""
import os, sys, time
sys.path.insert(0, {str(Path(scratch.__file__).parent)!r})
from scratch import scratch_folder

folder = scratch_folder()
(folder / "result.parquet").touch()
print(folder, flush=True)
if "fork" in sys.argv and os.fork() == 0:
    assert scratch_folder() != folder
    sys.exit()
if "wait" in sys.argv:
    time.sleep(600)
"""
MODEL = """
    import pandas as pd


    def model(dbt, session):
        # Too large for a request, so it goes through a file.
        return pd.DataFrame({"id": range(5_000_000)})
    """


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    return folder


def hold(temporary: Path, *arguments: str) -> tuple[subprocess.Popen, Path]:
    """Starts a process with a scratch folder; returns both."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, *arguments],
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        text=True,
    )
    return process, Path(process.stdout.readline().strip())


def test_next_process_removes_what_a_killed_one_left(temporary):
    killed, left = hold(temporary, "wait")
    running, kept = hold(temporary, "wait")
    others = [temporary / "dbt-embedded-of-somebody", temporary / "dbt-python-model-x"]
    for other in others:
        other.mkdir()
    try:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert (left / "result.parquet").exists()
        done, own = hold(temporary, "fork")
        assert done.wait() == 0
        assert sorted(temporary.iterdir()) == sorted([kept, *others])
        assert own.parent == temporary
        assert (kept / "result.parquet").exists()
    finally:
        for process in (killed, running):
            process.kill()
            process.wait()


def test_folder_of_another_user_stays(temporary, monkeypatch):
    killed, left = hold(temporary, "wait")
    killed.kill()
    killed.wait()
    with monkeypatch.context() as patch:
        patch.setattr(os, "getuid", lambda: -1)
        scratch._remove_abandoned(temporary)
        assert left.exists()
    scratch._remove_abandoned(temporary)
    assert not left.exists()


def test_odd_names(project, tmp_path):
    """Neither the folder for temporary files nor the warehouse needs a plain name."""
    name = "a b größe #1? 100%"
    temporary = tmp_path / name
    temporary.mkdir()
    profiles = project.folder / "profiles.yml"
    text = profiles.read_text()
    profiles.write_text(text.replace("warehouse: warehouse,", f"warehouse: '{name}',"))
    project.write({"models/m.py": MODEL, "models/n.sql": "select count(*) n from {{ ref('m') }}"})
    done = project.process("build", TMPDIR=str(temporary))
    assert done.returncode == 0, done.stdout
    (project.folder / name).rename(project.folder / "warehouse")
    assert project.rows("n") == [{"n": 5_000_000}]
    assert not list(temporary.iterdir())
