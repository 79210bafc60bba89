"""What the Python tests share besides fixtures: dbt runs and the tables that they leave."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import forks
import kept_parse
import pyarrow as pa
import yaml
from deltalake import DeltaTable
from pyarrow import parquet

ROOT = Path(__file__).resolve().parents[2]
PROJECT_FILE = "dbt_project.yml"
SCHEMA = "stocktrue"
SPARK_ENV = {
    # Apache Spark lies beside the packages of the environment; this puts it before its client.
    "PYTHONPATH": str(Path(sys.prefix) / "spark"),
    # Java compiles little: tiny tables have been read before more of that pays. By itself it would
    # then keep a fifth of the usual room for code; Spark waits for ever for a thread without any.
    "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
    "SPARK_CONF_DIR": str(Path(__file__).parent / "spark_conf"),
}
# How Sail splits the data of a second build, which has to come out the same.
OTHER_PLAN = {"SAIL_EXECUTION__DEFAULT_PARALLELISM": "5", "SAIL_EXECUTION__BATCH_SIZE": "1000"}
TINY_VARS = yaml.safe_load((ROOT / "presets" / "tiny.yml").read_text())

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
    dbt = Path(sys.executable).with_name("dbt")
    command = ["--no-use-colors", *map(str, arguments), "--target", engine]
    environment = {**os.environ, **(env or {})}
    give_parse(command, project, target, engine, environment)
    command += folders(project, target, profiles)
    done = forks.run(dbt, *command, cwd=project, env=environment)
    return DbtRun(done.returncode, done.stdout + done.stderr, target)


def folders(project: Path, target: Path, profiles: Path | None = None) -> list[str]:
    """Return the options that tell dbt its folders."""
    options = ["--project-dir", str(project), "--profiles-dir", str(profiles or project)]
    return [*options, "--target-path", str(target), "--log-path", str(target / "logs")]


def give_parse(
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
    """Hash of a table's rows whatever their order; how and when they were loaded does not count."""
    loaded = ("etl_timestamp", "table_versions")
    columns = [name for name in sorted(table.column_names) if name not in loaded]
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
            *("--vars", json.dumps(TINY_VARS)),
            project=ROOT,
            target=target,
            env={"STOCKTRUE_WAREHOUSE": str(self.warehouse), "STOCKTRUE_SCHEMA": self.schema},
        )
        assert run.returncode == 0, run.output[-6000:]
        return read_fingerprints(run.output)


def run_on_one_parse(
    *commands: list[str],
    parsed: tuple[str, dict[str, Any]],
    run: tuple[str, dict[str, Any]],
    target: Path,
    profiles: Path | None = None,
    env: dict[str, str] | None = None,
) -> DbtRun:
    """Run dbt commands on the project in one process that parses it once; see build_models.py.

    `parsed` and `run` are each a target of the profile and variables.
    """
    environment = {**os.environ, **(env or {})}
    kept_parse.link(target, kept_parse.kept_file(*parsed, environment))
    command = [
        str(Path(__file__).with_name("build_models.py")),
        json.dumps({"parsed": parsed, "run": run, "commands": commands}),
        *("--no-use-colors", *folders(ROOT, target, profiles)),
    ]
    if run[0] == "spark":
        # A fork would have the client in place of Apache Spark.
        environment |= SPARK_ENV
        done = subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True
        )
    else:
        done = forks.run(*command, cwd=ROOT, env=environment)
    return DbtRun(done.returncode, done.stdout + done.stderr, target)


def build_tiny(
    folder: Path,
    *selection: str,
    seeds_of: World | None = None,
    threads: int = 2,
    engine: str = "local",
    env: dict[str, str] | None = None,
    **changes: Any,
) -> tuple[World, DbtRun]:
    """Build models of the tiny preset in `folder`, without tests, and print their fingerprints.

    `selection` are options of dbt, all models without; `seeds_of` is a world whose seeds are
    copied instead of being built again; `changes` are variables over those of the preset.
    Returns the tables, which can be read when the engine is the local one, and the run.
    """
    world = World(folder / "warehouse")
    for seed in (ROOT / "seeds").rglob("*.csv") if seeds_of else ():
        shutil.copytree(seeds_of.folder(seed.stem), world.folder(seed.stem))
    commands = [] if seeds_of else [["seed"]]
    commands.append(["run", "--threads", str(threads), *selection])
    if engine != "local":
        commands.append(
            ["run-operation", "fingerprint", "--args", "{intermediate: true, format: json}"]
        )
    run = run_on_one_parse(
        *commands,
        parsed=("local", TINY_VARS),
        run=(engine, TINY_VARS | changes),
        target=folder / "target",
        env={
            "STOCKTRUE_WAREHOUSE": str(world.warehouse),
            "STOCKTRUE_SCHEMA": SCHEMA,
            **(env or {}),
        },
    )
    assert run.returncode == 0, run.output[-6000:]
    return world, run
