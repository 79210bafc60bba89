"""selectors.yml: each of the usual runs selects what its description says."""

import json

import pytest
import yaml
from dbt.cli.main import dbtRunner
from support import ROOT, TINY_VARS

SELECTORS = yaml.safe_load((ROOT / "selectors.yml").read_text())["selectors"]
# Published tables that the run for quick work leaves out.
SLOW = {
    "gold_channel_performance_agg",
    "gold_customer_event_fact",
    "gold_customer_product_affinity_agg",
    "gold_demand_forecast_fact",
    "gold_validation_results",
}


@pytest.fixture(scope="module")
def selected(parsed) -> dict[str, set[str]]:
    """Return the ids of the nodes that each selector selects."""
    found = {}
    for selector in SELECTORS:
        listed = dbtRunner().invoke(
            [
                *("--quiet", "ls", "--selector", selector["name"]),
                *("--output", "json", "--output-keys", "unique_id"),
                *("--vars", json.dumps(TINY_VARS)),
                *("--project-dir", str(ROOT), "--profiles-dir", str(ROOT), "--target", "local"),
                *("--target-path", str(parsed.target), "--log-path", str(parsed.target / "logs")),
            ]
        )
        assert listed.success, listed.exception
        found[selector["name"]] = {json.loads(line)["unique_id"] for line in listed.result}
    return found


def models_of(ids: set[str], manifest: dict) -> set[str]:
    """Return the folders below models/ that the models among the nodes lie in."""
    nodes = [manifest["nodes"][key] for key in ids if key.startswith("model.")]
    return {node["fqn"][1] for node in nodes}


def test_usual_runs_are_described():
    names = [each["name"] for each in SELECTORS]
    assert names == ["append", "dimensions", "facts", "quality", "fast"]
    assert all(each["description"] for each in SELECTORS)


@pytest.mark.parametrize("selector", ["dimensions", "facts", "fast"])
def test_run_needs_no_other_table(selected, manifest, selector):
    """All that a selected node reads is selected too, so an empty warehouse will do."""
    nodes = manifest["nodes"] | manifest["unit_tests"]
    for key in selected[selector]:
        assert set(nodes[key]["depends_on"].get("nodes", [])) <= selected[selector], key


def test_append_tests_the_published_tables_that_it_changes(selected, manifest):
    """No seed, no table that stays as it is or is not published, and nothing of a whole world."""
    nodes = manifest["nodes"]
    tests = {key for key in selected["append"] if key.startswith("test.")}
    models = selected["append"] - tests
    assert {key.split(".")[0] for key in models} == {"model"}
    assert len(tests) > 40
    for key in tests:
        assert "whole_world" not in nodes[key]["tags"], key
        looked_at = nodes[key].get("attached_node")
        if looked_at:
            assert looked_at in models, key
            assert nodes[looked_at]["config"]["access"] == "public", key
        else:
            assert models & set(nodes[key]["depends_on"]["nodes"]), key


def test_dimensions_are_all_dimensions_with_their_tests(selected, manifest):
    folders = {"horizon", "dimensions", "demand"}  # customers join where demand is
    assert models_of(selected["dimensions"], manifest) == folders
    of_folder = {k for k, n in manifest["nodes"].items() if n["fqn"][1] == "dimensions"}
    assert {k for k in of_folder if k.startswith("model.")} <= selected["dimensions"]
    assert any(key.startswith("test.") for key in selected["dimensions"])


def test_facts_are_all_facts_and_what_they_are_made_from(selected, manifest):
    folders = {"horizon", "dimensions", "demand", "allocation", "facts", "web"}
    assert models_of(selected["facts"], manifest) == folders
    models = {k for k, n in manifest["nodes"].items() if n["resource_type"] == "model"}
    facts = {key for key in models if manifest["nodes"][key]["fqn"][1] in ("facts", "web")}
    assert facts <= selected["facts"]


def test_quality_is_every_data_test_and_the_validations(selected, manifest):
    tests = {k for k, n in manifest["nodes"].items() if n["resource_type"] == "test"}
    models = {k for k, n in manifest["nodes"].items() if n["resource_type"] == "model"}
    quality = {key for key in models if manifest["nodes"][key]["fqn"][1] == "quality"}
    assert "model.stocktrue.gold_validation_results" in quality
    assert selected["quality"] == tests | quality


def test_fast_leaves_out_what_is_slow_and_keeps_tests_of_single_models(selected, manifest):
    published = {
        key: node["name"]
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["name"].startswith("gold_")
    }
    assert {published[key] for key in set(published) - selected["fast"]} == SLOW
    kinds = {key.split(".")[0] for key in selected["fast"]}
    assert kinds == {"seed", "model", "test"}
    for key in selected["fast"]:
        if key.startswith("test."):
            parents = set(manifest["nodes"][key]["depends_on"]["nodes"])
            (parent,) = parents - {"model.stocktrue.int_simulated_days"}
            assert parent.startswith("model."), key
