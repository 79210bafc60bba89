"""make export: the published tables in other formats, whole or of some days."""

import json
import os
import signal
from collections import Counter
from pathlib import Path

import duckdb
import export
import forks
import pytest
import stoppable
from support import ROOT, SCHEMA

DAYS = (20251120, 20251130)


@pytest.fixture(scope="module")
def published(manifest, tiny_world):
    """Return the published tables of the tiny world."""
    patch = pytest.MonkeyPatch()
    patch.setattr(export, "parsed_project", lambda target: manifest)
    yield export.published_tables([], tiny_world.warehouse / SCHEMA)
    patch.undo()


@pytest.fixture(scope="module", params=export.FORMATS)
def exported(request, published, tmp_path_factory):
    """Return the folder of an export in each format, and DuckDB with a view of each table."""
    folder = tmp_path_factory.mktemp(request.param) / "out"
    export.export(published, folder, request.param, None)
    if request.param == "duckdb":
        return folder, duckdb.connect(str(folder / export.DATABASE), read_only=True)
    connection = duckdb.connect()
    for table in published:
        types = {
            name: export.TYPES[column["data_type"]][1]
            for name, column in table.model["columns"].items()
        }
        read = f"read_parquet('{folder / table.name}.parquet')"
        if request.param == "csv":
            # As a person would: the columns by name and type, an empty cell is NULL.
            read = (
                f"read_csv('{folder / table.name}.csv', header = true, columns = {types},"
                " nullstr = '', allow_quoted_nulls = false)"
            )
        connection.execute(f"create view {table.name} as select * from {read}")
    return folder, connection


def rows_of(connection, table):
    connection.execute("set timezone = 'UTC'")
    return Counter(connection.execute(f"select * from {table}").fetchall())


def test_every_row_of_every_table(exported, published, tiny_world):
    connection = exported[1]
    for table in published:
        whole = tiny_world.table(table.name)
        expected = Counter(
            tuple(
                value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value for value in row
            )
            for row in zip(*(column.to_pylist() for column in whole.columns), strict=True)
        )
        assert rows_of(connection, table.name) == expected, table.name
        assert sum(expected.values()) == whole.num_rows


def test_package_describes_every_column_and_key(exported, published):
    package = json.loads((exported[0] / export.DESCRIPTOR).read_text())
    assert {path.name for path in exported[0].iterdir()} == {
        export.DESCRIPTOR,
        *(table["path"] for table in package["resources"]),
    }
    tables = {table["name"]: table for table in package["resources"]}
    assert set(tables) == {table.name for table in published}
    sales = tables["gold_sales_fact"]["schema"]
    assert sales["primaryKey"] == ["line_item_id"]
    key = {"fields": ["product_key"], "reference": {"resource": "gold_product_dim"}}
    key["reference"]["fields"] = ["product_key"]
    assert key in sales["foreignKeys"]
    fields = {field["name"]: field for field in sales["fields"]}
    assert fields["quantity_sold"]["type"] == "integer"
    assert fields["quantity_sold"]["constraints"] == {"required": True}
    assert "constraints" not in fields["pos_terminal_id"]
    assert all(field["description"] for field in fields.values())
    for table in published:
        rows = exported[1].execute(f"select count(*) from {table.name}").fetchone()[0]
        assert tables[table.name]["rows"] == rows


@pytest.mark.parametrize("exported", ["duckdb"], indirect=True)
def test_database_has_comments_keys_and_not_null(exported):
    connection = exported[1]
    query = "select comment from duckdb_{}() where table_name = 'gold_sales_fact' {}"
    (comment,) = connection.execute(query.format("tables", "")).fetchone()
    assert comment.endswith("Key: line_item_id.")
    column = query.format("columns", "and column_name = 'quantity_sold'")
    assert "units" in connection.execute(column).fetchone()[0].lower()
    constraints = connection.execute(
        "select table_name, constraint_type, constraint_column_names from duckdb_constraints()"
    ).fetchall()
    assert ("gold_product_dim", "PRIMARY KEY", ["product_key"]) in constraints
    assert ("gold_sales_fact", "NOT NULL", ["quantity_sold"]) in constraints
    assert ("gold_sales_fact", "NOT NULL", ["pos_terminal_id"]) not in constraints


def test_days_are_those_of_facts_and_dimensions_stay_whole(published, tmp_path, tiny_world):
    export.export(published, tmp_path / "out", "parquet", DAYS)
    for table in published:
        file = tmp_path / "out" / f"{table.name}.parquet"
        ((rows,),) = duckdb.sql(f"select count(*) from '{file}'").fetchall()
        whole = tiny_world.table(table.name)
        if table.name.endswith("_dim") or not table.day_column:
            assert rows == whole.num_rows
            continue
        keys = whole[table.day_column].to_pylist()
        assert rows == sum(DAYS[0] <= key <= DAYS[1] for key in keys) < len(keys), table.name


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("", None),
        ("1", (20260103, 20260103)),
        ("31", (20251204, 20260103)),
        ("2025-11-01..2025-11-30", (20251101, 20251130)),
    ],
)
def test_days_are_a_number_or_a_range(text, days, tiny_world):
    assert export.chosen_days(text, tiny_world.warehouse / SCHEMA) == days


@pytest.mark.parametrize(
    "text", ["0", "-1", "x", "2025-11-30..2025-11-01", "2025-11-01", "9" * 30, "2025-13-01..2026"]
)
def test_other_days_are_refused(text, tiny_world):
    with pytest.raises(SystemExit, match=r"export: DAYS: got '.*', allowed: a number of days"):
        export.chosen_days(text, tiny_world.warehouse / SCHEMA)


def test_number_of_days_needs_to_know_the_last_one(tmp_path):
    assert export.chosen_days("2025-11-01..2025-11-30", tmp_path) == (20251101, 20251130)
    with pytest.raises(SystemExit, match=r"export: no build_variables in .*: run make build first"):
        export.chosen_days("7", tmp_path)


def test_table_without_rows_keeps_its_columns(published, tmp_path):
    table = next(table for table in published if table.name == "gold_lost_sales_fact")
    export.export([table], tmp_path / "out", "csv", (19000101, 19000101))
    (header,) = (tmp_path / "out" / "gold_lost_sales_fact.csv").read_text().splitlines()
    assert header.split(",") == list(table.model["columns"])


def test_an_export_is_replaced_and_nothing_else_is(published, tmp_path):
    folder = tmp_path / "out"
    one = [table for table in published if table.name == "gold_channel_dim"]
    for kind in ("parquet", "csv"):
        export.check_folder(folder)
        export.export(one, folder, kind, None)
    assert {path.name for path in folder.iterdir()} == {
        "gold_channel_dim.csv",
        export.DESCRIPTOR,
    }
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(SystemExit, match="holds something else than an export"):
        export.check_folder(folder)
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit, match="holds something else than an export"):
        export.check_folder(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_failure_leaves_the_export_before(published, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    one = [table for table in published if table.name == "gold_channel_dim"]
    export.export(one, folder, "csv", None)
    monkeypatch.setitem(export.TYPES, "string", ("string", "nonsense"))
    with pytest.raises(duckdb.Error):
        export.export(one, folder, "parquet", None)
    assert (folder / "gold_channel_dim.csv").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_signal_leaves_nothing_behind(published, tmp_path, monkeypatch, capsys):
    def stopped(*_):
        stoppable.leave(signal.SIGTERM, None)

    monkeypatch.setattr("sys.argv", ["export.py"])
    monkeypatch.setattr(export.Writer, "write", stopped)
    with pytest.raises(SystemExit) as ended:
        export.export(published, tmp_path / "out", "parquet", None)
    assert ended.value.code == 128 + signal.SIGTERM
    assert capsys.readouterr().err == "export: stopped by SIGTERM\n"
    assert list(tmp_path.iterdir()) == []


def run(warehouse: Path, *arguments: str):
    return forks.run(
        *(ROOT / "scripts" / "export.py", *arguments),
        cwd=ROOT,
        env=os.environ | {"STOCKTRUE_WAREHOUSE": str(warehouse), "STOCKTRUE_SCHEMA": SCHEMA},
    )


def test_command(tiny_world, tmp_path):
    arguments = ("--to", str(tmp_path / "out"), "--days", "7", "--tables")
    done = run(tiny_world.warehouse, *arguments, "gold_sales_fact, gold_date_dim")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "datapackage.json",
        "gold_date_dim.parquet",
        "gold_sales_fact.parquet",
    ]
    done = run(tiny_world.warehouse, *arguments, "int_allocation")
    assert done.returncode == 1
    assert done.stderr.startswith("export: TABLES: got 'int_allocation', allowed: build_variables,")
    done = run(tmp_path / "none", *arguments, "gold_date_dim")
    assert done.stderr.endswith("run make build first\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--format", "xlsx", "--to", "out"), "FORMAT: got 'xlsx', allowed: parquet, csv, duckdb"),
        (("--to", ""), "TO: name a folder, as in make export TO=exported"),
    ],
)
def test_wrong_arguments_are_refused(arguments, line, monkeypatch):
    monkeypatch.setattr("sys.argv", ["export.py", *arguments])
    with pytest.raises(SystemExit, match=line):
        export.main()
