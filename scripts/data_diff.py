"""Say what a slim build changed in its tables, as Markdown with the lineage of what ran.

Each table that `make slim` has built is compared with the one of the state: by its primary key,
or by whole rows where it has none or the key does not tell rows apart. The embedded engine joins
the two. When and how a row was loaded, etl_timestamp and table_versions, does not count.
"""

import argparse
import json
import sys
from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import networkx as nx
from dbt.adapters.embedded.engines import start_engine
from dbt.adapters.embedded.warehouse import Warehouse, quote
from slim import FACTS, MANIFEST, ROOT

RESULTS = "run_results.json"
LOADED = ("etl_timestamp", "table_versions")
# By this line the workflow finds its comment on a pull request again.
MARK = "<!-- data-diff -->"
# GitHub takes 65,536 in a comment.
MOST_CHARACTERS = 60000
# A seed or model as a manifest has it.
Node = dict[str, Any]
HEADER = ("table", "rows before", "rows now", "added", "removed", "changed", "columns")


@dataclass
class Difference:
    """How a table differs from the one before; None where there is nothing to count."""

    before: int | None = None
    now: int | None = None
    added: int | None = None
    removed: int | None = None
    changed: int | None = None
    notes: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Tell whether rows or columns differ."""
        return bool(self.added or self.removed or self.changed or self.notes)

    def line(self, name: str) -> str:
        """Return the line of the table in the report."""
        counts = (self.before, self.now, self.added, self.removed, self.changed)
        cells = ["-" if count is None else f"{count:,}" for count in counts]
        return f"| `{name}` | {' | '.join(cells)} | {', '.join(self.notes)} |"


def stop(reason: str) -> NoReturn:
    """End the process with a reason."""
    sys.exit(f"diff: {reason}")


class Comparison:
    """Tables of two schemas of one warehouse, compared by the engine."""

    def __init__(self, folder: Path, *schemas: str) -> None:
        """Start the engine and show it the schemas of a warehouse folder."""
        self._warehouse = Warehouse(start_engine("sail"), "sail", folder)
        for schema in schemas:
            self._warehouse.attach(schema)

    def has(self, node: Node) -> bool:
        """Tell whether the table of a node is there."""
        return node["alias"] in self._warehouse.relations(node["schema"])

    def _types(self, table: str) -> dict[str, str]:
        fields = self._warehouse.columns(table).fields
        return {each.name: each.dataType.simpleString() for each in fields}

    def _row(self, sql: str) -> Any:
        (row,) = self._warehouse.session.sql(sql).collect()
        return row

    def _count(self, table: str) -> int:
        (count,) = self._row(f"select count(*) from {table}")
        return count

    def new(self, now: Node) -> Difference:
        """Return what to say of a table that was not there before."""
        count = self._count(table_name(now))
        return Difference(now=count, added=count, notes=["new table"])

    def gone(self, before: Node) -> Difference:
        """Return what to say of a table that is no part of the project any more."""
        count = self._count(table_name(before))
        return Difference(before=count, removed=count, notes=["no longer there"])

    def difference(self, before: Node, now: Node) -> Difference:
        """Compare the tables of two nodes."""
        old, new = table_name(before), table_name(now)
        types, old_types = self._types(new), self._types(old)
        shared = [name for name in types if types[name] == old_types.get(name)]
        columns = [name for name in shared if name not in LOADED]
        key = primary_key(now)
        found = Difference(self._count(old), self._count(new))
        if not columns:
            found.added, found.removed = found.now, found.before
        elif not key or not set(key) <= set(columns):
            self._by_rows(found, old, new, columns)
        elif self._repeats(old, key) or self._repeats(new, key):
            self._by_rows(found, old, new, columns)
            found.notes.append("key not unique: whole rows")
        else:
            self._by_key(found, old, new, key, [name for name in columns if name not in key])
        found.notes += [f"new `{name}`" for name in types if name not in old_types]
        found.notes += [f"gone `{name}`" for name in old_types if name not in types]
        found.notes += [
            f"`{name}` {old_types[name]} to {types[name]}"
            for name in types
            if name in old_types and name not in shared
        ]
        return found

    def _repeats(self, table: str, key: list[str]) -> bool:
        """Tell whether a key stands for several rows, or has no value in one."""
        names = ", ".join(map(quote, key))
        missing = " or ".join(f"{quote(name)} is null" for name in key)
        sql = f"select 1 from {table} group by {names} having count(*) > 1 or {missing} limit 1"
        return bool(self._warehouse.session.sql(sql).collect())

    def _by_key(
        self, found: Difference, old: str, new: str, key: list[str], values: list[str]
    ) -> None:
        """Join on a key that is unique on both sides, and count the columns that differ."""
        columns = ", ".join(f"{quote(name)} as c{at}" for at, name in enumerate([*key, *values]))
        same_key = " and ".join(f"o.c{at} = n.c{at}" for at in range(len(key)))
        differs = [f"not (o.c{at} <=> n.c{at})" for at in range(len(key), len(key) + len(values))]
        both = "o.is_there and n.is_there"
        counted = ["o.is_there is null", "n.is_there is null"]
        counted.append(f"{both} and ({' or '.join(differs) or 'false'})")
        counted += [f"{both} and {each}" for each in differs]
        found.added, found.removed, found.changed, *by_column = self._row(
            f"select {', '.join(f'count(if({each}, 1, null))' for each in counted)}"
            f" from (select {columns}, true as is_there from {old}) as o"
            f" full outer join (select {columns}, true as is_there from {new}) as n on {same_key}"
        )
        found.notes += [
            f"`{n}` {count:,}" for n, count in zip(values, by_column, strict=True) if count
        ]

    def _by_rows(self, found: Difference, old: str, new: str, columns: list[str]) -> None:
        """Count each distinct row on both sides."""
        names = ", ".join(map(quote, columns))
        found.added, found.removed = self._row(
            "select coalesce(sum(greatest(n - o, 0)), 0), coalesce(sum(greatest(o - n, 0)), 0)"
            " from (select sum(is_old) as o, sum(1 - is_old) as n"
            f" from (select {names}, 1 as is_old from {old}"
            f" union all select {names}, 0 as is_old from {new}) group by {names})"
        )


def table_name(node: Node) -> str:
    """Return the name of the table of a node for use in SQL."""
    return quote(node["schema"], node["alias"])


def primary_key(node: Node) -> list[str]:
    """Return the columns of the declared primary key of a node; none without."""
    keys = [c["columns"] for c in node.get("constraints") or [] if c["type"] == "primary_key"]
    return keys[0] if keys else []


def tables(manifest: dict[str, Any]) -> dict[str, Node]:
    """Return the nodes of a manifest that are tables, by id."""
    kinds = ("seed", "model")
    return {key: node for key, node in manifest["nodes"].items() if node["resource_type"] in kinds}


def lineage(nodes: dict[str, Node], built: dict[str, Node], differing: Container[str]) -> str:
    """Return what was built, with the shortest set of edges that says what follows from what."""
    graph = nx.DiGraph()
    graph.add_nodes_from(nodes)
    for key, node in nodes.items():
        graph.add_edges_from((up, key) for up in node["depends_on"].get("nodes", []) if up in nodes)
    # A path may lead through what has no table of its own.
    shown = nx.transitive_reduction(nx.transitive_closure(graph).subgraph(built))
    names = {key: f"n{at}" for at, key in enumerate(built)}
    lines = ["```mermaid", "flowchart LR"]
    lines += [f"    {names[key]}[{node['name']}]" for key, node in built.items()]
    lines += [f"    {names[up]} --> {names[key]}" for up, key in shown.edges]
    if filled := ",".join(names[key] for key in built if key in differing):
        lines += ["    classDef differs fill:#f58518,color:#000", f"    class {filled} differs"]
    return "\n".join([*lines, "```"])


def check_build(state: Path, run: Path) -> None:
    """Stop unless a slim build in `run` has followed the state."""
    if not all((state / name).is_file() for name in (MANIFEST, FACTS)):
        stop(f"no state in {state}: run make build first, or name one with STATE=folder")
    if not all((run / name).is_file() for name in (MANIFEST, RESULTS)):
        stop(f"no slim build in {run}: run make slim first")
    if (run / RESULTS).stat().st_mtime < (state / FACTS).stat().st_mtime:
        stop(f"the slim build in {run} is older than the state in {state}: run make slim again")


def report(state: Path, run: Path) -> str:
    """Return what the slim build in `run` changed against the state, as Markdown."""
    check_build(state, run)
    facts, old, new, results = (
        json.loads(path.read_text())
        for path in (state / FACTS, state / MANIFEST, run / MANIFEST, run / RESULTS)
    )
    if facts["target"] != "local":
        stop(f"the state is of target {facts['target']}; only tables of local are compared")
    before, now = tables(old), tables(new)
    statuses = {r["unique_id"]: r["status"] for r in results["results"] if r["unique_id"] in now}
    built = {key: now[key] for key, status in statuses.items() if status == "success"}

    folder = (state / facts["warehouse"]).resolve() if facts["warehouse"] else ROOT / "warehouse"
    schemas = {node["schema"] for node in (*before.values(), *built.values())}
    comparison = Comparison(folder, *sorted(schemas))
    there = {key: node for key, node in before.items() if comparison.has(node)}
    compared = [*built, *(key for key in there if key not in now)]
    names = {key: node["name"] for key, node in {**before, **now}.items()}
    found = {}
    for key in sorted(compared, key=names.__getitem__):
        if key not in there:
            found[key] = comparison.new(now[key])
        elif key not in now:
            found[key] = comparison.gone(there[key])
        else:
            found[key] = comparison.difference(there[key], now[key])

    differing = {key: each for key, each in found.items() if each}
    lines = [MARK, "## What changes in the data", ""]
    if differing:
        lines += [f"| {' | '.join(HEADER)} |", "|---|---:|---:|---:|---:|---:|---|"]
        lines += [*(each.line(names[key]) for key, each in differing.items()), ""]
    same = [f"`{names[key]}`" for key in found if key not in differing]
    if same:
        lines += [f"The same rows as before: {', '.join(same)}.", ""]
    left = [f"`{names[key]}` ({statuses[key]})" for key in statuses if key not in built]
    if left:
        lines += [f"Not built: {', '.join(left)}.", ""]
    if not built:
        return "\n".join([*lines, "Nothing was built.", ""])
    drawn = [
        "What was built; tables that differ are filled.",
        "",
        lineage(now, built, differing),
        "",
    ]
    full = "\n".join([*lines, *drawn])
    return full if len(full) <= MOST_CHARACTERS else "\n".join(lines)


def main() -> None:
    """Print the report and write it to target/diff.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path, required=True, help="folder of the state")
    text = report(parser.parse_args().state.resolve(), ROOT / "target" / "slim")
    (ROOT / "target" / "diff.md").write_text(text)
    print(text, end="")


if __name__ == "__main__":
    main()
