"""Add days to the world that is there: become dbt with the variables that it was built with.

    make append DAYS=7          make append TO=2026-01-15          make append TO=today

The local target tells what its world was made from, so PRESET and VARS need not be given again;
given ones, and those of other targets, are compared with the world before anything is written.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from local_tables import ROOT, local_schema, read_delta
from run_dbt import become_dbt
from run_vars import changed_vars, project_vars


def variables_of_world() -> dict[str, Any]:
    """Return the variables of the local world that differ from the project's; none without one."""
    rows = read_delta(local_schema() / "world") or []
    if not rows:
        return {}
    newest = max(rows, key=lambda row: row["last_closed_date"])
    defaults = project_vars()
    return {
        name: value
        for name, value in json.loads(newest["variables"]).items()
        if name in defaults and json.dumps(value) != json.dumps(defaults[name])
    }


def world_parser(description: str) -> argparse.ArgumentParser:
    """Return a parser of what every command on a world that is there is told by make."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--target", default="local", help="target of profiles.yml")
    parser.add_argument(
        "--given", action="store_true", help="PRESET or VARS was given: use them, not the world's"
    )
    return parser


def become_dbt_of_world(arguments: argparse.Namespace, *command: str) -> NoReturn:
    """Replace this process by a dbt command with the variables of the world."""
    from_world = arguments.target == "local" and not arguments.given
    variables = variables_of_world() if from_world else changed_vars()
    # The files that dbt writes of a parse belong to the last whole build, which make slim needs.
    target_path = Path(ROOT, "target", "append")
    become_dbt(arguments.target, target_path, variables, "--no-write-json", *command)


def main() -> None:
    """Append what the command line asks for."""
    parser = world_parser(__doc__.splitlines()[0])
    parser.add_argument("--days", default="", help="number of days")
    parser.add_argument("--to", default="", help="a date YYYY-MM-DD, today or yesterday")
    arguments = parser.parse_args()
    if bool(arguments.days) == bool(arguments.to):
        sys.exit("append: say how far: DAYS=1, TO=2026-01-15, TO=today or TO=yesterday")
    os.environ["STOCKTRUE_APPEND_DAYS"] = arguments.days
    os.environ["STOCKTRUE_APPEND_TO"] = arguments.to
    become_dbt_of_world(arguments, "build", "--selector", "append")


if __name__ == "__main__":
    main()
