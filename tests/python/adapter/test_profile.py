"""Mistakes in the profile and the machine give one clear line."""

import sys
import time

import pytest
from dbt.adapters.embedded import progress
from dbt.adapters.embedded.connections import EmbeddedCredentials
from dbt.adapters.embedded.engines import check_java
from dbt.adapters.exceptions import FailedToConnectError
from dbt_common.exceptions import DbtRuntimeError


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"engine": "duck"}, "engine must be one of sail, spark, not 'duck'"),
        ({"warehouse": 5}, "warehouse must be a non-empty string, not 5"),
        ({"schema": None}, "schema must be a non-empty string, not None"),
        ({"schema": "../../x"}, r"only letters, digits and underscores, not '\.\./\.\./x'"),
        ({"schema": "a\n"}, r"only letters, digits and underscores, not 'a\\n'"),
    ],
)
def test_credentials(fields, message):
    with pytest.raises(DbtRuntimeError, match=message):
        EmbeddedCredentials(**{"schema": "main", **fields})


def test_profile_error_is_shown(project):
    path = project.folder / "profiles.yml"
    path.write_text(path.read_text().replace("warehouse: warehouse,", "warehouse: 5,"))
    with pytest.raises(Exception, match="warehouse must be a non-empty string, not 5"):
        project.run("parse")


def test_custom_schema_is_a_name(project):
    """Said once, before anything is built."""
    project.write(
        {
            "models/a.sql": "select 1 as n",
            "models/m.sql": "{{ config(schema='../x') }} select 1 as n",
        }
    )
    with pytest.raises(DbtRuntimeError, match=r"and underscores, not 'main_\.\./x'"):
        project.run("build")
    assert not (project.folder / "warehouse" / "main" / "a").exists()
    assert not (project.folder / "x").exists()


@pytest.mark.parametrize(
    ("warehouse", "message"),
    [
        ("notes.txt", "the warehouse {}/notes.txt is a file, not a folder"),
        (
            "a%20b/w",
            "the warehouse cannot be in {}/a%20b/w: Delta Lake takes %20 for another letter; "
            "choose a folder without it",
        ),
        ("notes.txt/w", "cannot write to the warehouse {}/notes.txt/w: Not a directory"),
        pytest.param(
            "/proc/w",
            "cannot write to the warehouse /proc/w: No such file or directory",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="no /proc"),
        ),
    ],
)
def test_a_warehouse_that_cannot_be_written(project, warehouse, message):
    """One line, whoever runs the test: not even root can write there."""
    path = project.folder / "profiles.yml"
    path.write_text(path.read_text().replace("warehouse: warehouse,", f"warehouse: {warehouse},"))
    project.write({"models/m.sql": "select 1 as n", "notes.txt": "of value"})
    with pytest.raises((DbtRuntimeError, FailedToConnectError)) as stopped:
        project.run("build")
    assert stopped.value.msg.splitlines()[-1].strip() == message.format(project.folder)
    assert len(stopped.value.msg.splitlines()) == 1
    assert (project.folder / "notes.txt").read_text() == "of value"


def test_missing_java(monkeypatch, tmp_path):
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DbtRuntimeError, match="needs Java 17 or newer, and none was found"):
        check_java()


def test_old_java(monkeypatch, tmp_path):
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(DbtRuntimeError, match="java is version 11"):
        check_java()


def test_heartbeat(monkeypatch, tmp_path):
    lines = []
    monkeypatch.setattr(progress, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(progress.logger, "info", lines.append)
    (tmp_path / "before").write_bytes(b"x" * 10)
    with progress.heartbeat("model.tiny.m", tmp_path):
        (tmp_path / "new").write_bytes(b"x" * 1_500_000)
        time.sleep(0.2)
    assert lines
    assert lines[-1] == "model.tiny.m: running for 0 s, 1.5 MB written"
