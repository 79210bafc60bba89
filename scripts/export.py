"""Write the published tables of the local target for people without Delta.

    python scripts/export.py --format duckdb --to out --days 30 --tables gold_sales_fact

parquet   one file for each table, compressed with zstd
csv       one file for each table, UTF-8, with a header; an empty cell is NULL, "" an empty text
duckdb    one file, stocktrue.duckdb, with comments, NOT NULL and the keys of the dimensions (those
          of facts are in the comments: DuckDB would index them, in as much memory as rows)

Beside them stands datapackage.json, a Frictionless Data Package: the description, type, key and
meaning of every column, whatever the format (https://datapackage.org).

The versions of all tables are chosen at the start, so a build that runs meanwhile changes nothing.
DuckDB streams the rows; how much memory it may take is said by MEMORY. The folder appears when it
is complete; in place of another one only if that is an export as well.
"""

import argparse
import contextlib
import json
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

import duckdb
import stoppable
from deltalake import DeltaTable
from local_tables import local_schema, read_delta
from warehouse_query import WarehouseError, parsed_project

MEMORY = "2GB"
FORMATS = ("parquet", "csv", "duckdb")
DESCRIPTOR = "datapackage.json"
DATABASE = "stocktrue.duckdb"
# The column that says of which day a row is; tables without any are written whole.
DAY_COLUMNS = (
    "date_key",
    "week_start_date_key",
    "month_start_date_key",
    "stockout_start_date_key",
)
# Types of the contracts -> Table Schema, DuckDB.
TYPES = {
    "string": ("string", "varchar"),
    "int": ("integer", "integer"),
    "bigint": ("integer", "bigint"),
    "double": ("number", "double"),
    "boolean": ("boolean", "boolean"),
    "date": ("date", "date"),
    "timestamp": ("datetime", "timestamp"),
}


def quoted(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


@dataclass(frozen=True)
class Table:
    """A published table: its model in the manifest of dbt, and the version to be written."""

    name: str
    model: dict[str, Any]
    delta: DeltaTable

    @property
    def is_dimension(self) -> bool:
        """Whether other tables refer to its key."""
        return self.name.endswith("_dim")

    @property
    def day_column(self) -> str | None:
        """The column that a choice of days looks at; None in tables that are written whole."""
        columns = () if self.is_dimension else DAY_COLUMNS
        return next((name for name in columns if name in self.model["columns"]), None)

    def keys(self, kind: str) -> list[dict[str, Any]]:
        """Return the declared constraints of a kind: primary_key or foreign_key."""
        return [each for each in self.model["constraints"] if each["type"] == kind]

    def is_required(self, column: str) -> bool:
        """Whether a column is declared NOT NULL."""
        constraints = self.model["columns"][column]["constraints"]
        return any(each["type"] == "not_null" for each in constraints)

    def query(self, days: tuple[int, int] | None) -> str:
        """Return the SQL that reads the rows, those of some days only, in the contracted types."""
        files = ", ".join(quoted(unquote(uri)) for uri in self.delta.file_uris())
        columns = ", ".join(
            f"cast({name if files else 'null'} as {TYPES[column['data_type']][1]}) as {name}"
            for name, column in self.model["columns"].items()
        )
        if not files:
            return f"select {columns} where false"
        query = f"select {columns} from read_parquet([{files}])"
        if days and self.day_column:
            query += f" where {self.day_column} between {days[0]} and {days[1]}"
        return query

    def schema(self, exported: set[str]) -> dict[str, Any]:
        """Return a Table Schema; keys of tables that are not exported are left out."""
        fields = [
            {
                "name": name,
                "type": TYPES[column["data_type"]][0],
                "description": column["description"],
                **({"constraints": {"required": True}} if self.is_required(name) else {}),
            }
            for name, column in self.model["columns"].items()
        ]
        foreign = [
            {
                "fields": key["columns"],
                "reference": {"resource": to, "fields": key["to_columns"]},
            }
            for key in self.keys("foreign_key")
            if (to := referenced(key)) in exported
        ]
        (primary,) = (key["columns"] for key in self.keys("primary_key"))
        return {"fields": fields, "primaryKey": primary, "foreignKeys": foreign}


def referenced(key: dict[str, Any]) -> str:
    """Return the name of the table that a foreign key refers to."""
    return re.findall(r"\w+", key["to"])[-1]


def stop(reason: object) -> NoReturn:
    """Exit with one line."""
    sys.exit(f"export: {reason}")


def published_models() -> dict[str, dict[str, Any]]:
    """Return the models that consumers may rely on, by name, as in the manifest of dbt."""
    try:
        manifest = parsed_project("local")
    except WarehouseError as error:
        stop(error)
    return {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["config"]["access"] == "public"
    }


def published_tables(names: list[str], schema: Path) -> list[Table]:
    """Return the tables of these names, all published ones without, the dimensions first.

    All are opened at once: what a build replaces later is not what is written.
    """
    models = published_models()
    if unknown := sorted(set(names) - set(models)):
        stop(f"TABLES: got {unknown[0]!r}, allowed: {', '.join(sorted(models))}")
    tables = []
    for name in sorted(set(names) or models, key=lambda name: (not name.endswith("_dim"), name)):
        if not DeltaTable.is_deltatable(str(schema / name)):
            stop(f"no {name} in {schema}: run make build first")
        tables.append(Table(name, models[name], DeltaTable(schema / name)))
    return tables


def last_day(schema: Path) -> date:
    """Return the last simulated day of the world that was built."""
    rows = read_delta(schema / "build_variables")
    if not rows:
        stop(f"no build_variables in {schema}: run make build first")
    values = {row["variable_name"]: row["variable_value"] for row in rows}
    return date.fromisoformat(values["start_date"]) + timedelta(int(values["date_range_days"]) - 1)


def chosen_days(text: str, schema: Path) -> tuple[int, int] | None:
    """Return the first and last date key of DAYS: a number, the last so many, or two dates."""
    if not text:
        return None
    try:
        if text.isdecimal():
            until = last_day(schema)
            since = until - timedelta(days=int(text) - 1)
        else:
            since, until = map(date.fromisoformat, text.split(".."))
    except (ValueError, OverflowError):
        since, until = date.max, date.min
    if since > until:
        stop(f"DAYS: got {text!r}, allowed: a number of days, or as in 2025-11-01..2025-11-30")
    return int(f"{since:%Y%m%d}"), int(f"{until:%Y%m%d}")


class Writer:
    """Writes tables into a folder in one of FORMATS."""

    def __init__(self, folder: Path, kind: str) -> None:
        """Open DuckDB: in memory, or on the file that is to be written."""
        self.folder, self.kind = folder, kind
        self.connection = duckdb.connect(str(folder / DATABASE) if kind == "duckdb" else ":memory:")
        self.connection.execute(f"set memory_limit = '{MEMORY}'; set timezone = 'UTC'")
        self.connection.execute(f"set temp_directory = {quoted(str(folder / 'spilled'))}")

    def write(self, table: Table, days: tuple[int, int] | None) -> int:
        """Write a table and return its rows."""
        query = table.query(days)
        if self.kind == "duckdb":
            self.create(table)
            written = self.connection.execute(f"insert into {table.name} {query}")
        else:
            options = {
                "parquet": "format parquet, compression zstd, kv_metadata "
                f"{{description: {quoted(table.model['description'])}}}",
                "csv": "format csv, header, nullstr ''",
            }[self.kind]
            file = quoted(str(self.folder / self.path(table)))
            written = self.connection.execute(f"copy ({query}) to {file} ({options})")
        ((rows,),) = written.fetchall()
        return rows

    def path(self, table: Table) -> str:
        """Return the name of the file of a table."""
        return DATABASE if self.kind == "duckdb" else f"{table.name}.{self.kind}"

    def create(self, table: Table) -> None:
        """Create an empty table with its types, comments and, of a dimension, its key."""
        parts = [
            f"{name} {TYPES[column['data_type']][1]}{' not null' * table.is_required(name)}"
            for name, column in table.model["columns"].items()
        ]
        (key,) = (", ".join(key["columns"]) for key in table.keys("primary_key"))
        if table.is_dimension:
            parts.append(f"primary key ({key})")
        self.connection.execute(f"create table {table.name} ({', '.join(parts)})")
        comment = f"{table.model['description']} Key: {key}."
        self.connection.execute(f"comment on table {table.name} is {quoted(comment)}")
        for name, column in table.model["columns"].items():
            comment = quoted(column["description"])
            self.connection.execute(f"comment on column {table.name}.{name} is {comment}")

    def close(self) -> None:
        """Write what DuckDB still holds."""
        self.connection.close()
        shutil.rmtree(self.folder / "spilled", ignore_errors=True)


def check_folder(folder: Path) -> None:
    """Exit with a line unless the folder is new, empty or an export, which may be replaced."""
    if not folder.exists():
        return
    ours = set()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        package = json.loads((folder / DESCRIPTOR).read_text())
        ours = {DESCRIPTOR, *(table["path"] for table in package["resources"])}
    if not folder.is_dir() or {path.name for path in folder.iterdir()} - ours:
        stop(f"TO: {folder} holds something else than an export: name a new or an empty folder")


def export(tables: list[Table], folder: Path, kind: str, days: tuple[int, int] | None) -> None:
    """Write the tables beside the folder, then put them into its place."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as scratch:
        new = Path(scratch) / folder.name
        new.mkdir()
        write_all(tables, new, kind, days)
        if folder.exists():
            folder.rename(Path(scratch) / "before")
        new.rename(folder)


def write_all(tables: list[Table], folder: Path, kind: str, days: tuple[int, int] | None) -> None:
    """Write the tables and what describes them, with a line for each table."""
    names = {table.name for table in tables}
    writer = Writer(folder, kind)
    resources = []
    for table in tables:
        start = time.monotonic()
        rows = writer.write(table, days)
        print(f"{table.name}: {rows:,} rows in {time.monotonic() - start:.1f} s", flush=True)
        resources.append(
            {
                "name": table.name,
                "path": writer.path(table),
                "description": table.model["description"],
                "rows": rows,
                "schema": table.schema(names),
            }
        )
    writer.close()
    package = {"name": "stocktrue", "resources": resources}
    (folder / DESCRIPTOR).write_text(json.dumps(package, indent=2) + "\n")


def main() -> None:
    """Check what is asked for, then write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", default="parquet", help=", ".join(FORMATS))
    parser.add_argument("--to", required=True, help="folder to write")
    parser.add_argument("--days", default="", help="the last so many, or 2025-11-01..2025-11-30")
    parser.add_argument("--tables", default="", help="names of published tables, with commas")
    given = parser.parse_args()
    if given.format not in FORMATS:
        stop(f"FORMAT: got {given.format!r}, allowed: {', '.join(FORMATS)}")
    if not given.to:
        stop("TO: name a folder, as in make export TO=exported")
    folder = Path(given.to).absolute()
    check_folder(folder)
    schema = local_schema()
    tables = published_tables(given.tables.replace(",", " ").split(), schema)
    export(tables, folder, given.format, chosen_days(given.days, schema))


if __name__ == "__main__":
    stoppable.unwind()
    main()
