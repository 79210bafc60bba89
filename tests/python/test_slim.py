"""Slim builds: what changed since a saved state is built beside it, the rest is read from it."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import data_diff
import pytest
from dbt.cli.main import dbtRunner
from deltalake import DeltaTable
from support import ROOT, SCHEMA, World, run_dbt

TINY = (ROOT / "presets" / "tiny.yml").read_text()
# Key of the mart below.
KEYS = [
    (name, "ascending")
    for name in ("month_start_date_key", "category_level_1", "location_key", "channel_key")
]
MART = "models/aggregates/gold_sales_monthly_agg.sql"


def add_line(text: str) -> Callable[[str], str]:
    """Return an edit that adds a line at the end of a file."""
    return lambda content: content.rstrip("\n") + f"\n{text}\n"


def replace(old: str, new: str) -> Callable[[str], str]:
    """Return an edit that replaces a text."""
    return lambda content: content.replace(old, new)


# A change of the project: file, edit, and the nodes that dbt is to find modified by it.
CHANGES = {
    "nothing": (None, None, set()),
    "mart": (MART, add_line("-- changed"), {"gold_sales_monthly_agg"}),
    "macro": (
        "macros/sales_rollup.sql",
        replace("from totals", "from  totals"),
        {f"gold_sales_{period}_agg" for period in ("daily", "weekly", "monthly")},
    ),
    "python model": (
        "models/allocation/int_allocation.py",
        replace("EPOCH =", "EPOCH  ="),
        {"int_allocation"},
    ),
    "seed": (
        "seeds/supply/movement_types.csv",
        replace("supplier_delivery", "delivery"),
        {"movement_types"},
    ),
    "description": (
        MART.replace(".sql", ".yml"),
        replace("One row per month", "A row for each month"),
        {"gold_sales_monthly_agg"},  # descriptions are stored with the table
    ),
    # The SQL stays the same, so this is nothing to dbt, and left to scripts/slim.py.
    "default of a variable": (
        "dbt_project.yml",
        replace("event_history_days: 30", "event_history_days: 20"),
        set(),
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """Return a copy of the project, parsed with the tiny preset."""
    folder = tmp_path_factory.mktemp("slim") / "project"
    unused = shutil.ignore_patterns(".*", "target", "warehouse*", "logs", "docs")
    shutil.copytree(ROOT, folder, ignore=unused)
    parsed = run_dbt("parse", "--vars", TINY, project=folder, target=folder / "target")
    assert parsed.returncode == 0, parsed.output
    return folder


SAVE = "import pathlib, slim, sys; slim.save(pathlib.Path(sys.argv[1]), 'local')"


def slim(project: Path, state: Path, **environment) -> subprocess.CompletedProcess:
    """Run the copy of scripts/slim.py as make slim does, with the tiny preset."""
    return python(project, "scripts/slim.py", "build", "--state", str(state), **environment)


def save(project: Path, state: Path, **environment) -> None:
    """Save a state as make build does when it has ended, with the tiny preset."""
    saved = python(project, "-c", SAVE, str(state), PYTHONPATH="scripts", **environment)
    assert saved.returncode == 0, saved.stdout


def python(project: Path, *arguments: str, **environment) -> subprocess.CompletedProcess:
    """Run Python in the folder of a project."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env={**os.environ, "PRESET": "tiny", "VARS": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def state(project, tiny_world) -> Path:
    """Return a saved state: the manifest and, in the same folder, a copy of the tiny tables."""
    folder = project.parent / "state"
    shutil.copytree(tiny_world.warehouse / SCHEMA, folder / "warehouse" / SCHEMA)
    settings = {"STOCKTRUE_WAREHOUSE": str(folder / "warehouse"), "STOCKTRUE_SCHEMA": SCHEMA}
    save(project, folder, **settings)
    return folder


@pytest.fixture
def change(project):
    """Return a function that edits a file of the project; every edit is undone afterwards."""
    originals = {}

    def edit(path: str, new: Callable[[str], str]) -> None:
        originals[path] = (project / path).read_text()
        assert new(originals[path]) != originals[path]
        (project / path).write_text(new(originals[path]))

    yield edit
    for path, original in originals.items():
        (project / path).write_text(original)


def with_descendants(state: Path, names: set[str]) -> set[str]:
    """Return the nodes and all seeds and models that follow from them, by the saved manifest."""
    children = json.loads((state / "manifest.json").read_text())["child_map"]
    found, open_nodes = set(), [f"{k}.stocktrue.{n}" for k in ("seed", "model") for n in names]
    while open_nodes:
        node = open_nodes.pop()
        if node.startswith(("seed.", "model.")) and node in children and node not in found:
            found.add(node)
            open_nodes += children[node]
    return {node.split(".")[2] for node in found}


def modified(project: Path, state: Path) -> set[str]:
    """Return the names of the seeds and models that a slim build selects."""
    result = dbtRunner().invoke(
        [
            *("--quiet", "ls", "--select", "state:modified+", "--state", str(state)),
            *("--resource-types", "seed", "--resource-types", "model"),
            *("--output", "name", "--vars", TINY, "--target", "local"),
            *("--project-dir", str(project), "--profiles-dir", str(project)),
            *("--target-path", str(project / "target" / "slim")),
            *("--log-path", str(project / "logs")),
        ]
    )
    assert result.success, result.exception
    return set(result.result)


def test_build_reads_the_tables_of_the_state(project, state, change):
    """What changed is built beside the state, from changed parents or else those of the state."""
    old, new = (World(state / "warehouse", schema) for schema in (SCHEMA, f"{SCHEMA}_slim"))
    # What an earlier slim build left must not be read: here a parent without its rows.
    parent = "int_stockout_days"
    shutil.copytree(old.folder(parent), new.folder(parent))
    DeltaTable(str(new.folder(parent))).delete()
    change(MART, add_line("-- changed"))
    change(*CHANGES["seed"][:2])

    built = slim(project, state)

    assert built.returncode == 0, built.stdout[-6000:]
    names = {path.name for path in new.folder(parent).parent.iterdir()} - {parent}
    nodes = json.loads((state / "manifest.json").read_text())["nodes"].values()
    ephemeral = {node["name"] for node in nodes if node["config"]["materialized"] == "ephemeral"}
    follow = with_descendants(state, {"gold_sales_monthly_agg", "movement_types"})
    assert names == follow - ephemeral
    before, after = (
        world.table("gold_sales_monthly_agg").drop_columns("etl_timestamp").sort_by(KEYS)
        for world in (old, new)
    )
    assert after.equals(before)
    reasons = new.table("gold_inventory_movement_fact")["movement_reason"].to_pylist()
    assert {"delivery", "customer_purchase"} <= set(reasons)

    # What the parent without rows would differ in is not compared: it was not built.
    text = data_diff.report(state, project / "target" / "slim")
    lines = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    rows, deliveries = f"{len(reasons):,}", f"{reasons.count('delivery'):,}"
    seed = len((project / CHANGES["seed"][0]).read_text().splitlines()) - 1
    assert dict(lines) == {
        "gold_inventory_movement_fact": (
            f"{rows} | {rows} | 0 | 0 | {deliveries} | `movement_reason` {deliveries}"
        ),
        "movement_types": f"{seed} | {seed} | 1 | 1 | - | ",
        "world": "1 | 1 | 0 | 0 | 1 | `seed_files` 1",
    }
    assert "`gold_sales_monthly_agg`" in text


@pytest.mark.parametrize("case", CHANGES)
def test_nodes_that_a_change_builds(project, state, change, monkeypatch, case):
    """The same whatever the schema and folder of the tables, which are no part of the project.

    Here the schema of the slim build above, whose parse serves again.
    """
    monkeypatch.setenv("STOCKTRUE_SCHEMA", f"{SCHEMA}_slim")
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(project / "elsewhere"))
    path, edit, expected = CHANGES[case]
    if path:
        change(path, edit)
    assert modified(project, state) == with_descendants(state, expected)


def test_other_variables_build_everything(stub, tmp_path):
    """A table can follow from a variable that no file of its own names."""
    project, state = tmp_path / "project", tmp_path / "state"
    shutil.copytree(stub, project)
    for name in ("scripts", "presets"):
        shutil.copytree(ROOT / name, project / name)
    (project / "models" / "only.sql").write_text("select 1 as x")
    (project / "target").mkdir()
    (project / "target" / "manifest.json").write_text("{}")
    save(project, state)
    wrong = slim(project, state, VARS="num_products: -5, random_seed: 42")
    assert wrong.returncode != 0
    line = "slim: all is built, as variables changed: num_products 60 -> -5\n"
    assert line in wrong.stdout
    assert "num_products: got -5" in wrong.stdout


def test_without_a_state(project, tmp_path):
    """One line says what to do."""
    missing = slim(project, tmp_path)
    assert missing.returncode == 1
    assert missing.stdout == (
        f"slim: no state in {tmp_path}: run make build first, or name one with STATE=folder\n"
    )
