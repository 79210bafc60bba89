"""What people type besides build, test and docs; docs/commands.md says what works."""

import json

import pytest
from dbt.adapters.embedded.engines import start_engine
from dbt.adapters.embedded.warehouse import Warehouse
from deltalake import DeltaTable
from support import ROOT, SCHEMA, TINY_VARS, run_dbt, run_on_one_parse


def variables(world) -> dict[str, str]:
    """Return the environment that leads dbt to a world."""
    return {"STOCKTRUE_WAREHOUSE": str(world), "STOCKTRUE_SCHEMA": SCHEMA}


@pytest.fixture(scope="module")
def typed(tiny_world, tmp_path_factory):
    """Return a run on the tiny world that compiles all data tests and shows a Python model."""
    run = run_on_one_parse(
        ["compile", "--select", "test_type:data"],
        ["--quiet", "show", "--select", "int_allocation", "--limit", "2", "--output", "json"],
        parsed=("local", TINY_VARS),
        run=("local", TINY_VARS),
        target=tmp_path_factory.mktemp("commands"),
        env=variables(tiny_world.warehouse),
    )
    assert run.returncode == 0, run.output[-6000:]
    return run


def test_show_of_a_python_model_prints_built_rows(typed, tiny_world):
    shown = json.loads(typed.output[typed.output.index('{\n  "node": "int_allocation"') :])
    assert len(shown["show"]) == 2
    assert set(shown["show"][0]) == set(tiny_world.table("int_allocation").column_names)


def test_every_data_test_can_store_its_failures(typed, tiny_world):
    """A table has each column once, so what a data test returns has to."""
    session = start_engine("sail")
    Warehouse(session, "sail", tiny_world.warehouse).attach(SCHEMA)
    files = sorted((typed.target / "compiled").rglob("*.sql"))
    assert len(files) > 150
    for file in files:
        columns = session.sql(file.read_text()).columns
        assert len(columns) == len(set(map(str.lower, columns))), f"{file.name}: {columns}"


def test_build_without_rows_is_green(tmp_path):
    """--empty: the SQL of all models and data tests is run on tables without rows."""
    run = run_dbt(
        *("build", "--empty", "--exclude", "resource_type:unit_test", "path:seeds,test_type:data"),
        *("--vars", json.dumps(TINY_VARS)),
        project=ROOT,
        target=tmp_path / "target",
        env=variables(tmp_path / "warehouse"),
    )
    assert run.returncode == 0, run.output[-6000:]
    assert set(run.results().values()) == {"success", "pass", "no-op"}  # the last: the exposure
    for table in ("int_cart_lines", "int_allocation", "gold_sales_fact", "realism_metrics"):
        found = DeltaTable(tmp_path / "warehouse" / SCHEMA / table)
        assert found.schema().fields, table
        assert found.to_pyarrow_dataset().count_rows() == 0, table
