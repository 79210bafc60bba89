"""A bad edit of the reference data fails a test whose name says what is wrong."""

import csv
import shutil

import pytest
from support import ROOT, SCHEMA, run_dbt

# Seed, column, row number, new value (None: repeat the row), and a part of the failing test's name.
EDITS = [
    ("product_taxonomy", "weight", 0, "999", "weights_sum_to_product_taxonomy"),
    ("product_taxonomy", "price_low", 3, "5000", "product_taxonomy_price_low_at_most_price_high"),
    ("channels", "channel_type", 1, "teleport", "accepted_values_channels_channel_type"),
    ("brands", None, 2, None, "unique_brands_brand"),
    ("supply_schedule", "lead_time_days", 0, "21", "lead_time_at_most_review_period"),
    ("supply_schedule", "shrinkage_rate", 1, "7", "values_between_supply_schedule"),
    ("demand_by_month", "factor", 5, "3", "mean_is_demand_by_month"),
    ("return_lags", "weight", 5, "3", "weights_sum_to_return_lags"),
    ("customer_segments", "weight", 0, "", "no_missing_values_customer_segments"),
    ("demand_shape", "parameter", 0, "popularity", "accepted_values_demand_shape_parameter"),
    ("life_cycle_demand", "days_since_launch_to", 2, "170", "stages_tile_life_cycle_demand"),
]


@pytest.fixture(scope="module")
def failed_tests(tmp_path_factory):
    """Names of the tests that fail when every bad edit is made at once."""
    project = tmp_path_factory.mktemp("edited") / "project"
    unused = shutil.ignore_patterns(".*", "target", "warehouse*", "logs", "docs")
    shutil.copytree(ROOT, project, ignore=unused)
    for seed, column, row_number, value, _ in EDITS:
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
        *("build", "--select", *{f"{seed},resource_type:seed" for seed, *_ in EDITS}),
        *{f"{seed},resource_type:test" for seed, *_ in EDITS},
        project=project,
        target=project / "target",
        env={
            "STOCKTRUE_WAREHOUSE": str(project / "warehouse"),
            "STOCKTRUE_SCHEMA": SCHEMA,
        },
    )
    return [name for name, status in run.results().items() if status == "fail"]


@pytest.mark.parametrize("edit", EDITS, ids=[f"{edit[0]}-{edit[1]}" for edit in EDITS])
def test_bad_edit_fails_a_test_that_names_it(failed_tests, edit):
    assert [name for name in failed_tests if edit[-1] in name], failed_tests
