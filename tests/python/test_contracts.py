"""What is promised of tables: their properties and rows agree with the record, contracts.yml."""

import functools
import json
import re
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

CONTRACTS = yaml.safe_load(Path(__file__).with_name("contracts.yml").read_text())

# Internal tables may gain columns freely; the others are built exactly as declared.
PUBLISHED = [table for table in CONTRACTS if not table.startswith("int_")]

ARROW_TYPES = {
    "string": {pa.string(), pa.large_string(), pa.string_view()},
    "int": {pa.int32()},
    "bigint": {pa.int64()},
    "double": {pa.float64()},
    "boolean": {pa.bool_()},
    "date": {pa.date32()},
    "timestamp": {pa.timestamp("us"), pa.timestamp("us", tz="UTC")},
}


def model_of(manifest: dict, table: str) -> dict | None:
    """Return the model of a contract from the manifest, or None."""
    return manifest["nodes"].get(f"model.stocktrue.{table}")


def agrees_in_order(columns: list[str], table: str) -> bool:
    """Tell whether the columns are those of the contract in its order.

    Published tables may have more columns just before source_system, or at the end where there is
    none; the others anywhere.
    """
    promised = list(CONTRACTS[table]["columns"])
    if table not in PUBLISHED:
        return set(promised) <= set(columns)
    fixed = promised.index("source_system") if "source_system" in promised else len(promised)
    tail = len(promised) - fixed
    return columns[:fixed] + columns[len(columns) - tail :] == promised


def declaration(column: dict) -> str:
    """Return type and nullability of a column of the properties as contracts.yml writes them."""
    required = any(constraint["type"] == "not_null" for constraint in column["constraints"])
    return f"{column['data_type']} not null" if required else column["data_type"]


def test_every_published_model_has_a_contract(manifest):
    models = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    names = {model["name"] for model in models}
    assert {name for name in names if name.startswith("gold_")} <= set(CONTRACTS)


@pytest.mark.parametrize("table", PUBLISHED)
def test_properties_agree_with_the_contract(manifest, table):
    """Names, types, order and not-null constraints of the model's properties."""
    model = model_of(manifest, table)
    assert model, f"no model {table}"
    columns = {name: declaration(column) for name, column in model["columns"].items()}
    promised = CONTRACTS[table]["columns"]
    assert {name: columns.get(name) for name in promised} == promised
    assert agrees_in_order(list(columns), table)


@pytest.mark.parametrize("table", PUBLISHED)
def test_keys_agree_with_the_contract(manifest, table):
    """Primary and foreign keys are declared, and the model is open to other projects."""
    model = model_of(manifest, table)
    assert model["config"]["access"] == "public"
    keys = {"primary_key": [], "foreign_key": []}
    for constraint in model["constraints"]:
        keys[constraint["type"]].append(constraint)
    assert [key["columns"] for key in keys["primary_key"]] == [CONTRACTS[table]["primary_key"]]
    declared = {
        key["columns"][0]: f"{re.search(r'gold_[a-z_]+', key['to'])[0]}.{key['to_columns'][0]}"
        for key in keys["foreign_key"]
    }
    assert declared == CONTRACTS[table].get("foreign_keys", {})
    for constraint in model["constraints"]:
        kind = "pk" if constraint["type"] == "primary_key" else f"{constraint['columns'][0]}_fk"
        assert constraint["name"] == f"{table}_{kind}"


def keys_under_test(manifest: dict, table: str) -> tuple[list[list[str]], set[str]]:
    """Return the unique keys and the foreign keys that the data tests of a model look at."""
    unique, foreign = [], set()
    for node in manifest["nodes"].values():
        if node.get("attached_node") != f"model.stocktrue.{table}":
            continue
        kind, arguments = node["test_metadata"]["name"], node["test_metadata"]["kwargs"]
        if kind == "table_rules":
            keys = arguments.get("unique", [])
            unique += [[key] if isinstance(key, str) else sorted(key) for key in keys]
            for key in arguments.get("unique_in_group", []):
                unique.append(sorted([key["value"], *key.get("group_by", [])]))
        elif kind == "expect_compound_columns_to_be_unique":
            unique.append(sorted(arguments["column_list"]))
        elif kind == "foreign_keys":
            foreign.update(arguments["keys"])
        elif kind == "relationships":
            foreign.add(arguments["column_name"])
    return unique, foreign


@pytest.mark.parametrize("table", PUBLISHED)
def test_declared_keys_are_tested(manifest, table):
    """The engine takes declared keys on trust, so a data test looks at each of them."""
    unique, foreign = keys_under_test(manifest, table)
    assert sorted(CONTRACTS[table]["primary_key"]) in unique
    assert set(CONTRACTS[table].get("foreign_keys", {})) <= foreign


def test_rules_of_descriptions_are_tested(manifest):
    """A column whose description gives a rule is looked at by a data test of its table."""
    looked_at = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] != "test":
            continue
        if model := node.get("attached_node"):
            looked_at.setdefault(model, []).append(json.dumps(node["test_metadata"]["kwargs"]))
        else:
            for parent in node["depends_on"]["nodes"]:
                looked_at.setdefault(parent, []).append(node["raw_code"])
    ruled = [
        (key, name)
        for key, node in manifest["nodes"].items()
        for name, column in node.get("columns", {}).items()
        if "Rule:" in column["description"]
    ]
    assert len(ruled) > 40
    untested = [
        (key, name)
        for key, name in ruled
        if not re.search(rf"\b{name}\b", "\n".join(looked_at.get(key, [])))
    ]
    assert untested == []


def test_internal_models_are_private(manifest):
    """Only the published tables may be relied on; the others can change without notice."""
    models = [n for n in manifest["nodes"].values() if n["resource_type"] == "model"]
    internal = [
        m for m in models if m["package_name"] == "stocktrue" and m["name"] not in PUBLISHED
    ]
    assert internal
    assert {model["config"]["access"] for model in internal} == {"private"}


def test_order_rule_of_the_contracts():
    """New columns are allowed only just before source_system; none may be lost or moved."""
    table = "gold_channel_dim"
    columns = list(CONTRACTS[table]["columns"])
    last = columns.index("source_system")
    assert agrees_in_order(columns, table)
    assert agrees_in_order([*columns[:last], "new", *columns[last:]], table)
    assert not agrees_in_order([*columns, "new"], table)
    assert not agrees_in_order(["new", *columns], table)
    assert not agrees_in_order(columns[1:], table)
    assert not agrees_in_order([columns[1], columns[0], *columns[2:]], table)


@pytest.mark.parametrize("table", PUBLISHED)
def test_properties_are_enforced(manifest, table):
    """The build itself checks names and types: dbt's contract, or the adapter's for Python."""
    config = model_of(manifest, table)["config"]
    assert config["contract"]["enforced"] or config.get("enforce_contract")


@pytest.mark.parametrize("table", CONTRACTS)
def test_table_agrees_with_the_contract(tiny_world, manifest, table):
    """Names, types and nullability of the columns that were really built."""
    built = tiny_world.table(table)
    if table in PUBLISHED:
        assert built.column_names == list(model_of(manifest, table)["columns"])
    assert agrees_in_order(built.column_names, table)
    for name, promised in CONTRACTS[table]["columns"].items():
        type_, _, constraint = promised.partition(" ")
        assert built.schema.field(name).type in ARROW_TYPES[type_], name
        assert not constraint or built[name].null_count == 0, name


@pytest.mark.parametrize("table", CONTRACTS)
def test_primary_key_is_unique(tiny_world, table):
    """The rows of a table are told apart by its primary key."""
    built = tiny_world.table(table)
    keys = CONTRACTS[table]["primary_key"]
    assert built.group_by(keys).aggregate([]).num_rows == built.num_rows


@pytest.mark.parametrize("table", CONTRACTS)
def test_foreign_keys_resolve(tiny_world, table):
    """Every key that is not NULL is found in the table it refers to."""
    built = tiny_world.table(table)
    for column, target in CONTRACTS[table].get("foreign_keys", {}).items():
        other, key = target.split(".")
        known = pa.compute.is_in(built[column], value_set=key_values(tiny_world, other, key))
        unknown = pa.compute.and_not(pa.compute.is_valid(built[column]), known)
        assert not pa.compute.any(unknown).as_py(), f"{column} -> {target}"


@functools.cache
def key_values(world, table: str, column: str) -> pa.Array:
    """Return the distinct values of a column of a built table."""
    return world.table(table)[column].unique()
