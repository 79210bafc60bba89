"""Starts the engine inside this process and hands back a session with fixed settings."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from dbt.adapters.embedded import interrupts, listener
from dbt.adapters.embedded.scratch import scratch_folder
from dbt_common.exceptions import DbtRuntimeError

ENGINES = ("sail", "spark")
SESSION_SETTINGS = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
MINIMUM_JAVA = 17
IDLE_SECONDS = 30 * 24 * 3600
STARTS = 3

QUIET_LOGGING = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = %p %c{1}: %m%n
"""

_sail_server: Any = None


def start_engine(engine: str) -> Any:
    """Returns a PySpark session of `engine` (one of `ENGINES`), time zone UTC, ANSI on."""
    with interrupts.kept_handlers():
        session = _start_sail() if engine == "sail" else _start_spark()
        for name, value in SESSION_SETTINGS.items():
            session.conf.set(name, value)
    return session


def _start_sail() -> Any:
    global _sail_server
    os.environ.setdefault("RUST_LOG", "error")
    # A Python model may compute for long without a request; Sail would drop the session.
    os.environ.setdefault("SAIL_SPARK__SESSION_TIMEOUT_SECS", str(IDLE_SECONDS))
    # Sail's allocator: fewer page faults, a third less system time on large joins.
    os.environ.setdefault("MIMALLOC_ALLOW_LARGE_OS_PAGES", "1")
    from pyspark.sql.connect.client import ChannelBuilder, DefaultChannelBuilder
    from pyspark.sql.connect.session import SparkSession

    class SharedChannel(DefaultChannelBuilder):
        def toChannel(self) -> Any:  # noqa: N802
            return _sail_server.channel

    if _sail_server is None or not _sail_server.running:
        _sail_server = _connected_server(ChannelBuilder.GRPC_DEFAULT_OPTIONS)
    os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"  # as the builder of pyspark.sql does
    address, port = _sail_server.listening_address
    session = SparkSession.builder.channelBuilder(SharedChannel(f"sc://{address}:{port}")).create()
    # Inside one process no connection breaks: each statement saves the requests that allow for it.
    session.client.disable_reattachable_execute()
    return session


def _connected_server(options: list[tuple[str, Any]]) -> Any:
    """A new server of Sail with the only `channel` to it; starts another if it does not answer."""
    from pysail.spark import SparkConnectServer

    for start in range(1, STARTS + 1):
        server = SparkConnectServer(ip="127.0.0.1", port=0)
        server.start(background=True)
        try:
            server.channel = listener.connect(server.listening_address[1], options)
        except listener.UnreachableError:
            server.stop()
            if start == STARTS:
                raise
            continue
        # A session closes its channel when it goes; this one is for those to come as well.
        server.channel.close = lambda: None
        break
    return server


def _start_spark() -> Any:
    check_java()
    check_spark()
    # A Sail session of this process or its parent asks for a remote Spark here.
    for name in ("SPARK_REMOTE", "SPARK_LOCAL_REMOTE", "SPARK_CONNECT_MODE_ENABLED"):
        os.environ.pop(name, None)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    # Its Python workers need the packages of this interpreter, whichever one the PATH names.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession

    scratch = scratch_folder()
    logging = scratch / "log4j2.properties"
    logging.write_text(QUIET_LOGGING)
    settings = {
        "spark.authenticate": "true",  # else any user of this machine may talk to its ports
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": str(scratch),
        "spark.driver.memory": os.environ.get("SPARK_DRIVER_MEMORY", "4g"),
        "spark.driver.extraJavaOptions": (
            f"-Duser.timezone=UTC -Dlog4j2.configurationFile={logging} -Djava.io.tmpdir={scratch}"
        ),
        "spark.sql.catalogImplementation": "in-memory",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.shuffle.partitions": str(2 * (os.cpu_count() or 1)),
        "spark.sql.warehouse.dir": str(scratch / "databases"),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.appName("dbt").master("local[*]")
    session = builder.config(map=settings).getOrCreate()
    interrupts.end_with(session.sparkContext._gateway.proc.kill)
    return session


def check_java() -> None:
    """Raises one clear line when no Java of `MINIMUM_JAVA` or newer can be started."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    wanted = f"engine 'spark' needs Java {MINIMUM_JAVA} or newer"
    if not java or not shutil.which(java):
        raise DbtRuntimeError(
            f"{wanted}, and none was found in JAVA_HOME or on the PATH; "
            "install it, or use engine 'sail', which needs no Java"
        )
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    version = re.search(r'version "(\d+)', shown.stderr)
    if not version or int(version[1]) < MINIMUM_JAVA:
        found = version[1] if version else "unknown"
        raise DbtRuntimeError(f"{wanted}, and {java} is version {found}")


def check_spark() -> None:
    """Raises one clear line when this process has the client of Apache Spark only."""
    from pyspark.util import is_remote_only

    if is_remote_only():
        raise DbtRuntimeError(
            "engine 'spark' needs Apache Spark, and this process found its client only: "
            "use make build TARGET=spark, which installs it, or after that export "
            f"PYTHONPATH={Path(sys.prefix) / 'spark'}"
        )
