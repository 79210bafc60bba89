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


def become_dbt(
    target: str, target_path: Path, variables: dict[str, Any], *command: str
) -> NoReturn:
    """Replace this process by dbt, run in the folder of the project."""
    kept_parse.link(target_path, kept_parse.kept_file(target, variables))
    dbt = str(Path(sys.executable).with_name("dbt"))
    options = ["--target", target, "--target-path", str(target_path)]
    os.chdir(kept_parse.ROOT)
    os.execv(dbt, [dbt, *command, *options, "--vars", json.dumps(variables)])


if __name__ == "__main__":
    target, target_path, *command = sys.argv[1:]
    become_dbt(target, Path(target_path).resolve(), run_vars.changed_vars(), *command)
