"""Build all and save the state of that, or build only what changed since a saved state.

A state is a folder with manifest.json (the project as it was built) and state.json (its variables
and where its tables are). The nodes that changed, and all that follows from them, are built into
the schema of the state with `_slim` behind its name; everything else is read from the tables of
the state. dbt does not see that a variable changed, so with other variables everything is built.
PRESET and VARS are those of run_vars.py.
"""

import argparse
import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import run_vars
import timed
from run_dbt import become_dbt

ROOT = Path(__file__).resolve().parent.parent
MANIFEST, FACTS = "manifest.json", "state.json"


def effective_variables() -> dict[str, Any]:
    """Return every variable of the project with the value that a run would see."""
    return {**run_vars.project_vars(), **run_vars.merged_vars()}


def record(state: Path, target: str) -> None:
    """Build all and test it, keep the state when that succeeds, and end with the status of dbt.

    One at a time in a checkout, because dbt's files of a run are in one folder. While it runs, and
    when it fails, there is no state, as its tables may be others by now; but a build that dbt
    refuses before it writes a manifest, for its variables, leaves the state as it is.
    """
    run_vars.merged_vars()  # ends here when they are wrong
    facts = state / FACTS
    with alone():
        kept, before = facts.exists() and facts.read_text(), written()
        facts.unlink(missing_ok=True)
        command = [str(ROOT / "scripts" / "run_dbt.py"), target, "target", "build"]
        command += ["--full-refresh", "--exclude-resource-type", "unit_test"]
        status = timed.run(sys.executable, *command)
        if status == 0 and invocation(MANIFEST) == invocation("run_results.json"):
            save(state, target)
        elif status == 0:
            print("build: no state for make slim: another dbt command ran in target/ meanwhile")
        elif kept and written() == before:
            facts.write_text(kept)
    sys.exit(status)


@contextmanager
def alone() -> Iterator[None]:
    """Keep other builds of this checkout out; end with a line when there is one already."""
    path = ROOT / "target" / "build.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            sys.exit(
                f"build: make build already runs in this checkout (process {file.read()}):"
                " wait for it"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def written() -> int | None:
    """Return when dbt wrote the manifest, which it does before it touches a table."""
    path = ROOT / "target" / MANIFEST
    return path.stat().st_mtime_ns if path.exists() else None


def invocation(name: str) -> str:
    """Return the id of the dbt command that wrote a file of target/."""
    return json.loads((ROOT / "target" / name).read_text())["metadata"]["invocation_id"]


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
    # What an earlier slim build left must not pass for days that are there already.
    command = ["build", "--full-refresh"]
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
    parser.add_argument("action", choices=["record", "build"])
    parser.add_argument("--state", type=Path, required=True, help="folder of the state")
    parser.add_argument("--target", default="local", help="target of profiles.yml, for record")
    arguments = parser.parse_args()
    state = arguments.state.resolve()
    if arguments.action == "record":
        record(state, arguments.target)
    else:
        build(state)


if __name__ == "__main__":
    main()
