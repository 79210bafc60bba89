"""make validate: prints the validations, and tells by its exit status whether all passed."""

import importlib.util
import os
import re
import shutil

import forks
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from support import ROOT, SCHEMA

TABLE = "gold_validation_results"


def validate(warehouse, *arguments, **env):
    return forks.run(
        *(ROOT / "scripts" / "validate.py", *arguments),
        cwd=ROOT,
        env=os.environ
        | {"STOCKTRUE_WAREHOUSE": str(warehouse), "STOCKTRUE_SCHEMA": SCHEMA, "COLUMNS": "140"}
        | env,
    )


@pytest.fixture
def doctored(tiny_world, tmp_path):
    """Return a warehouse with the results alone, in which 5e has failed."""
    results = tiny_world.table(TABLE)
    rows = results.to_pylist()
    (failed,) = [row for row in rows if row["validation_id"] == "5e"]
    failed.update(measured_value=3.0, is_passed=False)
    write_deltalake(tmp_path / SCHEMA / TABLE, pa.Table.from_pylist(rows, results.schema))
    return tmp_path


def test_prints_every_validation_and_passes(tiny_world):
    done = validate(tiny_world.warehouse)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["id", "validation", "measured", "expected", "passed", "detail"]
    assert max(map(len, lines)) <= 140
    rows = tiny_world.table(TABLE).to_pylist()
    printed = {line.split()[0] for line in lines if line[:1] not in ("", " ")}
    assert {row["validation_id"] for row in rows} <= printed
    assert lines[-1] == f"{len(rows)} of {len(rows)} validations passed"


def test_other_schema_is_read(tiny_world, tmp_path):
    shutil.copytree(tiny_world.warehouse / SCHEMA / TABLE, tmp_path / "other" / TABLE)
    assert validate(tmp_path, STOCKTRUE_SCHEMA="other").returncode == 0
    assert validate(tmp_path).returncode == 1


def test_one_failure_fails(doctored):
    done = validate(doctored)
    assert done.returncode == 1
    assert re.search(r"(?m)^5e +.* 3 +0 +NO +", done.stdout)
    assert done.stderr.strip() == "validate: failed: 5e"


def test_missing_table_fails_with_a_hint(tmp_path):
    done = validate(tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "make build" in line


def test_other_targets_are_read_through_dbt(tiny_world, monkeypatch):
    """Every target but the local one: here the local one through dbt, which is no different."""
    spec = importlib.util.spec_from_file_location("validate", ROOT / "scripts" / "validate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(tiny_world.warehouse))
    monkeypatch.setenv("STOCKTRUE_SCHEMA", SCHEMA)
    through_dbt = module.read_through_dbt("local")
    from_delta = module.read_delta(tiny_world.warehouse / SCHEMA / TABLE)
    assert module.table(through_dbt, 100) == module.table(from_delta, 100)
