"""A tiny dbt project in a temporary folder, run by the real dbt."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from dbt.cli.main import dbtRunner
from deltalake import DeltaTable
from support import read_delta

PROFILES = """
stocktrue:
  target: local
  outputs:
    local: {type: embedded, engine: sail, warehouse: warehouse, schema: main, threads: 2}
    other: {type: embedded, engine: sail, warehouse: warehouse, schema: other, threads: 2}
    spark: {type: embedded, engine: spark, warehouse: warehouse_spark, schema: main, threads: 2}
"""
PROJECT = """
name: tiny
version: "1.0"
profile: stocktrue
flags: {send_anonymous_usage_stats: false}
models: {+materialized: table}
"""


class Project:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.messages: list[str] = []
        self.write({"dbt_project.yml": PROJECT, "profiles.yml": PROFILES})

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text).lstrip("\n"))

    def arguments(self, *arguments: str) -> list[str]:
        folder = str(self.folder)
        return [*arguments, "--project-dir", folder, "--profiles-dir", folder]

    def run(self, *arguments: str):
        """Runs dbt in this process; returns the results by node name."""
        runner = dbtRunner(callbacks=[lambda event: self.messages.append(event.info.msg)])
        here = os.getcwd()
        try:
            outcome = runner.invoke(self.arguments(*arguments))
        finally:
            os.chdir(here)
        if outcome.exception:
            raise outcome.exception
        results = getattr(outcome.result, "results", None)
        return {r.node.name: r for r in results} if isinstance(results, list) else outcome

    def build(self, *arguments: str) -> None:
        """Runs `dbt build` and fails the test when anything in it fails."""
        bad = {n: r.message for n, r in self.run("build", *arguments).items() if failed(r)}
        assert not bad, bad

    def command(self, *arguments: str) -> list[str]:
        return [
            sys.executable,
            "-c",
            "from dbt.cli.main import cli; cli()",
            *self.arguments(*arguments),
        ]

    def process(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Runs dbt in a process of its own."""
        return subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )

    def rows(self, table: str, schema: str = "main") -> list[dict]:
        """The rows of the current Delta version, sorted, read without the engine."""
        found = read_delta(DeltaTable(self.folder / "warehouse" / schema / table))
        return sorted(found.to_pylist(), key=str)


def failed(result) -> bool:
    return str(result.status) in ("error", "fail", "skipped", "runtime error")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "tiny project"  # a blank in the path must not matter
    folder.mkdir()
    return Project(folder)
