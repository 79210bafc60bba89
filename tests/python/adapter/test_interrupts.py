"""Ctrl-C and SIGTERM end a command; dbt retry goes on with it."""

import json
import os
import signal
import subprocess
import sys

import pytest
from support import ROOT

PYTHON = """
    import numpy as np


    def model(dbt, session):
        dbt.ref("first")

        def work(batches):
            print("model begun", flush=True)
            while True:
                np.sort(np.random.random(1_000_000))
            yield from batches

        return session.range(3).mapInArrow(work, "id bigint")
    """
# A nested loop, which takes no memory.
SQL = """
    -- depends_on: {{ ref('first') }}
    select sum(a.id % 7 * b.id) as id from range(10000000) as a cross join range(1000000) as b
    """
SCRIPT = """
    import sys

    from dbt.cli.main import dbtRunner

    dbtRunner().invoke(sys.argv[1:])
    """
QUICK = {
    "slow.py": "def model(dbt, session):\n    return session.range(3)\n",
    "slow.sql": "select 3 as id",
}


@pytest.mark.parametrize(
    ("number", "model", "text", "to_group"),
    [
        (signal.SIGINT, "slow.py", PYTHON, True),
        (signal.SIGTERM, "slow.sql", SQL, False),
    ],
    ids=["ctrl-c-in-python", "sigterm-in-sql"],
)
def test_signal_ends_a_build(project, number, model, text, to_group):
    project.write(
        {
            "models/first.sql": "select 1 as id",
            f"models/{model}": text,
            "models/last.sql": "select * from {{ ref('slow') }}",
        }
    )
    status, lines = interrupted(project, project.command("build"), model, number, to_group)
    assert status == 128 + number
    assert lines[-1] == f"stopped by {number.name}; dbt retry goes on from here"
    assert statuses(project) == {"first": "success", "slow": "skipped", "last": "skipped"}

    project.write({f"models/{model}": QUICK[model]})
    assert set(project.run("retry")) == {"slow", "last"}
    assert project.rows("last")


def test_signal_ends_a_script_that_calls_dbt(project):
    """In one process, as `make scenario` and `make report` do."""
    files = {"models/first.sql": "select 1 as id", "models/slow.py": PYTHON, "script.py": SCRIPT}
    project.write(files)
    stoppable = str(ROOT / "scripts" / "stoppable.py")
    command = [sys.executable, stoppable, "script.py", *project.arguments("build")]
    status, lines = interrupted(project, command, "slow.py", signal.SIGINT, to_group=True)
    assert status == 128 + signal.SIGINT
    assert lines == ["script: stopped by SIGINT"]


def interrupted(
    project, command: list[str], model: str, number: int, to_group: bool
) -> tuple[int, list[str]]:
    """Sends a signal while the slow model runs; returns the status and the lines after that.

    Nothing of the process may be left, nor a traceback.
    """
    temporary = project.folder / "tmp"
    temporary.mkdir()
    builder = subprocess.Popen(
        command,
        cwd=project.folder,
        env={**os.environ, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_for(builder, model)
        (os.killpg if to_group else os.kill)(builder.pid, number)
        lines = builder.communicate(timeout=60)[0].splitlines()
        # Its output has ended, so nobody of the group holds it any more.
    finally:
        if builder.poll() is None:
            os.killpg(builder.pid, signal.SIGKILL)
    assert not [line for line in lines if "Traceback" in line or "Error" in line]
    assert not list(temporary.iterdir())
    return builder.returncode, lines


def wait_for(builder: subprocess.Popen, model: str) -> None:
    """Waits until the slow model runs, which is after `first`."""
    wanted = "model begun" if model.endswith(".py") else "START sql table model main.slow"
    lines = []
    for line in builder.stdout:
        lines.append(line)
        if wanted in line:
            return
    raise AssertionError("".join(lines))


def statuses(project) -> dict[str, str]:
    results = json.loads((project.folder / "target/run_results.json").read_text())["results"]
    return {result["unique_id"].split(".")[-1]: result["status"] for result in results}


def test_program_that_calls_dbt_keeps_its_handlers(project):
    def handler(*_):
        raise AssertionError

    numbers = (signal.SIGINT, signal.SIGTERM)
    project.write({"models/m.sql": "select 1 as id"})
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        project.build()
        assert [signal.getsignal(number) for number in numbers] == [handler, handler]
    finally:
        for number in numbers:
            signal.signal(number, before[number])
