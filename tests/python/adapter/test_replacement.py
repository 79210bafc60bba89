"""A table is replaced in one step, whatever happens to the process that does it."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable
from support import read_delta

MODEL = "select id, '{{ var('mark') }}' as mark from range({{ var('rows', 1000) }})"
# What a killed build leaves of a data file.
PART = "part-00000-1fb7dd1a-21e5-4d4f-8f2c-93d2a4a3c7ee-c000.snappy.parquet#1"
SLOW = """
    import time
    from pathlib import Path


    def model(dbt, session):
        def slow(batches):
            for batch in batches:
                yield batch
                Path("started").touch()
                time.sleep(60)

        return session.range(3_000_000).mapInArrow(slow, "id bigint")
    """


# Waits in the build of p0 until the test says go.
WAITING = """
    import time
    from pathlib import Path


    def model(dbt, session):
        mark = dbt.config.get("mark")
        rows = dbt.ref("m").filter(f"mark = '{mark}'")
        if mark == "p0":
            Path("started").touch()
            while not Path("go").exists():
                time.sleep(0.05)
        return rows
    """


def wait_for(path: Path) -> None:
    for _ in range(1200):  # the machine may be busy
        if path.exists():
            return
        time.sleep(0.1)
    raise AssertionError(f"no {path}")


def data_files(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.parquet")}


def test_readers_see_whole_versions_and_old_files_go(project):
    project.write({"models/m.sql": MODEL})
    folder = project.folder / "warehouse/main/m"
    project.build("--vars", "mark: v0")
    reader = DeltaTable(folder)  # stays on the version that is about to be replaced
    project.build("--vars", "{mark: v1, rows: 500}")
    assert read_delta(reader).num_rows == 1000

    builder = subprocess.Popen(
        project.command("build", "--vars", "{mark: v2, rows: 2000000}"), stdout=subprocess.PIPE
    )
    seen = set()
    while builder.poll() is None:
        table = read_delta(DeltaTable(folder), ["mark"])
        seen.add((table.num_rows, *set(table["mark"].to_pylist()[:1])))
    assert seen <= {(500, "v1"), (2_000_000, "v2")}, seen
    assert builder.returncode == 0
    current = DeltaTable(folder)
    used = {Path(uri).name for uri in current.file_uris()}
    current.load_as_version(current.version() - 1)
    assert data_files(folder) == used | {Path(uri).name for uri in current.file_uris()}


def test_killed_builds(project):
    """The first build leaves nothing, a later one leaves the previous version."""
    folder = project.folder / "warehouse/main/m"
    for present in (False, True):
        project.write({"models/m.py": SLOW})
        started = project.folder / "started"
        started.unlink(missing_ok=True)
        builder = subprocess.Popen(
            project.command("build"),
            cwd=project.folder,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(started)
        time.sleep(0.3)
        os.killpg(builder.pid, signal.SIGKILL)
        builder.wait()
        if present:
            assert len(project.rows("m")) == 10
            (folder / PART).write_bytes(b"half")
        else:
            (folder / "_delta_log").mkdir(parents=True, exist_ok=True)
            (folder / PART).write_bytes(b"half")
        (project.folder / "models/m.py").write_text(
            "def model(dbt, session):\n    return session.range(10)\n"
        )
        project.build()
        assert len(project.rows("m")) == 10
        assert not list(folder.glob("part-00000-1fb7dd1a*"))


def test_two_processes(project):
    """A second build of a schema stops at once; readers and other schemas go on."""
    project.write(
        {
            "models/m.sql": MODEL,
            "models/n.py": WAITING,
            "models/n.yml": "models: [{name: n, config: {mark: \"{{ var('mark') }}\"}}]",
        }
    )
    first = subprocess.Popen(
        project.command("build", "--vars", "mark: p0", "--target-path", "first"),
        cwd=project.folder,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        wait_for(project.folder / "started")
        with pytest.raises(Exception, match=f"process {first.pid} on .* since 20") as refused:
            project.run("build", "--vars", "mark: p1")
        assert "\n" not in refused.value.msg
        with pytest.raises(Exception, match=f"process {first.pid} "):
            project.run("run", "--vars", "mark: p1", "--select", "m")
        assert [r["mark"] for r in project.rows("m")] == ["p0"] * 1000
        inline = ("--inline", "select mark from main.m")
        (shown,) = project.run("show", "--vars", "mark: p1", *inline).values()
        assert shown.agate_table.rows[0]["mark"] == "p0"
        project.build("--vars", "mark: p2", "--select", "m", "--target", "other")
    finally:
        (project.folder / "go").touch()
        output = first.communicate()[0]
    assert first.returncode == 0, output
    assert {row["mark"] for table in ("m", "n") for row in project.rows(table)} == {"p0"}
    assert {row["mark"] for row in project.rows("m", "other")} == {"p2"}
    project.build("--vars", "mark: p3", "--select", "m")
    assert project.rows("m")[0]["mark"] == "p3"


def test_warehouse_removed_between_builds(project):
    project.write({"models/m.sql": "select 1 as n"})
    project.build()
    shutil.rmtree(project.folder / "warehouse")
    project.build()
    assert project.rows("m") == [{"n": 1}]
