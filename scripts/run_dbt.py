"""Become a dbt command with the variables of PRESET and VARS, on the parse kept for them.

    PRESET=tiny python scripts/run_dbt.py local target build --exclude-resource-type unit_test

First the target of profiles.yml, then the folder for the files of the run, then the command.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import kept_parse
import run_vars


def prefer_spark(target: str) -> None:
    """Let this process and those it starts find Apache Spark, where the target runs on it.

    It has the modules of its client, and goes before them; so call this before they are imported.
    """
    if target == "spark":
        folder = str(Path(sys.prefix) / "spark")
        sys.path.insert(0, folder)
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join([folder, before] if before else [folder])


def become_dbt(
    target: str, target_path: Path, variables: dict[str, Any], *command: str
) -> NoReturn:
    """Replace this process by dbt, run in the folder of the project.

    A signal ends it with one line also before the adapter, which sees to that, has been loaded.
    """
    prefer_spark(target)
    kept_parse.link(target_path, kept_parse.kept_file(target, variables))
    dbt = str(Path(sys.executable).with_name("dbt"))
    options = ["--target", target, "--target-path", str(target_path)]
    os.chdir(kept_parse.ROOT)
    stoppable = str(Path(__file__).with_name("stoppable.py"))
    run = [sys.executable, stoppable, dbt, *command, *options, "--vars", json.dumps(variables)]
    os.execv(sys.executable, run)


if __name__ == "__main__":
    target, target_path, *command = sys.argv[1:]
    become_dbt(target, Path(target_path).resolve(), run_vars.changed_vars(), *command)
