"""Which table follows from which, as a reader wants to see it: the story, and one table.

Shown are the folders of seeds, the seed of random numbers, Python models and published tables; the
private models between them are passed through.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from graphlib import TopologicalSorter
from typing import Any

from lineage.columns import is_python

SEEDS = "seeds"
RANDOM_SEED = "random_seed"
# More than so many boxes are not read at a glance.
MOST_BOXES = 42

# Key of a box -> keys of those that it follows from.
Parents = dict[str, set[str]]


@dataclass(frozen=True)
class Box:
    """A table, a folder of seeds or the variable random_seed; folder: that of dbt_project.yml.

    node_ids: those of the manifest that it stands for.
    """

    key: str
    folder: str
    description: str
    node_ids: tuple[str, ...] = ()
    is_shown: bool = True
    is_published: bool = False
    draws: bool = False


def through(parents: Parents, kept: Iterable[str]) -> Parents:
    """Return the parents of kept boxes, those of others in their place."""
    kept = set(kept)

    @cache
    def nearest(key: str) -> frozenset[str]:
        found: set[str] = set()
        for parent in parents[key]:
            found |= {parent} if parent in kept else nearest(parent)
        return frozenset(found)

    return {key: set(nearest(key)) for key in kept}


def ancestors(parents: Parents) -> Parents:
    """Return all boxes that each box follows from."""
    found: Parents = {}
    for key in TopologicalSorter(parents).static_order():
        found[key] = set(parents[key]).union(*(found[parent] for parent in parents[key]))
    return found


def reduced(parents: Parents) -> Parents:
    """Return the parents without those that a longer path leads to as well."""
    before = ancestors(parents)
    return {
        key: {parent for parent in of if not any(parent in before[other] for other in of)}
        for key, of in parents.items()
    }


def macros_used(manifest: dict[str, Any], node: dict[str, Any]) -> set[str]:
    """Return the ids of the macros that a model calls, itself or through others."""
    used: set[str] = set()
    unseen = list(node["depends_on"]["macros"])
    while unseen:
        macro = unseen.pop()
        if macro not in used and macro in manifest["macros"]:
            used.add(macro)
            unseen += manifest["macros"][macro]["depends_on"]["macros"]
    return used


class Tables:
    """The boxes of a project and what they follow from."""

    def __init__(self, manifest: dict[str, Any]) -> None:
        """Take what dbt has parsed."""
        self.boxes: dict[str, Box] = {}
        self.parents: Parents = {}
        project = manifest["metadata"]["project_name"]
        uniform = f"macro.{project}.uniform"
        key_of: dict[str, str] = {}
        seeds: dict[str, list[str]] = {}
        for node_id, node in manifest["nodes"].items():
            if node["resource_type"] == "seed":
                key_of[node_id] = "/".join([SEEDS, *node["fqn"][1:-1]])
                seeds.setdefault(key_of[node_id], []).append(node_id)
            elif node["resource_type"] == "model":
                key_of[node_id] = node["name"]
        self._add(Box(RANDOM_SEED, SEEDS, "Same seed and variables, same rows."))
        for key, ids in seeds.items():
            self._add(Box(key, SEEDS, f"{len(ids)} seeds", tuple(sorted(ids))))
        for node_id, key in key_of.items():
            node = manifest["nodes"][node_id]
            if node["resource_type"] == "model":
                published = node["config"].get("access") == "public"
                draws = uniform in macros_used(manifest, node) or RANDOM_SEED in node["config"]
                shown = published or is_python(node)
                text, folder = node["description"], node["fqn"][1]
                self._add(Box(key, folder, text, (node_id,), shown, published, draws))
                self.parents[key] |= {key_of[p] for p in node["depends_on"]["nodes"]}
                self.parents[key] |= {RANDOM_SEED} if draws else set()

    def _add(self, box: Box) -> None:
        self.boxes[box.key] = box
        self.parents[box.key] = set()

    @cached_property
    def shown(self) -> Parents:
        """What the story shows, with all that each box follows from directly."""
        return through(self.parents, (key for key, box in self.boxes.items() if box.is_shown))

    def story(self) -> Parents:
        """Return what the first page shows."""
        return reduced(self.shown)

    def view(self, key: str) -> tuple[Parents, dict[str, list[str]]]:
        """Return what a box of the story follows from and what follows from it.

        The private models between the box and those of the story are there as well, one by one or,
        where they are too many, as one box for each folder: the models of each are returned, too.
        """
        before = ancestors(self.shown)
        kept = {key} | before[key] | {other for other in before if key in before[other]}
        own = self._between(key)
        whole = through(self.parents, kept | own)
        if len(kept) + len(own) <= MOST_BOXES:
            return reduced(whole), {}
        group_of = {name: f"{self.boxes[name].folder}/..." for name in own}
        parents = through(self.parents, kept) | {group: set() for group in group_of.values()}
        for name, group in group_of.items():
            parents[group] |= {group_of.get(parent, parent) for parent in whole[name]} - {group}
        parents[key] = {group_of.get(parent, parent) for parent in whole[key]}
        groups: dict[str, list[str]] = {}
        for name in sorted(own):
            groups.setdefault(group_of[name], []).append(name)
        return reduced(parents), groups

    def _between(self, key: str) -> set[str]:
        """Return the private models that a box reads, and those of its folder that lead there."""
        found: set[str] = set()
        unseen = [key]
        while unseen:
            reader = unseen.pop()
            for parent in self.parents[reader] - found:
                box = self.boxes[parent]
                is_near = reader == key or box.folder == self.boxes[key].folder
                if not box.is_shown and is_near:
                    found.add(parent)
                    unseen.append(parent)
        return found
