"""What the pages of `make docs` show of small projects; test_docs.py looks at those of this one."""

import itertools
from types import SimpleNamespace

import pytest

from lineage.columns import (
    columns_read,
    declared_origins,
    with_columns_of_inline,
    with_random_seed,
)
from lineage.drawing import BOX_HEIGHT, BOX_WIDTH, HEIGHT, LINE_LENGTH, draw, name_lines
from lineage.page import Page
from lineage.tables import MOST_BOXES, Tables, reduced, through

# What follows from what: seed -> helper -> first -> second, and seed -> second.
CHAIN = {"seed": set(), "helper": {"seed"}, "first": {"helper"}, "second": {"first", "seed"}}


def node(name: str, *reads: str, folder: str = "facts", **others) -> dict:
    """Return a private model of a manifest."""
    return {
        "resource_type": "model",
        "unique_id": f"model.shop.{name}",
        "name": name,
        "fqn": ["shop", folder, name],
        "description": "",
        "columns": {},
        "docs": {"node_color": "#123456"},
        "depends_on": {"nodes": list(reads), "macros": others.pop("macros", [])},
        "config": {"access": others.pop("access", "private")},
        **others,
    }


def manifest_of(*nodes: dict) -> dict:
    """Return the manifest of a project with a seed in a folder, and a macro that draws."""
    seed = node("brands") | {"resource_type": "seed", "fqn": ["shop", "products", "brands"]}
    drawing = {"depends_on": {"macros": ["macro.shop.uniform"]}}
    macros = {
        "macro.shop.pick": drawing,
        "macro.shop.uniform": {"depends_on": {"macros": []}},
        "macro.shop.plain": {"depends_on": {"macros": []}},
    }
    models = {each["unique_id"]: each for each in nodes}
    return {
        "metadata": {"project_name": "shop"},
        "nodes": {"seed.shop.brands": seed} | models,
        "macros": macros,
    }


def tables(*nodes: dict) -> Tables:
    """Return the tables of a project of such nodes."""
    return Tables(manifest_of(*nodes))


def test_what_is_left_out_is_passed_through():
    assert through(CHAIN, ["seed", "second"]) == {"seed": set(), "second": {"seed"}}
    assert through(CHAIN, CHAIN) == CHAIN


def test_edges_that_a_longer_path_stands_for_are_left_out():
    assert reduced(CHAIN) == CHAIN | {"second": {"first"}}


def test_story_shows_seed_folders_python_models_and_published_tables():
    found = tables(
        node("helper", "seed.shop.brands", macros=["macro.shop.pick"]),
        node("plan", "model.shop.helper", folder="demand", language="python"),
        node("sales", "model.shop.plan", macros=["macro.shop.plain"], access="public"),
    )
    assert found.story() == {
        "random_seed": set(),
        "seeds/products": set(),
        "plan": {"seeds/products", "random_seed"},
        "sales": {"plan"},
    }
    assert found.boxes["helper"].draws
    assert not found.boxes["sales"].draws


def test_view_unfolds_what_a_table_reads():
    """Private models that it reads, and those of its folder on the way; not what is unrelated."""
    found = tables(
        node("far", "seed.shop.brands", folder="demand"),
        node("near", "model.shop.far", folder="demand"),
        node("own", "model.shop.near"),
        node("sales", "model.shop.near", "model.shop.own", access="public"),
        node("monthly", "model.shop.sales", access="public"),
        node("other", "seed.shop.brands", access="public"),
    )
    parents, groups = found.view("sales")
    assert groups == {}
    assert parents == {
        "seeds/products": set(),
        "near": {"seeds/products"},
        "own": {"near"},
        "sales": {"own"},
        "monthly": {"sales"},
    }


@pytest.fixture
def crowded() -> list[dict]:
    """Return many private models of a folder, and one of another, that a published table reads."""
    topics = [node(f"topic{n}", "seed.shop.brands", folder="quality") for n in range(MOST_BOXES)]
    topics.append(node("topic", "model.shop.days", folder="quality"))
    reads = ["model.shop.days", *(topic["unique_id"] for topic in topics)]
    metrics = node("metrics", *reads, folder="quality", access="public")
    return [node("days", "seed.shop.brands"), *topics, metrics]


def test_many_private_models_are_one_box_for_each_folder(crowded):
    parents, groups = tables(*crowded).view("metrics")
    assert parents == {
        "seeds/products": set(),
        "facts/...": {"seeds/products"},
        "quality/...": {"facts/..."},
        "metrics": {"quality/..."},
    }
    assert groups["facts/..."] == ["days"]
    assert len(groups["quality/..."]) == MOST_BOXES + 1


def test_page_lists_the_models_in_one_box(crowded, tmp_path):
    page = tmp_path / "index.html"
    Page(manifest_of(*crowded), ["facts", "quality"], SimpleNamespace()).write(page)
    html = page.read_text()
    assert f"{MOST_BOXES + 1} private tables" in html
    assert '<a href="dbt.html#!/model/model.shop.topic7">topic7</a>' in html


def test_table_that_comes_last_stands_at_the_right():
    """The table world is in a folder of the first column, and waits for those of all others."""
    manifest = manifest_of(
        node("days", folder="horizon", access="public"),
        node("sales", "model.shop.days", access="public"),
        node("checks", "model.shop.sales", folder="quality", access="public"),
        node("world", "model.shop.sales", folder="horizon", access="public"),
    )
    page = Page(manifest, ["horizon", "facts", "quality"], SimpleNamespace())
    places = page.sections()[0].drawing.places
    assert places["days"].left < places["sales"].left < places["checks"].left
    assert places["world"].left == places["checks"].left


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("gold_sales_fact", ["gold_sales_fact"]),
        ("gold_customer_product_affinity_agg", ["gold_customer_", "product_affinity_agg"]),
    ],
)
def test_long_names_are_broken_at_an_underscore(name, lines):
    assert name_lines(name) == lines
    assert max(map(len, lines)) <= LINE_LENGTH


def test_boxes_stand_apart_and_near_what_they_follow_from():
    parents = {"a": set(), "b": set(), "c": {"b"}, "d": {"a"}, "e": {"d", "c"}}
    drawing = draw([["a", "b"], ["c", "d", "e"]], parents)
    tops = {key: place.top for key, place in drawing.places.items()}
    lefts = {key: place.left for key, place in drawing.places.items()}
    assert lefts["a"] == lefts["b"] < lefts["c"] - BOX_WIDTH
    assert lefts["c"] == lefts["d"] == lefts["e"]
    in_column = sorted(tops[key] for key in "cde")
    assert all(low + BOX_HEIGHT < high for low, high in itertools.pairwise(in_column))
    assert (tops["a"] < tops["b"]) == (tops["d"] < tops["c"])
    assert set(drawing.edges) == {("b", "c"), ("a", "d"), ("d", "e"), ("c", "e")}


def test_many_boxes_stand_closer():
    drawing = draw([[str(n) for n in range(13)]], {str(n): set() for n in range(13)})
    tops = sorted(place.top for place in drawing.places.values())
    assert all(low + BOX_HEIGHT < high for low, high in itertools.pairwise(tops))
    assert drawing.height == pytest.approx(HEIGHT)


def test_own_columns_of_a_python_model_stand_for_what_they_read():
    python = {"unique_id": "model.shop.plan", "depends_on": {"nodes": ["seed.shop.brands"]}}
    origins = {"level": ["plan.demand", "target_rate"], "demand": ["brands.weight"]}
    python["columns"] = {
        name: {"config": {"meta": {"origin": origin}}} for name, origin in origins.items()
    }
    variable = ("source.stocktrue.variables", "target_rate")
    assert columns_read("level", python) == [("seed.shop.brands", "weight"), variable]
    assert declared_origins(python) == origins


def test_inline_makes_columns():
    sql = "select inline(array(struct('a' as name, t.x as value), struct('b', t.y + 1))) from t"
    assert with_columns_of_inline(sql) == (
        "SELECT COALESCE('a', 'b') AS name, COALESCE(t.x, t.y + 1) AS value FROM t"
    )
    other = "SELECT k, INLINE(ARRAYS_ZIP(a, b)) AS (x, y) FROM t"
    assert with_columns_of_inline(other) == other


@pytest.mark.parametrize("change", [str, str.upper])
def test_draws_read_random_seed(change):
    draw = change("pmod(xxhash64(cast(42 as bigint), 'stream', cast(key as bigint)), 1000)")
    assert "(select variables.random_seed from" in with_random_seed(draw)
    other = change("xxhash64(cast(42 as bigint))")
    assert with_random_seed(other) == other
