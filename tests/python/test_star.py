"""The diagrams of docs/star.md show the facts, dimensions and keys that are declared."""

import re

import pytest
from support import ROOT

PAGE = (ROOT / "docs" / "star.md").read_text()
DIAGRAMS = re.findall(r"```mermaid\nerDiagram\n(.*?)```", PAGE, re.DOTALL)
TABLES = re.compile(r"^    (\w+) \{\n(.*?)^    \}$", re.DOTALL | re.MULTILINE)
RELATION = re.compile(r'^    (\w+) (\S+) (\w+) : ""$', re.MULTILINE)
MANY_TO_ONE = {"}o--||": "required", "}o--o|": "optional"}
ONE_TO_MANY = {"||--o{": "required", "|o--o{": "optional"}


def drawn_tables() -> dict[str, list[set]]:
    """Return every drawing of a table, by name: (column, type, kind of key) each."""
    drawn = {}
    for diagram in DIAGRAMS:
        for name, lines in TABLES.findall(diagram):
            columns = [line.split(maxsplit=2) for line in lines.strip().splitlines()]
            keys = {
                (column, kind, key) for kind, column, keys in columns for key in keys.split(", ")
            }
            drawn.setdefault(name, []).append(keys)
    return drawn


def drawn_relations() -> list[tuple[str, str, str]]:
    """Return every line of the diagrams as fact, dimension and whether a row must have one."""
    return [
        (left, right, MANY_TO_ONE[line])
        if line in MANY_TO_ONE
        else (right, left, ONE_TO_MANY[line])
        for diagram in DIAGRAMS
        for left, line, right in RELATION.findall(diagram)
    ]


def keys_of(model: dict, kind: str) -> list[dict]:
    """Return the declared keys of a model: primary_key or foreign_key."""
    return [key for key in model["constraints"] if key["type"] == kind]


@pytest.fixture(scope="module")
def models(manifest) -> dict[str, dict]:
    """Return the published facts and dimensions by name."""
    return {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and node["config"]["access"] == "public"
        and set(node["tags"]) & {"facts", "dimensions"}
    }


def test_every_fact_and_dimension_is_drawn_with_its_keys(models):
    expected = {}
    for name, model in models.items():
        keys = [(key["columns"], "PK") for key in keys_of(model, "primary_key")]
        if "facts" in model["tags"]:
            keys += [(key["columns"], "FK") for key in keys_of(model, "foreign_key")]
        expected[name] = {
            (column, model["columns"][column]["data_type"], kind)
            for columns, kind in keys
            for column in columns
        }
    drawn = drawn_tables()
    assert {name: drawings[0] for name, drawings in drawn.items()} == expected
    assert all(drawing == drawings[0] for drawings in drawn.values() for drawing in drawings)
    facts = [name for name, model in models.items() if "facts" in model["tags"]]
    assert all(len(drawn[name]) == 1 for name in facts)


def test_relations_are_the_declared_foreign_keys(models):
    """One line from a fact to a dimension, optional when no key to it is always there."""
    expected = {}
    for name, model in models.items():
        for key in keys_of(model, "foreign_key") if "facts" in model["tags"] else ():
            dimension = re.search(r"gold_[a-z_]+", key["to"])[0]
            constraints = model["columns"][key["columns"][0]]["constraints"]
            required = any(constraint["type"] == "not_null" for constraint in constraints)
            present = expected.get((name, dimension)) == "required"
            expected[name, dimension] = "required" if required or present else "optional"
    drawn = drawn_relations()
    assert {(fact, dimension): need for fact, dimension, need in drawn} == expected
    assert len(drawn) == len(expected)
