"""Profile and connections; all connections of a process share one engine session."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import agate
from dbt.adapters.contracts.connection import Connection, ConnectionState, Credentials
from dbt.adapters.embedded.engines import ENGINES, start_engine
from dbt.adapters.embedded.progress import heartbeat
from dbt.adapters.embedded.warehouse import Warehouse, check_schema
from dbt.adapters.events.logging import AdapterLogger
from dbt.adapters.exceptions import FailedToConnectError
from dbt.adapters.spark.connections import SparkConnectionManager
from dbt.adapters.spark.session import Connection as SessionConnection
from dbt.adapters.spark.session import Cursor, SessionConnectionWrapper
from dbt_common.clients.agate_helper import table_from_data_flat
from dbt_common.exceptions import DbtDatabaseError, DbtRuntimeError

logger = AdapterLogger("Embedded")


def engine_message(error: Exception) -> str:
    """The text of an engine's error without the frames of the Java process."""
    text = error.msg if isinstance(error, DbtRuntimeError) else str(error)
    lines = text.split("JVM stacktrace:")[0].splitlines()
    kept = [line for line in lines if not re.match(r"\s+(at |\.\.\. \d+ more)", line)]
    return "\n".join(kept).strip() or type(error).__name__


@dataclass
class EmbeddedCredentials(Credentials):
    """Profile fields: `engine` (sail or spark), `warehouse` (a folder), `schema`."""

    schema: Any = None
    database: str | None = None
    engine: Any = "sail"
    warehouse: Any = "warehouse"

    @classmethod
    def __pre_deserialize__(cls, data: Any) -> Any:
        data = super().__pre_deserialize__(data)
        data.setdefault("database", None)
        return data

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise DbtRuntimeError(
                f"engine must be one of {', '.join(ENGINES)}, not {self.engine!r}"
            )
        for field in ("warehouse", "schema"):
            value = getattr(self, field)
            if not isinstance(value, str) or not value.strip():
                raise DbtRuntimeError(f"{field} must be a non-empty string, not {value!r}")
        check_schema(self.schema)
        self.database = None

    @property
    def type(self) -> str:
        return "embedded"

    @property
    def unique_field(self) -> str:
        return self.engine

    def _connection_keys(self) -> tuple[str, ...]:
        # dbt parses a project anew when one of these changes, which the folder is no reason for.
        return ("engine", "schema")


class EmbeddedCursor(Cursor):
    """dbt-spark's cursor on a session that is already there."""

    def __init__(self, session: Any) -> None:
        super().__init__()
        self._session = session

    def execute(self, sql: str, *parameters: Any) -> None:
        self._df = self._session.sql(sql % parameters if parameters else sql)


class EmbeddedConnection(SessionConnection):
    """Gives out cursors on the warehouse's session."""

    def __init__(self, warehouse: Warehouse) -> None:
        super().__init__()
        self.warehouse = warehouse

    def cursor(self) -> EmbeddedCursor:
        return EmbeddedCursor(self.warehouse.session)


class EmbeddedConnectionWrapper(SessionConnectionWrapper):
    """dbt-spark's wrapper, able to interrupt what the engine runs."""

    def cancel(self) -> None:
        with suppress(Exception):
            self.handle.warehouse.session.interruptAll()


class EmbeddedConnectionManager(SparkConnectionManager):
    """Opens one engine and one warehouse a process, whatever the number of threads."""

    TYPE = "embedded"

    _warehouses: ClassVar[dict[tuple[str, str], Warehouse]] = {}
    _opening = threading.Lock()

    def __init__(self, profile: Any, mp_context: Any) -> None:
        super().__init__(profile, mp_context)
        root = Path(getattr(profile, "project_root", "."), profile.credentials.warehouse)
        profile.credentials.warehouse = str(root.expanduser().resolve())

    @classmethod
    def open(cls, connection: Connection) -> Connection:
        """Starts the engine on first use and attaches what the warehouse folder holds."""
        if connection.state == ConnectionState.OPEN:
            return connection
        try:
            warehouse = cls._open_warehouse(connection.credentials)
        except Exception as error:
            connection.handle = None
            connection.state = ConnectionState.FAIL
            raise FailedToConnectError(engine_message(error)) from error
        connection.handle = EmbeddedConnectionWrapper(EmbeddedConnection(warehouse))
        connection.state = ConnectionState.OPEN
        return connection

    @classmethod
    def _open_warehouse(cls, credentials: EmbeddedCredentials) -> Warehouse:
        key = (credentials.engine, credentials.warehouse)
        with cls._opening:
            if key not in cls._warehouses:
                if Path(credentials.warehouse).is_file():
                    raise DbtRuntimeError(
                        f"the warehouse {credentials.warehouse} is a file, not a folder"
                    )
                escape = re.search("%[0-9A-Fa-f]{2}", credentials.warehouse)
                if escape and credentials.engine == "sail":
                    # Even where it is quoted, or behind a symbolic link.
                    raise DbtRuntimeError(
                        f"the warehouse cannot be in {credentials.warehouse}: Delta Lake takes "
                        f"{escape[0]} for another letter; choose a folder without it"
                    )
                session = start_engine(credentials.engine)
                warehouse = Warehouse(session, credentials.engine, Path(credentials.warehouse))
                warehouse.attach()
                cls._warehouses[key] = warehouse
            return cls._warehouses[key]

    def cleanup_all(self) -> None:
        """Ends a command, by whose end other processes may build what it has built."""
        super().cleanup_all()
        for warehouse in self._warehouses.values():
            warehouse.locks.release()

    @contextmanager
    def exception_handler(self, sql: str) -> Iterator[None]:
        """Turns an engine's error into dbt's, without the stack of the Java process."""
        try:
            yield
        except DbtRuntimeError:
            raise
        except Exception as error:
            logger.debug(f"Error while running:\n{sql}\n{error}")
            raise DbtDatabaseError(engine_message(error)) from error

    @property
    def warehouse(self) -> Warehouse:
        """The warehouse behind the connection of the calling thread."""
        return self.get_thread_connection().handle.handle.warehouse

    @classmethod
    def get_result_from_cursor(cls, cursor: Any, limit: int | None) -> agate.Table:
        """Takes the names of the columns from the rows, which spares a question to the engine."""
        rows = (cursor.fetchall() or [])[:limit]
        names = list(rows[0].__fields__) if rows else [name for name, *_ in cursor.description]
        return table_from_data_flat(cls.process_results(names, rows), names)

    def execute(self, sql: str, *args: Any, **kwargs: Any) -> Any:
        with heartbeat(self.get_thread_connection().name or "statement"):
            return super().execute(sql, *args, **kwargs)
