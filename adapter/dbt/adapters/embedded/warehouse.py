"""The warehouse folder as a catalog: `<warehouse>/<schema>/<table>/` and `<view>.view.sql`."""

import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbt.adapters.embedded.locks import SchemaLocks
from dbt.adapters.embedded.scratch import PLAIN, scratch_folder
from dbt.adapters.embedded.storage import DeltaStorage, ParquetStorage
from dbt.adapters.events.logging import AdapterLogger
from dbt_common.exceptions import DbtRuntimeError

VIEW_SUFFIX = ".view.sql"
VIEW_FILE = re.compile(r".+\.view\.(sql|new)")
SCHEMA_NAME = re.compile(r"\w+", re.ASCII)

logger = AdapterLogger("Embedded")


def quote(*parts: str) -> str:
    """The parts of a name in backticks, joined with dots."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def check_schema(schema: str) -> None:
    """Raises one line unless `schema` is a name, which no path out of the warehouse is."""
    if not SCHEMA_NAME.fullmatch(schema):
        raise DbtRuntimeError(
            f"schema must have only letters, digits and underscores, not {schema!r}"
        )


def plain_path(folder: Path) -> Path:
    """`folder`, or a link to it for as long as this process runs.

    Sail writes a Delta table whose path has a blank, a `%` or a letter outside ASCII to
    another folder (`a%20b`), so such a path is replaced with one that has none.
    """
    if PLAIN.fullmatch(str(folder)):
        return folder
    link = Path(tempfile.mkdtemp(dir=scratch_folder())) / "warehouse"
    link.symlink_to(folder, target_is_directory=True)
    return link


class Warehouse:
    """Tables and views of one folder, attached to one engine session."""

    def __init__(self, session: Any, engine: str, root: Path) -> None:
        self.session = session
        self.engine = engine
        self.root = plain_path(root) if engine == "sail" else root
        self.home = root
        self.locks = SchemaLocks(root / ".locks")
        self.storage = DeltaStorage() if engine == "sail" else ParquetStorage()
        self._attached: set[tuple[str, str]] = set()
        self._lock = threading.RLock()

    # What the folder holds

    def schema_folder(self, schema: str) -> Path:
        check_schema(schema)
        return self.root / schema

    def folder(self, schema: str, name: str) -> Path:
        """Where a table lies or would lie, inside the folder of its schema."""
        if not re.fullmatch(r"[^./\\][^/\\]*", name):
            raise DbtRuntimeError(f"{name!r} cannot be the name of a table: it is a folder's")
        return self.schema_folder(schema) / name

    def view_file(self, schema: str, name: str) -> Path:
        folder = self.folder(schema, name)
        return folder.with_name(folder.name + VIEW_SUFFIX)

    def schemas(self) -> list[str]:
        if not self.root.is_dir():
            return []
        folders = (path for path in self.root.iterdir() if path.is_dir())
        return sorted(path.name for path in folders if SCHEMA_NAME.fullmatch(path.name))

    def relations(self, schema: str) -> dict[str, str]:
        """Names in `schema`, each with `table` or `view`."""
        found = {}
        base = self.schema_folder(schema)
        for path in sorted(base.iterdir()) if base.is_dir() else ():
            if path.name.endswith(VIEW_SUFFIX):
                found[path.name.removesuffix(VIEW_SUFFIX)] = "view"
            elif path.is_dir() and self.storage.exists(path):
                found.setdefault(path.name, "table")
        return found

    # The engine's catalog follows the folder

    def attach(self, schema: str | None = None) -> None:
        """Makes every table and view of `schema` (None: of all schemas) known to the engine."""
        with self._lock:
            views = []
            for each in [schema] if schema else self.schemas():
                self.session.sql(f"create schema if not exists {quote(each)}")
                for name, kind in self.relations(each).items():
                    if (each, name) in self._attached:
                        continue
                    if kind == "view":
                        views.append((each, name))
                    else:
                        self._attach_table(each, name)
            self._attach_views(views)

    def _attach_table(self, schema: str, name: str) -> None:
        with self._lock:
            table = quote(schema, name)
            if self.engine == "spark":  # the location changes with every version
                self.session.sql(f"drop table if exists {table}")
            location = str(self.storage.data_location(self.folder(schema, name)))
            escaped = location.replace("\\", "\\\\").replace("'", "\\'")
            self.session.sql(
                f"create table if not exists {table} "
                f"using {self.storage.provider} location '{escaped}'"
            )
            self._attached.add((schema, name))

    def _attach_views(self, views: list[tuple[str, str]]) -> None:
        """Creates views in whatever order their dependencies allow."""
        while views:
            failed = {}
            for view in views:
                sql = self.view_file(*view).read_text(encoding="utf-8")
                try:
                    self.session.sql(f"create or replace view {quote(*view)} as {sql}")
                    self._attached.add(view)
                except Exception as error:
                    failed[view] = error
            if len(failed) == len(views):
                for view, reason in failed.items():
                    logger.debug(f"view {'.'.join(view)} cannot be attached: {reason}")
                return
            views = list(failed)

    def _refresh_views(self) -> None:
        """A view keeps the columns it was created with: create all again."""
        with self._lock:
            kinds = {schema: self.relations(schema) for schema in {s for s, _ in self._attached}}
            self._attach_views([v for v in self._attached if kinds[v[0]].get(v[1]) == "view"])

    def columns(self, relation: str) -> Any:
        return self.session.table(relation).schema

    def _column_text(self, schema: str, name: str) -> str:
        known = (schema, name) in self._attached
        if not known or not self.storage.exists(self.folder(schema, name)):
            return ""
        return self.columns(quote(schema, name)).simpleString()

    # Changes

    def _check_own(self, folder: Path) -> None:
        """Raises one line when a table's folder holds what no build has written."""
        if foreign := self.storage.foreign(folder):
            path = self.home / foreign.relative_to(self.root)
            raise DbtRuntimeError(
                f"{path} was not written by a build: move it away, or build into another schema"
            )

    @contextmanager
    def _writing(self, schema: str, name: str) -> Iterator[Path]:
        """Gives the folder of a table to change; leaves no unused files behind."""
        folder = self.folder(schema, name)
        self.locks.take(schema)
        self._check_own(folder)
        if folder.exists() and not self.storage.exists(folder):
            shutil.rmtree(folder)  # what a killed first build left
        try:
            yield folder
        finally:
            if self.storage.exists(folder):
                self.storage.remove_old_files(folder)
            elif not self.storage.foreign(folder):
                shutil.rmtree(folder, ignore_errors=True)

    def create_schema(self, schema: str) -> None:
        """Makes the folder of a schema, keeps other writers out and attaches what it holds."""
        check_schema(schema)
        try:
            self.locks.take(schema)
            (self.home / schema).mkdir(exist_ok=True)
        except OSError as error:
            raise DbtRuntimeError(
                f"cannot write to the warehouse {self.home}: {error.strerror}"
            ) from error
        self.attach(schema)

    def replace_table(self, frame: Any, schema: str, name: str) -> int:
        """Writes `frame` as the table in one atomic step and returns its number of rows."""
        self.session.sql(f"create schema if not exists {quote(schema)}")
        view = self.view_file(schema, name)
        before = self._column_text(schema, name)
        with self._writing(schema, name) as folder:
            self.storage.overwrite(self.session, frame, folder)
            if view.exists():
                self.session.sql(f"drop view if exists {quote(schema, name)}")
                view.unlink()
        self._attach_table(schema, name)
        if before and before != self._column_text(schema, name):
            self._refresh_views()
        return self.storage.statistics(self.folder(schema, name))[0]

    def change_table(self, schema: str, name: str, change: Callable[[Path], Any]) -> None:
        """Runs `change` (which gets the table's folder) on an existing table."""
        with self._writing(schema, name) as folder:
            change(folder)
        self._attach_table(schema, name)

    def append(self, frame: Any, schema: str, name: str) -> None:
        def change(folder: Path) -> None:
            self.storage.append(self.session, frame, folder)

        self.change_table(schema, name, change)

    def add_columns(self, schema: str, name: str, columns: Any) -> None:
        def change(folder: Path) -> None:
            self.storage.add_columns(self.session, folder, columns)

        self.change_table(schema, name, change)
        self._refresh_views()

    def create_view(self, schema: str, name: str, sql: str) -> None:
        """Creates or replaces a view and keeps its text for later processes."""
        view, path = quote(schema, name), self.view_file(schema, name)
        self.locks.take(schema)
        self._check_own(self.folder(schema, name))
        was_table = self.relations(schema).get(name) == "table"
        with self._lock:
            self.session.sql(f"create schema if not exists {quote(schema)}")
            if was_table:
                self.session.sql(f"drop table if exists {view}")
            try:
                self.session.sql(f"create or replace view {view} as {sql}")
            except Exception:
                if was_table:
                    self._attach_table(schema, name)
                raise
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_suffix(".new")
            new.write_text(sql, encoding="utf-8")
            os.replace(new, path)
            shutil.rmtree(self.folder(schema, name), ignore_errors=True)
            self._attached.add((schema, name))

    def drop(self, schema: str, name: str) -> None:
        """Removes a table or view from the engine and from the folder."""
        self.locks.take(schema)
        self._check_own(self.folder(schema, name))
        with self._lock:
            kind = self.relations(schema).get(name, "table")
            self.session.sql(f"drop {kind} if exists {quote(schema, name)}")
            self.view_file(schema, name).unlink(missing_ok=True)
            shutil.rmtree(self.folder(schema, name), ignore_errors=True)
            self._attached.discard((schema, name))

    def drop_schema(self, schema: str) -> None:
        """Removes a schema with all its tables and views."""
        folder = self.schema_folder(schema)
        self.locks.take(schema)
        for path in folder.iterdir() if folder.is_dir() else ():
            if not VIEW_FILE.fullmatch(path.name):
                self._check_own(path)
        with self._lock:
            self.session.sql(f"drop schema if exists {quote(schema)} cascade")
            shutil.rmtree(folder, ignore_errors=True)
            self._attached = {entry for entry in self._attached if entry[0] != schema}
