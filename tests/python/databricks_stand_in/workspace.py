"""What the stand-in does with statements and notebooks: tables of a catalog on a local engine."""

import itertools
import json
import re
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import sqlglot
from dbt.adapters.embedded.warehouse import Warehouse
from pyspark.sql import functions as F
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.plan import LogicalPlan
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DecimalType,
    StructField,
    StructType,
    TimestampType,
)
from sqlglot import TokenType, exp

NAME = r"`(?P<catalog>[^`]+)`\.`(?P<schema>[^`]+)`\.`(?P<table>[^`]+)`"
# What lies in the session alone: a temporary view.
VIEW = r"`(?P<view>[^`]+)`"
# A query of the catalog about a table, after what it selects.
INFORMATION = (
    r".*\bfrom `\w+`\.`?information_schema`?\.{}.* "
    r"(kcu\.)?(table_)?schema(_name)? = '(?P<schema>[^']+)' and"
    r" (kcu\.)?table_name = '(?P<table>[^']+)'.*"
)
EMPTY = pa.table({})


class WorkspaceError(Exception):
    """A statement or request that Databricks would refuse."""


@dataclass
class Table:
    """What Unity Catalog keeps of a table besides its rows."""

    cluster_by: list[str] = field(default_factory=list)
    comment: str | None = None
    column_comments: dict[str, str] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    not_null: set[str] = field(default_factory=set)
    primary_key: tuple[str, ...] = ()
    # Foreign columns -> (parent table, its columns)
    foreign_keys: dict[tuple[str, ...], tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    # Name -> columns, of primary and foreign keys
    constraints: dict[str, tuple[str, ...]] = field(default_factory=dict)
    optimized: bool = False


@dataclass
class Run:
    """A submitted run of a notebook; its number counts from 1."""

    number: int
    request: dict[str, Any]
    code: str
    error: str | None = None


def names(text: str) -> list[str]:
    """Return the column names of a list such as `a`, `b`."""
    return [name.strip().strip("`") for name in text.split(",")]


def texts(columns: Iterable[str], rows: Iterable[tuple[str | None, ...]]) -> pa.Table:
    """Return rows of texts as a table."""
    kinds = pa.schema([(name, pa.string()) for name in columns])
    return pa.Table.from_pylist([dict(zip(kinds.names, row, strict=True)) for row in rows], kinds)


def unquoted(text: str) -> str:
    """Return the value of a string literal's inside."""
    return text.replace("\\'", "'")


def without_comments(sql: str) -> str:
    """Return the statement without the comments before it: dbt's own and those of a query."""
    return re.sub(r"^(\s*(/\*.*?\*/|--[^\n]*))+", "", sql, flags=re.DOTALL).strip()


def type_as_json(kind: DataType) -> dict[str, Any]:
    """Return a type as `describe table extended ... as json` gives it."""
    if isinstance(kind, StructType):
        fields = [{"name": f.name, "type": type_as_json(f.dataType)} for f in kind.fields]
        return {"name": "struct", "fields": fields}
    if isinstance(kind, ArrayType):
        return {"name": "array", "element_type": type_as_json(kind.elementType)}
    if isinstance(kind, DecimalType):
        return {"name": "decimal", "precision": kind.precision, "scale": kind.scale}
    if isinstance(kind, TimestampType):
        return {"name": "timestamp_ltz"}
    return {"name": kind.simpleString()}


class Workspace:
    """One catalog; its tables lie in a warehouse folder of the embedded adapter."""

    # Longer than a screen: the statements that are answered, one after the other.
    def __init__(self, warehouse: Warehouse, catalog: str) -> None:
        self.warehouse = warehouse
        self.catalog = catalog
        self.tables: dict[tuple[str, str], Table] = {}
        self.statements: list[str] = []
        self.notebooks: dict[str, str] = {}
        self.runs: list[Run] = []
        # Patterns of statements that fail once, as they do when a warehouse is stopped
        self.refused_once: list[str] = []
        self._lock = threading.Lock()
        self._scratch = tempfile.TemporaryDirectory()
        self._numbers = itertools.count()
        # The local engine knows neither the catalog nor, on Apache Spark, the format.
        writer_class = type(warehouse.session.range(1).write)
        writer_class.saveAsTable = lambda writer, name: self._save_as_table(writer, name)
        self._commands = [
            (re.compile(pattern, re.IGNORECASE | re.DOTALL), command)
            for pattern, command in (
                (rf"show schemas in `{catalog}` like '(?P<schema>.+)'", self._show_schemas),
                (r"show schemas in .*", self._show_all_schemas),
                (r"create schema if not exists `[^`]+`\.`(?P<schema>[^`]+)`", self._create_schema),
                (r"select.* from `system`\.`information_schema`\.`tables`.*", self._list_tables),
                (rf"select tag_name,{INFORMATION.format('`table_tags`')}", self._show_tags),
                (
                    rf"select (?P<columns>[\w, ]+?){INFORMATION.format('`column_(tags|masks)`')}",
                    self._show_nothing,
                ),
                (rf"select column_name{INFORMATION.format('`columns`')}", self._show_not_null),
                (
                    rf"select{INFORMATION.format('key_column_usage')}= 'primary key'.*",
                    self._show_primary_key,
                ),
                (
                    rf"select{INFORMATION.format('key_column_usage')}= 'foreign key'.*",
                    self._show_foreign_keys,
                ),
                (rf"show tblproperties {NAME}", self._show_properties),
                (rf"describe extended {NAME}", self._describe_as_rows),
                (rf"describe table extended ({NAME}|{VIEW}) as json", self._describe),
                (rf"create (or replace )?table {NAME}.*", self._create_table),
                (rf"create or replace temporary view {VIEW} as .*", self._create_view),
                (rf"drop table if exists {NAME}", self._drop_table),
                (rf"insert (overwrite|into) {NAME} (?P<rows>values.*)", self._insert),
                (
                    rf"insert into {NAME} by name replace where (?P<predicate>.+) "
                    rf"table ({VIEW}|{NAME.replace('?P<', '?P<from_')})",
                    self._replace_where,
                ),
                (rf"merge into {NAME} as \w+ using {VIEW} as .*", self._merge),
                (
                    rf"alter table {NAME} change column `(?P<column>[^`]+)` set not null",
                    self._set_not_null,
                ),
                (
                    rf"alter table {NAME} add constraint (?P<name>\w+) "
                    r"primary key\((?P<columns>[^)]+)\)",
                    self._add_primary_key,
                ),
                (
                    rf"alter table {NAME} add constraint (?P<name>\w+) foreign key\("
                    rf"(?P<columns>[^)]+)\) references (?P<parent>{NAME.replace('?P<', '?P<to_')})"
                    r"\((?P<parent_columns>[^)]+)\)",
                    self._add_foreign_key,
                ),
                (rf"alter table {NAME} set tags \((?P<pairs>.*)\)", partial(self._set, "tags")),
                (
                    rf"alter table {NAME} set tblproperties \((?P<pairs>.*)\)",
                    partial(self._set, "properties"),
                ),
                (
                    rf"comment on column {NAME}\.`(?P<column>[^`]+)` is '(?P<text>.*)'",
                    self._comment_column,
                ),
                (rf"comment on table {NAME} is '(?P<text>.*)'", self._comment_table),
                (rf"optimize {NAME}", self._optimize),
                (r"(select|with) .*", self._query),
            )
        ]

    def execute(self, sql: str) -> pa.Table:
        """Run a statement; raise WorkspaceError for one that is not known or not allowed."""
        statement = without_comments(sql)
        with self._lock:
            self.statements.append(statement)
        flat = re.sub(r"\s+", " ", statement).rstrip(";")
        for pattern in self.refused_once:
            if re.fullmatch(pattern, flat, re.IGNORECASE):
                self.refused_once.remove(pattern)
                raise WorkspaceError(f"[CANCELLED] {flat[:200]}")
        for pattern, command in self._commands:
            if match := pattern.fullmatch(flat):
                groups = match.groupdict()
                if (groups.get("catalog") or self.catalog) != self.catalog:
                    raise WorkspaceError(f"[NO_SUCH_CATALOG_EXCEPTION] {groups['catalog']}")
                return command(statement, groups) or EMPTY
        raise WorkspaceError(f"[PARSE_SYNTAX_ERROR] the stand-in does not know: {flat[:200]}")

    def run_notebook(self, request: dict[str, Any], code: str) -> Run:
        """Run a notebook to its end, with `spark` as Databricks provides it."""
        with self._lock:
            run = Run(len(self.runs) + 1, request, code)
            self.runs.append(run)
        try:
            exec(compile(code, "notebook", "exec"), {"__name__": "__main__", "spark": Spark(self)})
        except Exception as error:
            run.error = f"{type(error).__name__}: {error}"
        return run

    # Reading

    def _query(self, statement: str, _: dict) -> pa.Table:
        return self.warehouse.session.sql(self.local(statement)).toArrow()

    def local(self, sql: str) -> str:
        """Return SQL without the catalog, which the local engine does not have."""
        return sql.replace(f"`{self.catalog}`.", "")

    def _show_schemas(self, _: str, groups: dict) -> pa.Table:
        found = [name for name in self.warehouse.schemas() if name == groups["schema"]]
        return pa.table({"databaseName": pa.array(found, pa.string())})

    def _show_all_schemas(self, _: str, groups: dict) -> pa.Table:
        return pa.table({"databaseName": pa.array(self.warehouse.schemas(), pa.string())})

    def _create_schema(self, _: str, groups: dict) -> None:
        self.warehouse.create_schema(groups["schema"])

    def _list_tables(self, statement: str, _: dict) -> pa.Table:
        wanted = dict(re.findall(r"(table_\w+) = '([^']+)'", statement))
        found = [
            table
            for schema, table in sorted(self.tables)
            if schema == wanted["table_schema"] and table == wanted.get("table_name", table)
        ]
        columns = {
            "table_name": found,
            "table_type": ["table"] * len(found),
            "file_format": ["delta"] * len(found),
            "table_owner": ["owner"] * len(found),
            "databricks_table_type": ["managed"] * len(found),
        }
        return pa.table({name: pa.array(rows, pa.string()) for name, rows in columns.items()})

    def _describe(self, _: str, groups: dict) -> pa.Table:
        if view := groups["view"]:
            comments, fields = {}, self.warehouse.session.table(f"`{view}`").schema
        else:
            comments, fields = self._table(groups).column_comments, self._fields(groups)
        columns = [
            {
                "name": field.name,
                "type": type_as_json(field.dataType),
                "comment": comments.get(field.name),
            }
            for field in fields
        ]
        return pa.table({"json_metadata": [json.dumps({"columns": columns})]})

    def _describe_as_rows(self, _: str, groups: dict) -> pa.Table:
        table = self._table(groups)
        rows = [
            (field.name, field.dataType.simpleString(), table.column_comments.get(field.name))
            for field in self._fields(groups)
        ]
        rows += [("# Detailed Table Information", "", ""), ("Comment", table.comment, "")]
        return texts(("col_name", "data_type", "comment"), rows)

    def _show_properties(self, _: str, groups: dict) -> pa.Table:
        table = self._table(groups)
        clustered = ",".join(f'["{column}"]' for column in table.cluster_by)
        shown = {**table.properties, "clusteringColumns": f"[{clustered}]"}
        return texts(("key", "value"), shown.items())

    def _show_tags(self, _: str, groups: dict) -> pa.Table:
        return texts(("tag_name", "tag_value"), self._table(groups).tags.items())

    def _show_nothing(self, _: str, groups: dict) -> pa.Table:
        return texts(names(groups["columns"]), [])

    def _show_not_null(self, _: str, groups: dict) -> pa.Table:
        return texts(("column_name",), [(name,) for name in sorted(self._table(groups).not_null)])

    def _show_primary_key(self, _: str, groups: dict) -> pa.Table:
        table = self._table(groups)
        rows = [
            (name, column)
            for name, columns in table.constraints.items()
            if columns == table.primary_key and name.endswith("_pk")
            for column in columns
        ]
        return texts(("constraint_name", "column_name"), rows)

    def _show_foreign_keys(self, _: str, groups: dict) -> pa.Table:
        table = self._table(groups)
        rows = []
        for name, columns in table.constraints.items():
            if not name.endswith("_pk"):
                parent, parent_columns = table.foreign_keys[columns]
                place = self.catalog, groups["schema"], parent
                for own, to in zip(columns, parent_columns, strict=True):
                    rows.append((name, own, *place, to))
        columns = ("from_column", "to_catalog", "to_schema", "to_table", "to_column")
        return texts(("constraint_name", *columns), rows)

    def _table(self, groups: dict) -> Table:
        """Return the table of a statement; raise WorkspaceError when there is none."""
        key = groups["schema"], groups["table"]
        if key not in self.tables:
            raise WorkspaceError(f"[TABLE_OR_VIEW_NOT_FOUND] {'.'.join(key)} cannot be found")
        return self.tables[key]

    def _fields(self, groups: dict) -> StructType:
        return self.warehouse.columns(f"`{groups['schema']}`.`{groups['table']}`")

    def _require(self, groups: dict, columns: list[str]) -> None:
        unknown = set(columns) - {field.name for field in self._fields(groups)}
        if unknown:
            raise WorkspaceError(f"[FIELD_NOT_FOUND] {sorted(unknown)} in {groups['table']}")

    # Writing

    def _create_table(self, statement: str, groups: dict) -> None:
        head, query = split_create(statement)
        created = sqlglot.parse_one(head, dialect="databricks")
        columns = created.find_all(exp.ColumnDef)
        if query:
            frame = self.warehouse.session.sql(self.local(query))
        else:
            kinds = [f"`{c.name}` {c.args['kind'].sql('databricks')}" for c in columns]
            frame = self.warehouse.session.createDataFrame([], StructType.fromDDL(",".join(kinds)))
        self.save(frame, groups["schema"], groups["table"], created)

    def _save_as_table(self, writer: Any, name: str) -> None:
        match = re.fullmatch(NAME, name)
        if not match or match["catalog"] != self.catalog:
            raise WorkspaceError(f"[NO_SUCH_CATALOG_EXCEPTION] {name}")
        frame = writer._df
        if isinstance(frame, LogicalPlan):
            frame = DataFrame(frame, self.warehouse.session)
        self.save(frame, match["schema"], match["table"], None)

    def save(self, frame: Any, schema: str, name: str, created: exp.Expression | None) -> None:
        """Replace a table; its constraints, comments and tags are gone with the old one.

        Each column may be null, as in a table that Databricks makes from a query. What a query of
        Sail says of it would go into the table, and the plan of a MERGE doubles with each column
        that the table says is not null.
        """
        nullable = StructType([StructField(f.name, f.dataType) for f in frame.schema])
        none = self.warehouse.session.createDataFrame([], nullable)
        self.warehouse.replace_table(none.union(frame), schema, name)
        table = self.tables[schema, name] = Table()
        if created is None:
            return
        properties = created.args["properties"].expressions
        formats = [p.name for p in properties if isinstance(p, exp.FileFormatProperty)]
        if formats != ["delta"]:
            raise WorkspaceError(f"using {formats} for {name}")
        for each in properties:
            if isinstance(each, exp.ClusteredByProperty | exp.ClusterProperty | exp.Cluster):
                table.cluster_by = [column.name for column in each.expressions]
            elif isinstance(each, exp.SchemaCommentProperty):
                table.comment = each.name
            elif type(each) is exp.Property:
                table.properties[each.name] = each.args["value"].name
        self._require({"schema": schema, "table": name}, table.cluster_by)
        for column in created.find_all(exp.ColumnDef):
            if comment := column.find(exp.CommentColumnConstraint):
                table.column_comments[column.name] = comment.name

    def _insert(self, statement: str, groups: dict) -> None:
        rows = statement[re.search(r"\bvalues\b", statement, re.IGNORECASE).start() :]
        new = self.warehouse.session.sql(f"select * from {self.local(rows)}")
        cast = [
            F.col(f"`{name}`").cast(field.dataType).alias(field.name)
            for name, field in zip(new.columns, self._fields(groups), strict=True)
        ]
        # Delta casts what is inserted to the types of the table.
        if statement.lower().startswith("insert overwrite"):
            self.warehouse.replace_table(new.select(*cast), groups["schema"], groups["table"])
        else:
            self.warehouse.append(new.select(*cast), groups["schema"], groups["table"])

    def _create_view(self, statement: str, _: dict) -> None:
        self.warehouse.session.sql(self.local(statement))

    def _drop_table(self, _: str, groups: dict) -> None:
        if self.tables.pop((groups["schema"], groups["table"]), None):
            self.warehouse.drop(groups["schema"], groups["table"])

    def _replace_where(self, _: str, groups: dict) -> None:
        table, name = self._table(groups), f"`{groups['schema']}`.`{groups['table']}`"
        source = groups["view"] or f"{groups['from_schema']}`.`{groups['from_table']}"
        new, present = self._computed(source), self.warehouse.session.table(name)
        if set(new.columns) != set(present.columns):
            raise WorkspaceError(f"[INSERT_COLUMN_ARITY_MISMATCH] {new.columns} into {name}")
        outside = new.filter(f"({groups['predicate']}) is not true").limit(1)
        if outside.count():
            raise WorkspaceError(
                f"[DELTA_REPLACE_WHERE_MISMATCH] {name} where {groups['predicate']}: "
                f"{outside.first()}"
            )
        self._require_values(new, table, name)
        # As the adapter of the local engine does, so that arrays name their elements alike.
        new = present.limit(0).union(
            new.select(
                *[F.col(f"`{f.name}`").cast(f.dataType).alias(f.name) for f in present.schema]
            )
        )
        self.warehouse.change_table(
            groups["schema"],
            groups["table"],
            lambda folder: self.warehouse.storage.replace(new, folder, groups["predicate"]),
        )

    def _merge(self, statement: str, groups: dict) -> None:
        table, name = self._table(groups), f"`{groups['schema']}`.`{groups['table']}`"
        new = self._computed(groups["view"])
        new.createOrReplaceTempView(groups["view"])
        self._require_values(new, table, name)
        self.warehouse.change_table(
            groups["schema"],
            groups["table"],
            lambda _: self.warehouse.session.sql(self.local(statement)),
        )

    def _computed(self, source: str) -> Any:
        """Return the rows of a temporary view or table, computed once."""
        rows = self.warehouse.session.table(f"`{source}`")
        file = str(Path(self._scratch.name, str(next(self._numbers))))
        rows.write.parquet(file)
        # No rows are no file, which would tell of no columns.
        return self.warehouse.session.read.schema(rows.schema).parquet(file)

    def _require_values(self, rows: Any, table: Table, name: str) -> None:
        missing = " or ".join(f"`{column}` is null" for column in table.not_null)
        if missing and rows.filter(missing).limit(1).count():
            raise WorkspaceError(f"[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] {name}: {missing}")

    def _set_not_null(self, _: str, groups: dict) -> None:
        table, column = self._table(groups), groups["column"]
        self._require(groups, [column])
        rows = self.warehouse.session.table(f"`{groups['schema']}`.`{groups['table']}`")
        if rows.filter(F.col(f"`{column}`").isNull()).limit(1).count():
            raise WorkspaceError(f"[DELTA_NOT_NULL_CONSTRAINT_VIOLATED] {groups['table']}.{column}")
        table.not_null.add(column)

    def _name_constraint(self, table: Table, groups: dict, columns: list[str]) -> None:
        if groups["name"] in table.constraints:
            raise WorkspaceError(f"[DELTA_CONSTRAINT_ALREADY_EXISTS] {groups['name']}")
        table.constraints[groups["name"]] = tuple(columns)

    def _add_primary_key(self, _: str, groups: dict) -> None:
        table, columns = self._table(groups), names(groups["columns"])
        self._require(groups, columns)
        nullable = set(columns) - table.not_null
        if nullable:
            raise WorkspaceError(f"primary key of {groups['table']}: {nullable} may be null")
        if table.primary_key:
            raise WorkspaceError(f"{groups['table']} has a primary key already")
        self._name_constraint(table, groups, columns)
        table.primary_key = tuple(columns)

    def _add_foreign_key(self, _: str, groups: dict) -> None:
        table, columns = self._table(groups), names(groups["columns"])
        self._require(groups, columns)
        parent = {"schema": groups["to_schema"], "table": groups["to_table"]}
        parent_columns = names(groups["parent_columns"])
        if self._table(parent).primary_key != tuple(parent_columns):
            raise WorkspaceError(f"{parent['table']} has no primary key {parent_columns}")
        kinds = {f.name: f.dataType for f in self._fields(groups)}
        parent_kinds = {f.name: f.dataType for f in self._fields(parent)}
        if [kinds[c] for c in columns] != [parent_kinds[c] for c in parent_columns]:
            raise WorkspaceError(f"{columns} and {parent_columns} have different types")
        self._name_constraint(table, groups, columns)
        table.foreign_keys[tuple(columns)] = parent["table"], tuple(parent_columns)

    def _set(self, what: str, _: str, groups: dict) -> None:
        pairs = re.findall(r"'([^']+)' = '([^']*)'", groups["pairs"])
        getattr(self._table(groups), what).update(pairs)

    def _comment_column(self, _: str, groups: dict) -> None:
        self._require(groups, [groups["column"]])
        self._table(groups).column_comments[groups["column"]] = unquoted(groups["text"])

    def _comment_table(self, _: str, groups: dict) -> None:
        self._table(groups).comment = unquoted(groups["text"])

    def _optimize(self, _: str, groups: dict) -> None:
        self._table(groups).optimized = True


def split_create(statement: str) -> tuple[str, str]:
    """Split `create table ... as query` into its two parts; the query may be empty."""
    depth = 0
    for token in sqlglot.tokenize(statement, dialect="databricks"):
        if token.token_type == TokenType.L_PAREN:
            depth += 1
        elif token.token_type == TokenType.R_PAREN:
            depth -= 1
        elif token.token_type == TokenType.ALIAS and depth == 0:
            return statement[: token.start], statement[token.end + 1 :]
    return statement, ""


class Spark:
    """The `spark` of a notebook: the local session, with tables of the catalog."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def __getattr__(self, name: str) -> Any:
        return getattr(self._workspace.warehouse.session, name)

    def table(self, name: str) -> Any:
        """Return a table of the catalog."""
        match = re.fullmatch(NAME, name)
        if not match or match["catalog"] != self._workspace.catalog:
            raise WorkspaceError(f"[TABLE_OR_VIEW_NOT_FOUND] {name}")
        return self._workspace.warehouse.session.table(self._workspace.local(name))
