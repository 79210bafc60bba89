"""Ask the built tables of any target, in this process, through dbt and its adapter.

    with open_warehouse("local", "path:report/queries") as warehouse:
        if missing := warehouse.missing(warehouse.tables_read()):
            sys.exit(f"no {missing[0]}: run make build first")
        rows = warehouse.query(warehouse.analysis("report_headline"))
        lines = warehouse.query(f"select count(*) as n from {warehouse.table('gold_sales_fact')}")

dbt reads the project and compiles the selected analyses once; every query then runs on one
connection of the target's adapter. Folder and schema are those of profiles.yml:
STOCKTRUE_WAREHOUSE and STOCKTRUE_SCHEMA choose others.
"""

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import kept_parse
from dbt.adapters.factory import cleanup_connections, get_adapter_by_type
from dbt.cli.main import dbtRunner
from dbt_common.exceptions import DbtBaseException
from run_dbt import prefer_spark

ROOT = Path(__file__).resolve().parent.parent
# Apart from the files of builds.
TARGET_PATH = ROOT / "target" / "warehouse_query"


class WarehouseError(Exception):
    """The project cannot be compiled, or the target cannot be reached or refuses a query."""


class Warehouse:
    """The tables of one target while a connection to it is open; see `open_warehouse`."""

    def __init__(self, adapter: Any, manifest: Any, analyses: Iterable[Any]) -> None:
        """Take an adapter with a connection, the parsed project and compiled analyses."""
        self._adapter = adapter
        self._manifest = manifest
        self._tables = {
            node.unique_id: node for node in manifest.nodes.values() if node.is_relational
        }
        self._analyses = {node.name: node for node in analyses}

    @property
    def engine(self) -> str:
        """Name of what runs the queries: sail, spark or databricks."""
        credentials = self._adapter.config.credentials
        return getattr(credentials, "engine", credentials.type)

    @property
    def schema(self) -> str:
        """Schema of the tables."""
        return self._adapter.config.credentials.schema

    def _node(self, table: str) -> Any:
        for node in self._tables.values():
            if node.name == table:
                return node
        raise KeyError(table)

    def table(self, name: str) -> str:
        """Return the full name of a model's or seed's table for use in SQL; KeyError if unknown."""
        return self._node(name).relation_name

    def analyses(self) -> list[str]:
        """Return the names of the selected analyses, sorted."""
        return sorted(self._analyses)

    def analysis(self, name: str) -> str:
        """Return the compiled SQL of a selected analysis; KeyError if it was not selected."""
        return self._analyses[name].compiled_code

    def tables_read(self) -> list[str]:
        """Return the names of the tables that the selected analyses read, sorted."""
        ids = {each for node in self._analyses.values() for each in node.depends_on_nodes}
        return sorted(self._tables[each].name for each in ids)

    def missing(self, tables: Iterable[str]) -> list[str]:
        """Return those of the named tables that have not been built, in the order given."""
        nodes = {name: self._node(name) for name in tables}
        try:
            return [
                name
                for name, node in nodes.items()
                if not self._adapter.get_relation(node.database, node.schema, node.identifier)
            ]
        except DbtBaseException as error:
            raise WarehouseError(str(error).strip()) from error

    def fingerprint(self, table: str) -> tuple[int, str]:
        """Return rows and hash of a built table, the same for the same rows in any order.

        `make fingerprint` says the same of a table, with its hash as a hexadecimal number.
        """
        node = self._node(table)
        relation = self._adapter.get_relation(node.database, node.schema, node.identifier)
        sql = self._adapter.execute_macro(
            "fingerprint_query",
            macro_resolver=self._manifest,
            project=node.package_name,
            kwargs={
                "relation": relation,
                "columns": self._adapter.get_columns_in_relation(relation),
            },
        )
        (row,) = self.query(str(sql))
        return int(row["row_count"]), row["row_hash_sum"]

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Run one statement and return its rows, each a dict of Python values by column name.

        All rows come into memory, so let the statement aggregate.

        Raises:
            WarehouseError: the engine refuses the statement.
        """
        connections = self._adapter.connections
        try:
            # Embedded engines find what is wrong with a statement only when its rows are asked for.
            with connections.exception_handler(sql):
                _, cursor = connections.add_select_query(sql)
                names = [column[0] for column in cursor.description]
                return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        except DbtBaseException as error:
            raise WarehouseError(str(error).strip()) from error


@contextmanager
def open_warehouse(target: str, *analyses: str, manifest: Any = None) -> Iterator[Warehouse]:
    """Read the project for a target of profiles.yml and open a connection to its tables.

    Args:
        target: local, spark or databricks.
        analyses: dbt selectors of the analyses to compile, as `dbt compile --select` takes them.
        manifest: the project as dbt has parsed it for this target, to spare reading it again.

    Raises:
        WarehouseError: an unknown or unreachable target, or no analysis that can be compiled.
    """
    prefer_spark(target)
    parsed = _dbt("parse", target, manifest=manifest) if manifest else _parsed(target)
    nodes = []
    if analyses:
        # The queries say what they read, so compiling them needs no look at the tables.
        options = ["--no-introspect", "--no-populate-cache", "--select", *analyses]
        compiled = _dbt("compile", target, *options, manifest=parsed)
        nodes = [run.node for run in compiled.results if run.node.resource_type == "analysis"]
        if not nodes:
            raise WarehouseError(f"no analysis is selected by {' '.join(analyses)}")
    adapter = get_adapter_by_type(parsed.metadata.adapter_type)
    try:
        with adapter.connection_named("warehouse_query"):
            yield Warehouse(adapter, parsed, nodes)
    finally:
        cleanup_connections()


def parsed_project(target: str) -> dict[str, Any]:
    """Return the manifest of the project for a target. It opens no connection.

    Raises:
        WarehouseError: an unknown target, or a project that cannot be read.
    """
    _parsed(target)
    return json.loads((TARGET_PATH / "manifest.json").read_text())


def _parsed(target: str) -> Any:
    """Parse the project, from what is kept of it where it is the same."""
    kept_parse.link(TARGET_PATH, kept_parse.kept_file(target, {}))
    return _dbt("parse", target)


def _dbt(command: str, target: str, *options: str, manifest: Any = None) -> Any:
    """Run a dbt command in this process without its log and return its result."""
    options = ("--target", target, *options)
    profiles = os.environ.get("DBT_PROFILES_DIR", str(ROOT))
    folders = ["--project-dir", str(ROOT), "--profiles-dir", profiles]
    folders += ["--target-path", str(TARGET_PATH), "--log-path", str(TARGET_PATH)]
    done = dbtRunner(manifest).invoke(["--log-level", "none", command, *options, *folders])
    if not done.success:
        reasons = [done.exception] if done.exception else [r.message for r in done.result.results]
        raise WarehouseError("\n".join(str(reason) for reason in reasons if reason).strip())
    return done.result
