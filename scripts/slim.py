"""Save the state of a finished build, or build only what changed since a saved state.

A state is a folder with manifest.json (the project as it was built) and state.json (its variables
and where its tables are). The nodes that changed, and all that follows from them, are built into
the schema of the state with `_slim` behind its name; everything else is read from the tables of
the state. dbt does not see that a variable changed, so with other variables everything is built.
PRESET and VARS are those of run_vars.py.
"""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import run_vars
from run_dbt import become_dbt

ROOT = Path(__file__).resolve().parent.parent
MANIFEST, FACTS = "manifest.json", "state.json"


def effective_variables() -> dict[str, Any]:
    """Return every variable of the project with the value that a run would see."""
    return {**run_vars.project_vars(), **run_vars.merged_vars()}


def save(state: Path, target: str) -> None:
    """Keep the manifest of the build that has just ended and where its tables are.

    A warehouse folder chosen by the environment is kept relative to the state, so that both can
    be moved together.
    """
    state.mkdir(parents=True, exist_ok=True)
    warehouse = os.environ.get("STOCKTRUE_WAREHOUSE")
    facts = {
        "target": target,
        "schema": os.environ.get("STOCKTRUE_SCHEMA") or "stocktrue",
        "warehouse": warehouse and os.path.relpath((ROOT / warehouse).resolve(), state.resolve()),
        "variables": effective_variables(),
    }
    shutil.copy(ROOT / "target" / MANIFEST, state)
    (state / FACTS).write_text(json.dumps(facts, indent=2) + "\n")


def forget(state: Path) -> None:
    """Remove a state whose tables are about to change, so that a failed build leaves none."""
    for name in (MANIFEST, FACTS):
        (state / name).unlink(missing_ok=True)


def build(state: Path) -> None:
    """Become the dbt command that builds what changed; exit with one line without a state."""
    if not all((state / name).is_file() for name in (MANIFEST, FACTS)):
        sys.exit(f"slim: no state in {state}: run make build first, or name one with STATE=folder")
    facts = json.loads((state / FACTS).read_text())
    variables = effective_variables()
    changed = [
        f"{name} {facts['variables'].get(name)} -> {value}"
        for name, value in variables.items()
        if facts["variables"].get(name) != value
    ]
    command = ["build"]
    if changed:
        print(f"slim: all is built, as variables changed: {', '.join(changed)}", flush=True)
    else:
        # Tables of an earlier slim build may be out of date, so those of the state come first.
        command += ["--select", "state:modified+", "--defer", "--favor-state"]
        command += ["--state", str(state)]
    os.environ["STOCKTRUE_SCHEMA"] = facts["schema"] + "_slim"
    if facts["warehouse"]:
        os.environ["STOCKTRUE_WAREHOUSE"] = str((state / facts["warehouse"]).resolve())
    become_dbt(facts["target"], ROOT / "target" / "slim", run_vars.changed_vars(), *command)


def main() -> None:
    """Do what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=["forget", "save", "build"])
    parser.add_argument("--state", type=Path, required=True, help="folder of the state")
    parser.add_argument("--target", default="local", help="target of profiles.yml, for save")
    arguments = parser.parse_args()
    state = arguments.state.resolve()
    if arguments.action == "forget":
        # Ends here when they are wrong: then no table is about to change.
        run_vars.merged_vars()
        forget(state)
    elif arguments.action == "save":
        save(state, arguments.target)
    else:
        build(state)


if __name__ == "__main__":
    main()
