"""What the Python tests share besides fixtures: dbt runs and the tables that they leave."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import kept_parse
import pyarrow as pa
import yaml
from deltalake import DeltaTable
from pyarrow import parquet

ROOT = Path(__file__).resolve().parents[2]
PROJECT_FILE = "dbt_project.yml"
SCHEMA = "stocktrue"
# Apache Spark lies beside the packages of the environment; this puts it before its client.
SPARK_ENV = {"PYTHONPATH": str(Path(sys.prefix) / "spark")}
TINY_VARS = yaml.safe_load((ROOT / "presets" / "tiny.yml").read_text())

# In one process: parsing the project and starting an engine take longer than tiny tables.
BUILDS = """
import sys
from copy import deepcopy
from dbt.cli.main import dbtRunner

manifest = None


def dbt(*command):
    # A copy, because a run changes it.
    done = dbtRunner(manifest=deepcopy(manifest)).invoke([*command, *options])
    assert done.success, done.exception or command
    return done.result


threads, *options = sys.argv[1:]
manifest = dbt("parse")
dbt("seed")
for number in threads.split(","):
    dbt("run", "--threads", number)
    dbt("run-operation", "fingerprint", "--args", "{intermediate: true, format: json}")
    print("next build")
"""

# Rows and hash of every table, by its name.
Fingerprints = dict[str, tuple[int, str]]


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
    profiles: Path | None = None,
    env: dict[str, str] | None = None,
) -> DbtRun:
    """Run a dbt command of the present environment on a project and wait for it.

    `target` is the folder for the files of the run, `engine` the target of the profile, which is
    in the project unless `profiles` names another folder.
    """
    dbt = str(Path(sys.executable).with_name("dbt"))
    command = [dbt, "--no-use-colors", *map(str, arguments)]
    return _run(command, project, target, engine, profiles, env)


def _run(
    command: list[str],
    project: Path,
    target: Path,
    engine: str,
    profiles: Path | None = None,
    env: dict[str, str] | None = None,
) -> DbtRun:
    _give_parse(command, project, target, engine, {**os.environ, **(env or {})})
    command += ["--project-dir", str(project), "--profiles-dir", str(profiles or project)]
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


def _give_parse(
    command: list[str], project: Path, target: Path, engine: str, environment: dict[str, str]
) -> None:
    """Give a run on the project, or on a copy of it, the parse that is kept for its variables."""
    if (target / kept_parse.FILE_NAME).exists():
        return  # left by a run before
    given = command[command.index("--vars") + 1] if "--vars" in command else "{}"
    kept = kept_parse.kept_file(engine, yaml.safe_load(given) or {}, environment)
    if project == ROOT:
        kept_parse.link(target, kept)
    elif (project / PROJECT_FILE).read_bytes() == (ROOT / PROJECT_FILE).read_bytes():
        kept_parse.copy(target, kept)


def read_delta(table: DeltaTable, columns: list[str] | None = None) -> pa.Table:
    """Return the rows of the loaded version of a Delta table.

    File by file: the threads of to_pyarrow_table can abort the interpreter when it ends.
    """
    files = [unquote(uri) for uri in table.file_uris()]
    if not files:
        return pa.schema(table.schema().to_arrow()).empty_table()
    parts = [parquet.read_table(file, columns=columns) for file in files]
    return pa.concat_tables(parts, promote_options="default")


def read_fingerprints(text: str) -> Fingerprints:
    """Return what `make fingerprint FORMAT=json` printed; other lines are skipped."""
    found = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return {line["table"]: (line["rows"], line["hash"]) for line in found}


def differing(expected: Fingerprints, found: Fingerprints) -> list[str]:
    """Return a line for every table that has another fingerprint, or is in one of the two only."""

    def shown(fingerprints: Fingerprints, name: str) -> str:
        rows, hash_ = fingerprints.get(name, (0, "no such table"))
        return f"{rows:,} rows, {hash_}"

    return [
        f"{name}: expected {shown(expected, name)}; found {shown(found, name)}"
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]


def content(table: pa.Table) -> str:
    """Hash of a table's rows whatever their order; the load time does not count."""
    columns = [name for name in sorted(table.column_names) if name != "etl_timestamp"]
    rows = table.select(columns).to_pylist()
    return hashlib.sha256("\n".join(sorted(map(repr, rows))).encode()).hexdigest()


@dataclass(frozen=True)
class World:
    """The tables of one dbt build of the project."""

    warehouse: Path
    schema: str = SCHEMA

    def folder(self, name: str) -> Path:
        """Return where a table is or would be."""
        return self.warehouse / self.schema / name

    def table(self, name: str) -> pa.Table:
        """Return a built table."""
        return read_delta(DeltaTable(str(self.folder(name))))

    def has(self, name: str) -> bool:
        """Tell whether a table was built."""
        return DeltaTable.is_deltatable(str(self.folder(name)))

    def fingerprints(self, target: Path) -> Fingerprints:
        """Return the fingerprints of all its tables; `target` is for the files of dbt."""
        run = run_dbt(
            *("--quiet", "run-operation", "fingerprint"),
            *("--args", "{intermediate: true, format: json}"),
            project=ROOT,
            target=target,
            env={"STOCKTRUE_WAREHOUSE": str(self.warehouse), "STOCKTRUE_SCHEMA": self.schema},
        )
        assert run.returncode == 0, run.output[-6000:]
        return read_fingerprints(run.output)


def build_tiny(
    folder: Path,
    threads: tuple[int, ...] = (2,),
    engine: str = "local",
    env: dict[str, str] | None = None,
    **changes: Any,
) -> tuple[World, list[Fingerprints]]:
    """Build the models of the tiny preset in `folder`, without tests, once for each of `threads`.

    `changes` are variables over those of the preset. Returns the tables of the last build, which
    can be read when the engine is the local one, and the fingerprints of each build.
    """
    warehouse = folder / "warehouse"
    run = _run(
        [
            *(sys.executable, "-c", BUILDS, ",".join(map(str, threads))),
            *("--no-use-colors", "--vars", yaml.safe_dump(TINY_VARS | changes)),
        ],
        project=ROOT,
        target=folder / "target",
        engine=engine,
        env={
            **{"STOCKTRUE_WAREHOUSE": str(warehouse), "STOCKTRUE_SCHEMA": SCHEMA},
            **(SPARK_ENV if engine == "spark" else {}),
            **(env or {}),
        },
    )
    assert run.returncode == 0, run.output[-6000:]
    builds = run.output.split("next build\n")[:-1]
    return World(warehouse), [read_fingerprints(output) for output in builds]
