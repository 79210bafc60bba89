"""The documentation: everything is described, and the site shows it with the lineage."""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest
import yaml
from deltalake import DeltaTable
from support import ROOT, SCHEMA, run_dbt

from lineage.__main__ import write_pages
from lineage.columns import VARIABLES, ColumnLineage, columns_read, declared_origins, origin_column
from lineage.tables import MOST_BOXES

PACKAGE = "stocktrue"
# Columns that share their name with others and mean something else.
HOMONYMS = {
    ("format_demand", "demand_factor"),
    ("gold_cart_fact", "units_requested"),
    ("gold_cart_fact", "units_sold"),
    ("gold_location_dim", "is_active"),
    ("gold_product_dim", "is_active"),
    ("int_allocation", "event_type"),
    ("int_allocation", "opening_available"),
    ("int_allocation", "units_requested"),
    ("int_allocation", "value_cents"),
    ("int_cart_outcomes", "units_requested"),
    ("int_cart_outcomes", "value_cents"),
    ("int_line_fits", "comes_back"),
    ("int_line_outcomes", "opening_available"),
    ("int_replenishment_plan", "opening_available"),
    ("int_session_parts", "value_cents"),
    ("int_stock_events", "event_type"),
    ("int_traffic_plan", "demand_index"),
    ("life_cycle_demand", "demand_factor"),
    ("recovery_emails", "comes_back"),
    ("return_rates", "return_rate_index"),
}
SIGNATURE = re.compile(r"{%-?\s*(?:macro|test)\s+\w+\((.*?)\)\s*-?%}", re.DOTALL)
# Opens a lineage and writes it into the page: [id of the node, distance from the left] each.
LINEAGE = """<script>
location.hash = "#!/model/MODEL?g_v=1&g_i=%2BNAME";
setTimeout(() => {
    const graph = [...document.querySelectorAll("*")].find((element) => element._cyreg);
    const shown = graph._cyreg.cy.nodes().filter((node) => node.visible());
    const result = document.createElement("script");
    result.id = "lineage";
    result.type = "application/json";
    result.textContent = JSON.stringify(shown.map((node) => [node.id(), node.position("x")]));
    document.body.append(result);
}, 8000)</script>"""

# Measures the pictures of the first page, all of them shown: for each section its boxes, whose
# names are wider than they are, and how high the picture is.
PICTURES = """<script>
for (const section of document.querySelectorAll("section")) section.style.display = "block";
const pictures = [...document.querySelectorAll("section")].map((section) => {
    const boxes = [...section.querySelectorAll(".box")];
    const wide = boxes.filter((box) => {
        const [inside, text] = ["rect", "text"].map((name) => box.querySelector(name).getBBox());
        return text.x < inside.x || text.x + text.width > inside.x + inside.width;
    });
    const names = (some) => some.map((box) => box.dataset.key);
    const {width, height} = section.querySelector("svg").getBoundingClientRect();
    return [section.id, names(boxes), names(wide), width, height];
});
const result = document.createElement("script");
result.id = "pictures";
result.type = "application/json";
result.textContent = JSON.stringify(pictures);
document.body.append(result);
</script>"""


def nodes_of(manifest: dict, *kinds: str) -> dict[str, dict]:
    """Return the nodes of some resource types by id."""
    return {key: n for key, n in manifest["nodes"].items() if n["resource_type"] in kinds}


def own_macros(manifest: dict) -> list[dict]:
    """Return the macros of the project, those behind its generic tests included."""
    return [m for m in manifest["macros"].values() if m["package_name"] == PACKAGE]


def test_every_node_is_described(manifest):
    """Seeds, models, analyses and every kind of test."""
    nodes = nodes_of(manifest, "seed", "model", "analysis", "test") | manifest["unit_tests"]
    assert len(nodes) > 250
    assert [key for key, node in nodes.items() if not node["description"].strip()] == []


def test_every_table_says_first_what_a_row_is(manifest):
    nodes = nodes_of(manifest, "seed", "model").values()
    assert [n["name"] for n in nodes if not n["description"].startswith("One row per ")] == []


def test_every_column_is_described(manifest, tiny_world):
    """The columns of the properties are all that the tables have."""
    for node in nodes_of(manifest, "seed", "model").values():
        columns = node["columns"]
        if node["config"]["materialized"] != "ephemeral":
            table = DeltaTable(str(tiny_world.folder(node["name"])))
            assert set(columns) == {field.name for field in table.schema().fields}, node["name"]
        empty = [name for name, column in columns.items() if not column["description"].strip()]
        assert empty == [], node["name"]


def test_every_macro_and_argument_is_described(manifest):
    """The arguments are those of the macro, in its order."""
    for macro in own_macros(manifest):
        assert macro["description"].strip(), macro["name"]
        signature = SIGNATURE.search(macro["macro_sql"])
        given = ast.parse(f"def macro({signature[1]}): ...").body[0].args.args
        described = {a["name"]: a["description"] for a in macro["arguments"]}
        assert list(described) == [argument.arg for argument in given], macro["name"]
        assert all(described.values()), macro["name"]


def test_columns_that_repeat_share_their_description(manifest):
    """A meaning is written once, as a doc block; a table adds only what differs there."""
    columns = [
        (node["name"], name, column)
        for node in nodes_of(manifest, "seed", "model").values()
        for name, column in node["columns"].items()
    ]
    tables = Counter(name for _, name, _ in columns)
    unshared = {
        (table, name)
        for table, name, column in columns
        if tables[name] > 1 and f"doc.{PACKAGE}.{name}" not in column["doc_blocks"]
    }
    assert unshared == HOMONYMS
    used = {block for _, _, column in columns for block in column["doc_blocks"]}
    used |= {b for test in nodes_of(manifest, "test").values() for b in test["doc_blocks"]}
    own = {key for key, doc in manifest["docs"].items() if doc["package_name"] == PACKAGE}
    assert own == used | {f"doc.{PACKAGE}.__overview__"}


def test_only_published_tables_have_no_child(manifest):
    """A seed or internal model that nothing is made from would be left over."""
    for key, node in nodes_of(manifest, "seed", "model").items():
        has_child = any(child.startswith("model.") for child in manifest["child_map"][key])
        assert has_child or node["config"].get("access") == "public", key


def test_overview_links_lead_to_models(manifest):
    """Every link of the overview page is a page of the site."""
    text = manifest["docs"][f"doc.{PACKAGE}.__overview__"]["block_contents"]
    links = re.findall(r"#!/(\w+)/([\w.]+)", text)
    assert len(links) > 6
    assert all(manifest["nodes"][key]["resource_type"] == kind for kind, key in links)


@pytest.fixture(scope="module")
def written(tiny_world, tmp_path_factory) -> tuple[Path, ColumnLineage]:
    """Return the folder in which `make docs` writes, and the column lineage, of the tiny tables."""
    target = tmp_path_factory.mktemp("docs")
    generated = run_dbt(
        *("docs", "generate", "--static"),
        *("--vars", (ROOT / "presets" / "tiny.yml").read_text()),
        project=ROOT,
        target=target,
        env={"STOCKTRUE_WAREHOUSE": str(tiny_world.warehouse), "STOCKTRUE_SCHEMA": SCHEMA},
    )
    assert generated.returncode == 0, generated.output
    return target, write_pages(target)


def test_site_shows_columns_and_lineage(written, browser):
    """One file without a server: a model's columns, and its lineage from left to right."""
    site = written[0] / "docs" / "dbt.html"
    model = f"model.{PACKAGE}.gold_sales_fact"
    script = LINEAGE.replace("MODEL", model).replace("NAME", "gold_sales_fact")
    site.write_text(site.read_text() + script)
    page = browser.load(site)

    body = page.dom[page.dom.index("<body") :]
    shown = re.sub(r"<script.*?</script>", "", body, flags=re.DOTALL)
    assert "Till, store sales only." in shown
    assert "Day as a YYYYMMDD integer, the key of" in shown
    assert page.requests == []

    manifest = json.loads((written[0] / "manifest.json").read_text())
    lineage = dict(json.loads(re.search(r'id="lineage"[^>]*>(.*?)<', page.dom)[1]))
    expected, unseen = set(), [model]
    while unseen:
        node = unseen.pop()
        expected.add(node)
        unseen += [parent for parent in manifest["parent_map"][node] if parent not in expected]
    assert set(lineage) == expected
    assert len(expected) > 40
    for node in lineage:
        assert all(lineage[parent] < lineage[node] for parent in manifest["parent_map"][node])


def test_python_models_declare_the_origin_of_their_columns(manifest):
    """A column of a table that the model reads or its own, or a variable that it is given."""
    nodes = nodes_of(manifest, "seed", "model")
    python = [node for node in nodes.values() if node.get("language") == "python"]
    assert {node["name"] for node in python} == {
        *("int_customer_lives", "int_customer_visits", "int_demand_levels", "int_cart_lines"),
        *("int_replenishment_plan", "int_allocation"),
    }
    variables = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    for node in python:
        for column, origins in declared_origins(node).items():
            # Its name says it: of all columns, this one alone follows from nothing.
            assert origins or column == "record_kind", f"{node['name']}.{column}"
            for origin in origins:
                table, name = origin_column(origin, node)
                known = (
                    nodes[table]["columns"]
                    if table != VARIABLES
                    else variables.keys() & node["config"]
                )
                assert name in known, f"{node['name']}.{column}: {origin}"
            assert len(set(columns_read(column, node))) >= bool(origins)


def test_first_page_shows_the_story(written, browser):
    """Few enough boxes to read on one screen, for the whole and for every published table."""
    page = written[0] / "docs" / "index.html"
    page.write_text(page.read_text() + PICTURES)
    loaded = browser.load(page, 1600, 900)
    assert (loaded.requests, loaded.console) == ([], [])
    pictures = json.loads(re.search(r'id="pictures"[^>]*>(.*?)<', loaded.dom)[1])
    nodes = nodes_of(json.loads((written[0] / "manifest.json").read_text()), "model").values()
    published = {node["name"] for node in nodes if node["config"].get("access") == "public"}
    assert {name for name, *_ in pictures} >= published | {"story", "int_allocation"}
    for name, boxes, too_wide, width, height in pictures:
        assert len(boxes) <= MOST_BOXES, name
        assert too_wide == [], name
        assert width <= 1600, name
        assert height <= 780, name  # with its heading on a screen of 900
    story = set(pictures[0][1])
    assert story >= published | {"random_seed", "seeds/products", "int_cart_lines"}


def test_columns_are_traced_to_python_models_seeds_and_variables(written):
    """All SQL is understood, and what Python models declare goes on from there."""
    columns = written[1]
    assert columns.problems == []
    lost = ("model.stocktrue.gold_stockout_events", "lost_sales_quantity")
    allocation, lines = "model.stocktrue.int_allocation", "model.stocktrue.int_cart_lines"
    assert columns.origins(lost) == [
        (allocation, "attempt"),
        (allocation, "quantity_allocated"),
        (allocation, "quantity_requested"),
    ]
    assert columns.parents((allocation, "quantity_requested")) == [(lines, "quantity_requested")]
    assert columns.parents((lines, "quantity_requested")) == [
        ("seed.stocktrue.units_per_line", "quantity"),
        ("seed.stocktrue.units_per_line", "weight"),
        (VARIABLES, "random_seed"),
    ]
    drawn = ("model.stocktrue.gold_product_dim", "popularity_draw")
    assert (VARIABLES, "random_seed") in columns.origins(drawn)
    html = (written[0] / "docs" / "index.html").read_text()
    row = re.search(r'id="gold_stockout_events.lost_sales_quantity">.*?</tr>', html, re.DOTALL)[0]
    assert 'int_allocation: <a href="#int_allocation.attempt">' in row
    assert '<a href="#int_allocation.quantity_allocated">' in row
    assert 'id="int_allocation.quantity_allocated"' in html


def test_page_of_columns_opens_a_column(written, browser):
    """Without telemetry; the tables that its own follows from are there as well."""
    page = written[0] / "docs" / "columns.html"
    asked = "?model=model.stocktrue.gold_stockout_events&column=lost_sales_quantity&parents=4"
    loaded = browser.load(page, asked=asked)
    assert loaded.requests == []
    assert any("telemetry is disabled" in line for line in loaded.console)
    assert not any("Uncaught" in line for line in loaded.console)
    shown = re.sub(r"<script.*?</script>", "", loaded.dom, flags=re.DOTALL)
    for text in ("lost_sales_quantity", "int_line_outcomes", "int_allocation"):
        assert text in shown
