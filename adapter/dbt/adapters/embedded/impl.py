"""The adapter: dbt's operations on the warehouse folder and its engine."""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import agate
import pyarrow as pa
from dbt.adapters.base import available
from dbt.adapters.base.impl import ConstraintSupport, log_code_execution
from dbt.adapters.base.relation import BaseRelation
from dbt.adapters.contracts.connection import AdapterResponse
from dbt.adapters.contracts.relation import RelationConfig, RelationType
from dbt.adapters.embedded.connections import EmbeddedConnectionManager
from dbt.adapters.embedded.file_ranges import in_ranges
from dbt.adapters.embedded.frames import align, conform, spark_frame
from dbt.adapters.embedded.interrupts import end_on_signals
from dbt.adapters.embedded.progress import heartbeat
from dbt.adapters.embedded.python_models import run_python_model, source_path
from dbt.adapters.embedded.scratch import scratch_folder
from dbt.adapters.embedded.seeds import read_seed
from dbt.adapters.embedded.warehouse import Warehouse
from dbt.adapters.spark.column import SparkColumn
from dbt.adapters.spark.impl import SparkAdapter, SparkConfig
from dbt_common.clients.agate_helper import DEFAULT_TYPE_TESTER
from dbt_common.contracts.constraints import ConstraintType
from dbt_common.exceptions import DbtRuntimeError
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

# Of a model with the config `files_by`: many, so that two of its values seldom meet in one file.
MOST_FILES = 256


@dataclass
class EmbeddedConfig(SparkConfig):
    """Model configs of this adapter."""

    enforce_contract: bool = False
    file_ranges: dict[str, Any] | None = None
    files_by: str | None = None


class EmbeddedAdapter(SparkAdapter):
    """Keeps every table in a folder; see `Warehouse`."""

    ConnectionManager = EmbeddedConnectionManager
    AdapterSpecificConfigs = EmbeddedConfig
    CONSTRAINT_SUPPORT: ClassVar = {
        ConstraintType.check: ConstraintSupport.NOT_ENFORCED,
        ConstraintType.not_null: ConstraintSupport.ENFORCED,
        ConstraintType.unique: ConstraintSupport.NOT_ENFORCED,
        ConstraintType.primary_key: ConstraintSupport.NOT_ENFORCED,
        ConstraintType.foreign_key: ConstraintSupport.NOT_ENFORCED,
    }

    def __init__(self, config: Any, mp_context: Any) -> None:
        super().__init__(config, mp_context)
        self._scratch: dict[str, tempfile.TemporaryDirectory[str]] = {}
        end_on_signals()

    @property
    def warehouse(self) -> Warehouse:
        return self.connections.warehouse

    # Schemas and relations come from the folder, not from SQL

    def list_schemas(self, database: str) -> list[str]:
        """None: so dbt calls `create_schema` for all that a command is to write, which locks them.

        It asks for nothing else, and only commands that build ask.
        """
        return []

    def check_schema_exists(self, database: str, schema: str) -> bool:
        return schema in self.warehouse.schemas()

    def create_schema(self, relation: BaseRelation) -> None:
        self.warehouse.create_schema(relation.schema)

    def drop_schema(self, relation: BaseRelation) -> None:
        self.warehouse.drop_schema(relation.schema)
        self.cache.drop_schema(relation.database, relation.schema)

    def list_relations_without_caching(self, schema_relation: BaseRelation) -> list[BaseRelation]:
        schema = schema_relation.schema
        self.warehouse.attach(schema)  # another process may have added tables
        return [
            self.Relation.create(
                schema=schema,
                identifier=name,
                type=RelationType(kind),
                is_delta=kind == "table" and self.warehouse.engine == "sail",
            )
            for name, kind in self.warehouse.relations(schema).items()
        ]

    def drop_relation(self, relation: BaseRelation) -> None:
        if not relation.include_policy.schema:
            self.warehouse.session.catalog.dropTempView(relation.identifier)
            for name in (relation.identifier, f"{relation.identifier} in a file"):
                if scratch := self._scratch.pop(name, None):
                    scratch.cleanup()
            return
        self.cache_dropped(relation)
        self.warehouse.drop(relation.schema, relation.identifier)

    def rename_relation(self, from_relation: BaseRelation, to_relation: BaseRelation) -> None:
        raise DbtRuntimeError(f"renaming {from_relation} is not supported: build it again instead")

    def get_columns_in_relation(self, relation: BaseRelation) -> list[SparkColumn]:
        try:
            fields = self.warehouse.columns(relation.render())
        except Exception as error:
            if "NOT_FOUND" in str(error) or "not found" in str(error):
                return []
            raise DbtRuntimeError(str(error)) from error
        return [
            SparkColumn(
                table_schema=relation.schema,
                table_name=relation.name,
                table_type=relation.type,
                column=field.name,
                column_index=index,
                dtype=field.dataType.simpleString(),
            )
            for index, field in enumerate(fields)
        ]

    # Documentation

    def get_catalog(
        self,
        relation_configs: Iterable[RelationConfig],
        used_schemas: frozenset[tuple[str, str]],
    ) -> tuple[agate.Table, list[Exception]]:
        rows: list[dict[str, Any]] = []
        errors: list[Exception] = []
        with self.connection_named("catalog"):
            for schema in sorted({schema for _, schema in used_schemas}):
                for relation in self.list_relations_without_caching(
                    self.Relation.create(schema=schema)
                ):
                    try:
                        rows.extend(self._catalog_rows(relation))
                    except Exception as error:
                        errors.append(error)
        columns = list(self.COLUMN_NAMES)
        table = agate.Table.from_object(rows, column_types=DEFAULT_TYPE_TESTER) if rows else None
        return table or agate.Table([], columns, [agate.Text()] * len(columns)), errors

    def _catalog_rows(self, relation: BaseRelation) -> list[dict[str, Any]]:
        statistics: dict[str, Any] = {}
        if relation.is_table:
            folder = self.warehouse.folder(relation.schema, relation.identifier)
            counts = self.warehouse.storage.statistics(folder)
            for key, label, value in zip(("rows", "bytes"), ("Rows", "Bytes"), counts, strict=True):
                statistics[f"stats:{key}:label"] = label
                statistics[f"stats:{key}:value"] = value
                statistics[f"stats:{key}:description"] = f"{label} of the current version"
                statistics[f"stats:{key}:include"] = True
        return [
            {
                "table_database": None,
                "table_schema": relation.schema,
                "table_name": relation.identifier,
                "table_type": str(relation.type),
                "table_comment": None,
                "table_owner": None,
                "column_name": field.name,
                "column_index": index,
                "column_type": field.dataType.simpleString(),
                "column_comment": field.metadata.get("comment"),
                **statistics,
            }
            for index, field in enumerate(self.warehouse.columns(relation.render()))
        ]

    # Building, called by the materializations

    def _working(self, relation: BaseRelation) -> Any:
        name = self.connections.get_thread_connection().name or relation.render()
        return heartbeat(name, self.warehouse.folder(relation.schema, relation.identifier))

    def _query(self, sql: str) -> Any:
        with self.connections.exception_handler(sql):
            return self.warehouse.session.sql(sql.strip().rstrip(";"))

    @available.parse_none
    def in_ranges(self, sql: str, column: str, starts: list[int], sources: list[str]) -> str:
        """`sql` in branches whose files the engine writes apart; see `file_ranges`."""
        return in_ranges(sql, column, starts, sources)

    @available.parse_none
    def build_table(self, relation: BaseRelation, sql: str, model: dict[str, Any]) -> str:
        """Replaces the table with the rows of `sql` and returns the status text."""
        return self._replace(relation, self._rows_of(relation, sql, model), sql)

    def _rows_of(self, relation: BaseRelation, sql: str, model: dict[str, Any]) -> Any:
        """The frame of a model's rows, in as many parts as its files are to be."""
        frame = conform(self._query(sql), model, relation.render())
        column = model["config"].get("files_by")
        apart = column and self.warehouse.engine == "sail"  # Parquet files are never kept
        return frame.repartition(MOST_FILES, column) if apart else frame

    def _replace(self, relation: BaseRelation, frame: Any, sql: str) -> str:
        with self.connections.exception_handler(sql), self._working(relation):
            rows = self.warehouse.replace_table(frame, relation.schema, relation.identifier)
        return f"{rows:,} rows"

    @available.parse_none
    def build_view(self, relation: BaseRelation, sql: str) -> None:
        """Creates or replaces a view that later processes see too."""
        with self.connections.exception_handler(sql):
            text = sql.strip().rstrip(";")
            self.warehouse.create_view(relation.schema, relation.identifier, text)

    @available.parse_none
    def read_seed(self, model: dict[str, Any]) -> agate.Table:
        """The rows of a seed's CSV file."""
        path = Path(self.config.project_root, model["original_file_path"])
        if not path.exists():  # of a package
            path = Path(model["root_path"], model["original_file_path"])
        config = model["config"]
        return read_seed(path, config.get("column_types") or {}, config.get("delimiter") or ",")

    @available.parse_none
    def build_seed(self, relation: BaseRelation, table: agate.Table, types: dict[str, str]) -> str:
        """Replaces the table with a CSV file's rows, cast to `types` (by column name)."""
        names = list(table.column_names)
        columns = [[_as_text(value) for value in table.columns[name]] for name in names]
        arrow = pa.table(columns, schema=pa.schema([(name, pa.string()) for name in names]))
        # An empty frame needs a schema.
        schema = StructType([StructField(name, StringType()) for name in names])
        with self.connections.exception_handler(f"seed {relation}"):
            frame = self.warehouse.session.createDataFrame(arrow, schema).select(
                *(F.col(f"`{name}`").cast(types[name]).alias(name) for name in names)
            )
        return self._replace(relation, frame, f"seed {relation}")

    @available.parse_none
    def stage_query(self, relation: BaseRelation, sql: str, model: dict[str, Any]) -> None:
        """Makes the new rows of an incremental model a temporary view."""
        frame = self._rows_of(relation, sql, model)
        frame.createOrReplaceTempView(relation.identifier)

    @available.parse_none
    def append_staged(self, relation: BaseRelation, staged: BaseRelation) -> None:
        """Appends the rows of the temporary view `staged`; absent columns become null."""
        new = self.warehouse.session.table(staged.identifier)
        frame = align(new, self.warehouse.columns(relation.render()))
        with self.connections.exception_handler(f"append to {relation}"), self._working(relation):
            self.warehouse.append(frame, relation.schema, relation.identifier)

    @available.parse_none
    def merge_staged(
        self, relation: BaseRelation, staged: BaseRelation, unique_key: Any, merge_sql: str
    ) -> None:
        """Updates rows with the same `unique_key` and inserts the others.

        Sail runs `merge_sql`; on Parquet the whole table is written again.
        """
        warehouse = self.warehouse

        def change(folder: Any) -> None:
            if warehouse.engine == "sail":
                warehouse.session.sql(merge_sql.strip())
                return
            if not unique_key:
                raise DbtRuntimeError("snapshots need engine 'sail'")
            keys = [unique_key] if isinstance(unique_key, str) else list(unique_key)
            present = warehouse.session.table(relation.render())
            new = align(warehouse.session.table(staged.identifier), present.schema)
            merged = present.join(new, keys, "left_anti").select(*new.columns).union(new)
            warehouse.storage.overwrite(warehouse.session, merged, folder)

        with self.connections.exception_handler(merge_sql), self._working(relation):
            self._compute_once(staged)
            warehouse.change_table(relation.schema, relation.identifier, change)

    def _compute_once(self, staged: BaseRelation) -> None:
        """Keeps the rows of a temporary view in a file: MERGE reads its source several times."""
        session = self.warehouse.session
        scratch = tempfile.TemporaryDirectory(dir=scratch_folder())
        file = f"{scratch.name}/staged"
        rows = session.table(staged.identifier)
        rows.write.parquet(file)
        # No rows are no file, which would tell of no columns.
        session.read.schema(rows.schema).parquet(file).createOrReplaceTempView(staged.identifier)
        self._scratch[f"{staged.identifier} in a file"] = scratch

    @available.parse_none
    def replace_staged(self, relation: BaseRelation, staged: BaseRelation, predicate: str) -> None:
        """Puts the rows of the view `staged` in the place of those that `predicate` names.

        In one version of the table. Raises DbtRuntimeError for tables of Parquet files.
        """
        warehouse = self.warehouse
        new = warehouse.session.table(staged.identifier)
        new = align(new, warehouse.columns(relation.render()))
        # Sail puts these rows beside those that stay, and fails where arrays name their elements
        # differently, as those of a stream do; a union with the table takes its names.
        frame = warehouse.session.table(relation.render()).limit(0).union(new)

        def change(folder: Any) -> None:
            warehouse.storage.replace(frame, folder, predicate)

        label = f"replace rows of {relation} where {predicate}"
        with self.connections.exception_handler(label), self._working(relation):
            warehouse.change_table(relation.schema, relation.identifier, change)

    @available.parse_none
    def table_version(self, relation: BaseRelation) -> int | None:
        """Number of the current version of a Delta table, None for others."""
        folder = self.warehouse.folder(relation.schema, relation.identifier)
        return self.warehouse.storage.version(folder)

    @available.parse_none
    def add_columns(self, relation: BaseRelation, columns: list[SparkColumn]) -> None:
        """Adds nullable columns to an existing table."""
        # StructType.fromDDL would ask the first session of the process; its engine may have ended.
        nulls = ", ".join(f"cast(null as {c.dtype}) as {c.quoted}" for c in columns)
        schema = self.warehouse.session.sql(f"select {nulls}").schema
        self.warehouse.add_columns(relation.schema, relation.identifier, schema)

    def valid_incremental_strategies(self) -> list[str]:
        return ["append", "merge", "replace_where"]

    # Python models

    @log_code_execution
    def submit_python_job(
        self, parsed_model: dict[str, Any], compiled_code: str
    ) -> AdapterResponse:
        """Runs a compiled Python model here and writes what it returns."""
        status = ""

        def write_model(result: Any, schema: str, identifier: str, temporary: bool) -> None:
            nonlocal status
            relation = self.Relation.create(schema=schema, identifier=identifier)
            scratch = tempfile.TemporaryDirectory(dir=scratch_folder())
            frame = spark_frame(self.warehouse.session, result, parsed_model["name"], scratch.name)
            frame = conform(frame, parsed_model, relation.render())
            if temporary:
                frame.createOrReplaceTempView(identifier)
                self._scratch[identifier] = scratch  # read when the view is, gone when it is
            else:
                with scratch:
                    rows = self.warehouse.replace_table(frame, schema, identifier)
                status = f"{rows:,} rows"

        target = self.Relation.create(
            schema=parsed_model["schema"], identifier=parsed_model["alias"]
        )
        path = source_path(parsed_model, self.config.project_root)
        with self._working(target):
            run_python_model(parsed_model, compiled_code, path, self.warehouse.session, write_model)
        return AdapterResponse(_message=status or "OK")


def _as_text(value: Any) -> str | None:
    """A CSV cell as text that the engine casts to the column's type."""
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else str(value)
