"""A bad edit of the reference data fails a test, and dbt prints what is wrong and where."""

import csv
import shutil

import pytest
import yaml
from support import ROOT, SCHEMA, run_dbt

# Kind of rule, seed, column, row number, new value (column None: repeat the row), what is printed.
EDITS = [
    ("unique", "brands", None, 2, None, "brand, rule = unique, value_found = Daybright"),
    (
        "unique",
        "sizes",
        "sort_order",
        1,
        "1",
        "size_ladder, sort_order, rule = unique, value_found = alpha, 1",
    ),
    ("nullable", "customer_segments", "weight", 0, "", "weight, rule = not null"),
    (
        "values",
        "channels",
        "channel_type",
        1,
        "teleport",
        "channel_type, rule = one of online, offline, hybrid, value_found = teleport",
    ),
    ("values", "holidays", "nth", 2, "7", "nth, rule = one of -1, 1, 2, 3, 4, value_found = 7"),
    (
        "distinct_counts",
        "abandonment_stages",
        "abandonment_stage",
        0,
        "payment",
        "abandonment_stage, rule = 3 different values, value_found = 2",
    ),
    (
        "ranges",
        "supply_schedule",
        "shrinkage_rate",
        1,
        "7",
        "shrinkage_rate, rule = at least 0 and at most 0.2, value_found = 7.0",
    ),
    (
        "ranges",
        "return_lags",
        "lag_days",
        0,
        "0",
        "lag_days, rule = at least 1 and at most 365, value_found = 0",
    ),
    (
        "positive",
        "location_formats",
        "total_sqft_low",
        1,
        "0",
        "total_sqft_low, rule = above 0, value_found = 0",
    ),
    (
        "patterns",
        "cities",
        "postal_code",
        0,
        "1000",
        "postal_code, rule = like ^[0-9]{5}$, value_found = 1000",
    ),
    (
        "rows",
        "supply_schedule",
        "lead_time_days",
        0,
        "21",
        'rule = lead_time_at_most_review_period, value_found = {"location_type":"store"',
    ),
    ("row_count", "demand_by_weekday", None, 0, None, "rule = 14 rows, value_found = 15"),
    (
        "foreign_keys",
        "product_taxonomy",
        "material_group",
        4,
        "stone",
        "material_group, not_found_in = materials.material_group, value_found = stone",
    ),
    ("relationships", "search_terms", "category_level_3", 0, "togas", "from_field = togas"),
    (
        "sums",
        "materials",
        "weight",
        0,
        "999",
        "weight, rule = sum 1000, none below 0 for each material_group, value_found = knit, 1539",
    ),
    (
        "means",
        "demand_by_month",
        "factor",
        5,
        "3",
        "factor, rule = mean 1 for each channel_group, value_found = store, 1.",
    ),
    ("stages_tile", "life_cycle_demand", "days_since_launch_to", 2, "170", "next_from = 180"),
]


def kinds_of_rules() -> set[str]:
    """Return the kinds of rules that the seeds have, those within table_rules one by one."""
    kinds = set()
    for path in (ROOT / "seeds").glob("*.yml"):
        (seed,) = yaml.safe_load(path.read_text())["seeds"]
        tests = [*seed.get("data_tests", [])]
        for column in seed["columns"]:
            tests += column.get("data_tests", [])
        for test in tests:
            ((kind, properties),) = test.items() if isinstance(test, dict) else ((test, {}),)
            kinds |= set(properties["arguments"]) if kind == "table_rules" else {kind}
    return kinds


@pytest.fixture(scope="module")
def printed_lines(tmp_path_factory):
    """What dbt prints when every bad edit is made at once."""
    project = tmp_path_factory.mktemp("edited") / "project"
    unused = shutil.ignore_patterns(".*", "target", "warehouse*", "logs", "docs")
    shutil.copytree(ROOT, project, ignore=unused)
    for _, seed, column, row_number, value, _ in EDITS:
        path = project / "seeds" / f"{seed}.csv"
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        if column:
            rows[row_number][column] = value
        else:
            rows.append(rows[row_number])
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    run = run_dbt(
        *("build", "--select", "resource_type:seed"),
        *{f"path:seeds/{seed}.yml,resource_type:test" for _, seed, *_ in EDITS},
        project=project,
        target=project / "target",
        env={
            "STOCKTRUE_WAREHOUSE": str(project / "warehouse"),
            "STOCKTRUE_SCHEMA": SCHEMA,
        },
    )
    return run.output.splitlines()


@pytest.mark.parametrize("edit", EDITS, ids=[f"{edit[1]}-{edit[2]}" for edit in EDITS])
def test_bad_edit_is_printed_with_its_place(printed_lines, edit):
    _, seed, column, *_, printed = edit
    parts = [seed, column or "", printed]
    assert any(all(part in line for part in parts) for line in printed_lines), [
        line for line in printed_lines if " = " in line
    ]


def test_every_kind_of_rule_has_a_bad_edit():
    assert kinds_of_rules() == {kind for kind, *_ in EDITS}
