"""Apache Spark is found, and gives the rows of the embedded engine, table by table."""

import json
import os
import shutil
import sys
from pathlib import Path

import kept_parse
import pytest
import slim
from support import build_tiny, differing, read_fingerprints


@pytest.mark.skipif(shutil.which("java") is None, reason="no Java on this machine")
def test_spark_gives_the_same_rows(tiny_fingerprints, tmp_path):
    _, run = build_tiny(tmp_path, engine="spark")
    assert differing(tiny_fingerprints, read_fingerprints(run.output)) == []


@pytest.mark.parametrize("target", ["local", "spark"])
def test_slim_build_finds_apache_spark_for_its_state(tmp_path, monkeypatch, target):
    """The target is that of the state, whatever `make` was told."""
    facts = {"target": target, "schema": "s", "warehouse": None, "variables": {}}
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "state.json").write_text(json.dumps(facts))
    for module, name, value in (
        (kept_parse, "KEPT", tmp_path / "parsed"),
        (slim, "ROOT", tmp_path),
        (sys, "path", list(sys.path)),
        (os, "execv", lambda path, command: None),
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setenv("PYTHONPATH", "mine")
    monkeypatch.setenv("STOCKTRUE_SCHEMA", "")
    monkeypatch.chdir(tmp_path)
    slim.build(tmp_path)
    spark = str(Path(sys.prefix) / "spark")
    on_spark = target == "spark"
    assert os.environ["PYTHONPATH"] == (f"{spark}{os.pathsep}mine" if on_spark else "mine")
    assert (sys.path[0] == spark) == on_spark
