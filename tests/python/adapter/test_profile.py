"""Mistakes in the profile and the machine give one clear line."""

import time

import pytest
from dbt.adapters.embedded import progress
from dbt.adapters.embedded.connections import EmbeddedCredentials
from dbt.adapters.embedded.engines import check_java
from dbt_common.exceptions import DbtRuntimeError


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"engine": "duck"}, "engine must be one of sail, spark, not 'duck'"),
        ({"warehouse": 5}, "warehouse must be a non-empty string, not 5"),
        ({"schema": None}, "schema must be a non-empty string, not None"),
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
