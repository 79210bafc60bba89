"""What the Python tests share besides fixtures: dbt runs and the tables that they leave."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from pyarrow import parquet

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = "stocktrue"


@dataclass(frozen=True)
class DbtRun:
    """What a dbt command left behind: its exit status, its output and the folder of its files."""

    returncode: int
    output: str
    target: Path

    def results(self) -> dict[str, str]:
        """Return the status of every node that ran, by the last part of its id before a hash."""
        results = json.loads((self.target / "run_results.json").read_text())["results"]
        return {result["unique_id"].split(".")[2]: result["status"] for result in results}

    def manifest(self) -> dict:
        """Return the manifest of the project as dbt parsed it."""
        return json.loads((self.target / "manifest.json").read_text())


def run_dbt(
    *arguments: str | Path,
    project: Path,
    target: Path,
    engine: str = "local",
    env: dict[str, str] | None = None,
) -> DbtRun:
    """Run a dbt command of the present environment on a project and wait for it.

    `target` is the folder for the files of the run, `engine` the target of the profile.
    """
    command = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", *map(str, arguments)]
    command += ["--project-dir", str(project), "--profiles-dir", str(project)]
    command += ["--target", engine]
    command += ["--target-path", str(target), "--log-path", str(target / "logs")]
    done = subprocess.run(
        command,
        cwd=project,
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return DbtRun(done.returncode, done.stdout, target)


def read_delta(table: DeltaTable, columns: list[str] | None = None) -> pa.Table:
    """Return the rows of the loaded version of a Delta table.

    File by file: the threads of to_pyarrow_table can abort the interpreter when it ends.
    """
    files = [unquote(uri) for uri in table.file_uris()]
    if not files:
        return pa.schema(table.schema().to_arrow()).empty_table()
    parts = [parquet.read_table(file, columns=columns) for file in files]
    return pa.concat_tables(parts, promote_options="default")


@dataclass(frozen=True)
class World:
    """The tables of one dbt build of the project."""

    warehouse: Path

    def table(self, name: str) -> pa.Table:
        """Return a built table."""
        return read_delta(DeltaTable(str(self.warehouse / SCHEMA / name)))

    def has(self, name: str) -> bool:
        """Tell whether a table was built."""
        return DeltaTable.is_deltatable(str(self.warehouse / SCHEMA / name))
