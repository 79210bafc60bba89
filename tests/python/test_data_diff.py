"""scripts/data_diff.py: what a slim build changed in its tables, as Markdown."""

import json
import math
import os
import re

import data_diff
import pyarrow as pa
import pytest
from deltalake import write_deltalake

BASE, SLIM = "base", "base_slim"


def rows(**columns: list) -> pa.Table:
    """Return a table with its load time, which counts nowhere."""
    length = len(next(iter(columns.values())))
    rows.calls += 1
    return pa.table({**columns, "etl_timestamp": pa.array([rows.calls] * length, pa.int64())})


rows.calls = 0

# By name: the table before and now, its key, and what is said of it after the numbers of rows.
TABLES = {
    "same": (
        rows(id=[1, 2, 3], v=[None, math.nan, 1.5]),
        rows(id=[3, 2, 1], v=[1.5, math.nan, None]),
        ["id"],
        None,
    ),
    "by_key": (
        rows(id=[1, 2, 3, 4, 6], v=["a", "b", None, "d", "f"], w=[1, 1, 1, 1, 1]),
        rows(id=[1, 2, 3, 5, 6, 7], v=["a", "x", "c", "e", None, "g"], w=[1, 1, 1, 1, 2, 1]),
        ["id"],
        ("5", "6", "2", "1", "3", "`v` 3, `w` 1"),
    ),
    "by_two_keys": (
        rows(a=[1, 1, 2], b=["x", "y", "x"], v=[1, 2, 3]),
        rows(a=[1, 1, 2], b=["x", "y", "y"], v=[1, 5, 3]),
        ["a", "b"],
        ("3", "3", "1", "1", "1", "`v` 1"),
    ),
    "repeated_key": (
        rows(id=[1, 2], v=["a", "b"]),
        rows(id=[1, 2, 2], v=["a", "b", "c"]),
        ["id"],
        ("2", "3", "1", "0", "-", "key not unique: whole rows"),
    ),
    "missing_key": (
        rows(id=[1, 2], v=["a", "b"]),
        rows(id=[1, None], v=["a", "b"]),
        ["id"],
        ("2", "2", "1", "1", "-", "key not unique: whole rows"),
    ),
    "no_key": (
        rows(v=[1, 1, 2, None, None]),
        rows(v=[1, 2, 2, 2, None]),
        [],
        ("5", "5", "2", "2", "-", ""),
    ),
    "other_columns": (
        rows(id=[1, 2], v=[1, 2], gone=[True, True], kind=[1, 2]),
        rows(id=[1, 2], v=[1, 3], fresh=["a", "b"], kind=["1", "2"]),
        ["id"],
        ("2", "2", "0", "0", "1", "`v` 1, new `fresh`, gone `gone`, `kind` bigint to string"),
    ),
    "other_key": (
        rows(id=[1, 2], v=[1, 2]),
        rows(id=["1", "2"], v=[1, 3]),
        ["id"],
        ("2", "2", "1", "1", "-", "`id` bigint to string"),
    ),
    "nothing_in_common": (
        rows(old=[1, 2]),
        rows(new=[1, 2, 3]),
        [],
        ("2", "3", "3", "2", "-", "new `new`, gone `old`"),
    ),
    "empty": (
        rows(id=pa.array([], pa.int64()), v=pa.array([], pa.int64())),
        rows(id=pa.array([], pa.int64()), v=pa.array([], pa.int64())),
        ["id"],
        None,
    ),
    "new_table": (None, rows(id=[1, 2]), ["id"], ("-", "2", "2", "-", "-", "new table")),
    "dropped": (rows(id=[1]), None, ["id"], ("1", "-", "-", "1", "-", "no longer there")),
}
BUILT = [name for name, (_, now, *_) in TABLES.items() if now is not None]


def node(name: str, schema: str, key: list[str], parents: tuple[str, ...] = ()) -> dict:
    """Return a seed or model as a manifest has it."""
    common = {"name": name, "alias": name, "schema": schema}
    if not key:  # as a seed, which has no constraints and no parents
        return {**common, "resource_type": "seed", "depends_on": {"macros": []}}
    return {
        **common,
        "resource_type": "model",
        "constraints": [{"type": "primary_key", "columns": key}],
        "depends_on": {"macros": [], "nodes": [f"model.p.{parent}" for parent in parents]},
    }


def manifest(schema: str, names: list[str], parents: dict[str, tuple[str, ...]]) -> str:
    """Return a manifest of the named tables."""
    nodes = {
        f"model.p.{name}": node(name, schema, TABLES[name][2], parents.get(name, ()))
        for name in names
    }
    test = {"resource_type": "test", "depends_on": {"nodes": ["model.p.same"]}}
    return json.dumps({"nodes": {**nodes, "test.p.same": test}})


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Return the folders of a state and of a slim build with the tables above."""
    state, run = tmp_path_factory.mktemp("state"), tmp_path_factory.mktemp("run")
    for name, tables in TABLES.items():
        for schema, table in zip((BASE, SLIM), tables[:2], strict=True):
            if table is not None:
                write_deltalake(state / "warehouse" / schema / name, table)
    facts = {"target": "local", "schema": BASE, "warehouse": "warehouse", "variables": {}}
    (state / "state.json").write_text(json.dumps(facts))
    before = [name for name, (table, *_) in TABLES.items() if table is not None]
    (state / "manifest.json").write_text(manifest(BASE, before, {}))
    parents = {"same": ("no_key",), "by_key": ("no_key", "same"), "by_two_keys": ("empty",)}
    parents["empty"] = ("by_key",)
    (run / "manifest.json").write_text(manifest(SLIM, BUILT, parents))
    results = [{"unique_id": f"model.p.{name}", "status": "success"} for name in BUILT]
    results[BUILT.index("empty")]["status"] = "skipped"
    results.append({"unique_id": "test.p.same", "status": "pass"})
    (run / "run_results.json").write_text(json.dumps({"results": results}))
    return state, run


@pytest.fixture(scope="module")
def text(build) -> str:
    """Return the report of that build."""
    return data_diff.report(*build)


def table_lines(text: str) -> dict[str, tuple[str, ...]]:
    """Return the lines of the table by the name of the table compared."""
    lines = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    return {name: tuple(cell.strip() for cell in line.split("|")) for name, line in lines}


@pytest.mark.parametrize("name", TABLES)
def test_rows_are_compared(text, name):
    """Added, removed and changed by key; by whole rows where no key tells rows apart."""
    assert table_lines(text).get(name) == TABLES[name][3]


def test_tables_without_a_difference_are_named(text):
    assert "The same rows as before: `same`." in text


def test_what_was_not_built_is_told(text):
    assert "Not built: `empty` (skipped)." in text


def test_lineage_shows_what_ran(text):
    """Edges that a longer path implies are left out; tables that differ are filled."""
    lineage = re.search(r"```mermaid\nflowchart LR\n(.*?)```", text, re.DOTALL)[1]
    names = dict(re.findall(r"^    (n\d+)\[(\w+)\]$", lineage, re.MULTILINE))
    assert set(names.values()) == {*BUILT} - {"empty"}
    edges = re.findall(r"^    (n\d+) --> (n\d+)$", lineage, re.MULTILINE)
    assert {(names[a], names[b]) for a, b in edges} == {
        *(("no_key", "same"), ("same", "by_key")),
        ("by_key", "by_two_keys"),  # through one that was not built
    }
    differing = re.search(r"^    class (\S+) differs$", lineage, re.MULTILINE)[1].split(",")
    assert {names[key] for key in differing} == {*BUILT} - {"empty", "same"}


def test_the_comment_can_be_found_again_and_is_short_enough(text, build, monkeypatch):
    """The workflow looks for the first line; GitHub takes 65,536 characters."""
    assert text.startswith("<!-- data-diff -->\n")
    monkeypatch.setattr(data_diff, "MOST_CHARACTERS", len(text) - 1)
    shorter = data_diff.report(*build)
    assert "mermaid" not in shorter
    assert table_lines(shorter) == table_lines(text)


def test_a_build_of_nothing_is_told(build, tmp_path):
    """As after an edit of the docs; what is no longer in the project is told all the same."""
    state, run = build
    (tmp_path / "manifest.json").write_text((run / "manifest.json").read_text())
    (tmp_path / "run_results.json").write_text('{"results": []}')
    text = data_diff.report(state, tmp_path)
    assert text.splitlines()[-1] == "Nothing was built."
    assert set(table_lines(text)) == {"dropped"}


def test_a_slim_build_must_have_followed_the_state(build, tmp_path):
    """Tables of an older slim build say nothing about the present ones."""
    state, run = build
    with pytest.raises(SystemExit, match=r"^diff: no slim build in [^\n]+: run make slim first$"):
        data_diff.report(state, tmp_path)
    with pytest.raises(SystemExit, match=r"^diff: no state in [^\n]+: run make build first"):
        data_diff.report(tmp_path, run)
    built = (state / "state.json").stat().st_mtime
    os.utime(run / "run_results.json", (built - 9, built - 9))
    with pytest.raises(SystemExit, match=r"^diff: [^\n]+ is older than [^\n]+: run make slim"):
        data_diff.report(state, run)
    os.utime(run / "run_results.json")
