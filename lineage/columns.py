"""Which columns a column is computed from: dbt-colibri reads the SQL, Python models tell.

dbt-colibri does not know the embedded engine, whose names have no catalog, and passes over Python
models. What it lacks is put into copies of the files that it reads.
"""

import json
import logging
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dbt_colibri.report.generator as report
import sqlglot
from dbt_colibri.lineage_extractor.extractor import DbtColumnLineageExtractor
from sqlglot import exp

# Stands for the variables of the project, as if they were a table with a column for each.
VARIABLES = "source.stocktrue.variables"
VARIABLES_TABLE = "dbt_project.variables"
# What the macro uniform makes of random_seed.
SEED_OF_DRAW = re.compile(r"(?<=xxhash64\(cast\()\d+(?= as bigint\), ')", re.IGNORECASE)
TEMPLATE = Path(report.__file__).with_name("index.html")

# Id of a table and name of a column.
Column = tuple[str, str]


def is_python(node: dict[str, Any]) -> bool:
    """Tell whether a node of the manifest is a Python model."""
    return node.get("language") == "python"


def declared_origins(node: dict[str, Any]) -> dict[str, list[str]]:
    """Return what the columns of a Python model declare in their properties, by column.

    Each origin is table.column, of a table that the model reads or its own, or a variable. Raises
    KeyError where a column declares none.
    """
    return {name: column["config"]["meta"]["origin"] for name, column in node["columns"].items()}


def origin_column(origin: str, node: dict[str, Any]) -> Column:
    """Return the column that an origin of a Python model names."""
    table, _, column = origin.rpartition(".")
    if not table:
        return VARIABLES, column
    reads = [node["unique_id"], *node["depends_on"]["nodes"]]
    return next(key for key in reads if key.rsplit(".", 1)[1] == table), column


def columns_read(column: str, node: dict[str, Any]) -> list[Column]:
    """Return the columns of other tables that a column of a Python model is computed from."""
    found: dict[Column, None] = {}
    for origin in declared_origins(node)[column]:
        parent = origin_column(origin, node)
        is_own = parent[0] == node["unique_id"]
        found |= dict.fromkeys(columns_read(parent[1], node) if is_own else [parent])
    return list(found)


def with_columns_of_inline(sql: str) -> str:
    """Return SQL in which what `select inline(array(struct(...), ...))` makes are columns.

    Each is made from what every struct has there; which of them it is does not matter here.
    """
    tree = sqlglot.parse_one(sql, dialect="databricks")
    for inline in list(tree.find_all(exp.Inline)):
        select, array = inline.parent, inline.this
        if isinstance(select, exp.Select) and isinstance(array, exp.Array):
            fields = zip(*(struct.expressions for struct in array.expressions), strict=True)
            columns = [
                exp.alias_(exp.func("coalesce", *(field.expression for field in of)), of[0].name)
                for of in fields
            ]
            select.set("expressions", columns)
    return tree.sql(dialect="databricks")


def with_random_seed(sql: str) -> str:
    """Return SQL in which draws read random_seed from a table of the variables."""
    return SEED_OF_DRAW.sub(f"(select variables.random_seed from {VARIABLES_TABLE})", sql)


class Extractor(DbtColumnLineageExtractor):
    """Adds what the columns of Python models declare, and reads `inline` and draws."""

    def _sanitize_sql_for_parsing(self, sql: str, *arguments: Any, **options: Any) -> str:
        sane = super()._sanitize_sql_for_parsing(sql, *arguments, **options)
        # dbt-colibri writes SQL with an ephemeral model anew, in upper case.
        is_inline = "inline(" in sane.lower()
        return with_random_seed(with_columns_of_inline(sane) if is_inline else sane)

    def extract_project_lineage(self) -> dict[str, Any]:
        """Return the parents and children of all columns."""
        result = super().extract_project_lineage()
        parents = result["lineage"]["parents"]
        for key, node in self.manifest["nodes"].items():
            if is_python(node):
                parents[key] = {
                    name: [
                        {"dbt_node": table, "column": column, "lineage_type": "transformation"}
                        for table, column in columns_read(name, node)
                    ]
                    for name in node["columns"]
                }
        return result


def completed(
    manifest: dict[str, Any], catalog: dict[str, Any], variables: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return copies of manifest and catalog that dbt-colibri understands."""
    manifest, catalog = json.loads(json.dumps([manifest, catalog]))
    if manifest["metadata"]["adapter_type"] != "databricks":
        manifest["metadata"]["adapter_type"] = "databricks"  # the dialect of SQL
        for node in manifest["nodes"].values():
            node["database"] = ""
            if node.get("relation_name"):
                node["relation_name"] = f".{node['relation_name']}"
    schema, name = VARIABLES_TABLE.split(".")
    common = {"schema": schema, "name": name, "database": ""}
    manifest["sources"][VARIABLES] = common | {
        "resource_type": "source",
        "config": {},
        "relation_name": f".{VARIABLES_TABLE}",
        "description": "The variables of dbt_project.yml.",
        "original_file_path": "dbt_project.yml",
        "columns": {},
    }
    columns = {variable: {"type": "", "name": variable} for variable in variables}
    catalog["sources"][VARIABLES] = {
        "unique_id": VARIABLES,
        "metadata": common,
        "columns": columns,
    }
    return manifest, catalog


class Messages(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        """Begin without any."""
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a message."""
        self.texts.append(record.getMessage())


class ColumnLineage:
    """What dbt-colibri found."""

    def __init__(
        self, manifest: dict[str, Any], catalog: dict[str, Any], variables: list[str]
    ) -> None:
        """Read the SQL of all models; variables: names of those of the project."""
        logger, messages = logging.getLogger("colibri"), Messages()
        logger.addHandler(messages)
        logger.propagate = False
        try:
            with tempfile.TemporaryDirectory() as folder:
                paths = Path(folder, "manifest.json"), Path(folder, "catalog.json")
                for path, content in zip(
                    paths, completed(manifest, catalog, variables), strict=True
                ):
                    path.write_text(json.dumps(content))
                extractor = Extractor(*map(str, paths))
            generator = report.DbtColibriReportGenerator(extractor, disable_telemetry=True)
            self.data = generator.build_full_lineage()
        finally:
            logger.removeHandler(messages)
        # What could not be understood, a line for each column.
        self.problems = messages.texts
        self._python = {key for key, node in manifest["nodes"].items() if is_python(node)}

    def parents(self, column: Column) -> list[Column]:
        """Return the columns that a column is computed from."""
        table, name = column
        found = self.data["lineage"]["parents"].get(table, {}).get(name, [])
        return [(parent["dbt_node"], parent["column"]) for parent in found]

    def origins(self, column: Column) -> list[Column]:
        """Return the first columns on the way back that no SQL computes from others.

        They are those of Python models, seeds and variables, and what SQL makes of nothing.
        """
        return sorted(set(self._origins(column, set())))

    def _origins(self, column: Column, seen: set[Column]) -> Iterator[Column]:
        for parent in self.parents(column):
            if parent[0] in self._python or not self.parents(parent):
                yield parent
            elif parent not in seen:
                seen.add(parent)
                yield from self._origins(parent, seen)

    def write(self, page: Path) -> None:
        """Write the page on which the columns are browsed: one file, which asks no network."""
        data = {name: self.data[name] for name in ("metadata", "nodes", "tree")}
        data["lineage"] = {"edges": self.data["lineage"]["edges"]}
        report.inject_data_into_html(data, str(TEMPLATE), str(page), disable_telemetry=True)
