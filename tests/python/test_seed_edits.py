"""A bad edit of the reference data fails a test, and dbt prints what is wrong and where."""

import csv
import itertools
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
        2,
        "1",
        "size_ladder, sort_order, rule = unique, value_found = women_alpha, 1",
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
        "complete",
        "abandonment_stages",
        "abandonment_stage",
        0,
        "payment",
        "abandonment_stage, rule = a row for each, value_found = none for cart",
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
        "rules",
        "supply_schedule",
        "lead_time_days",
        0,
        "21",
        'rule = lead_time_at_most_review_period, value_found = {"location_type":"store"',
    ),
    ("unique", "demand_by_weekday", None, 0, None, "rule = unique, value_found = store, 1"),
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

# Seed, old text, new text (old text None: an empty file but for its header), parts of a printed
# line. What is looked up somewhere else names the seed there.
ADDED = [
    (
        "product_taxonomy",
        "apparel,tops,t-shirts,T-Shirt,knit,56,",
        "apparel,tops,crop_tops,Crop Top,knit,10,12,32,0.38,0.52,year_round,1.45,0.85,"
        "true\napparel,tops,t-shirts,T-Shirt,knit,46,",
        ["product_taxonomy", "not_found_in = search_terms.category_level_3", "found = crop_tops"],
    ),
    (
        "web_session_scripts",
        "browse,bounce,450",
        "browse,bounce,440\nbrowse,dream,10",
        ["not_found_in = web_session_steps.part, script, value_found = browse, dream"],
    ),
    (
        "channels",
        "true,0,digital,300,960,0,40",
        "true,0,digital,290,960,0,40\n10,FAIR,Fair,online,store,mobile,true,true,0,digital,10,0,"
        "1000,0",
        ["not_found_in = web_referrers.channel_category, value_found = store"],
    ),
    (
        "return_reasons",
        "true,too_large,true,220,0.35",
        "true,too_large,true,200,0.35\ntrue,too_long,true,20,0.35",
        ["not_found_in = fit_answers.return_reason, value_found = too_long"],
    ),
    (
        "promotions",
        "clearance,percentage,25",
        "clearance,percentage,95",
        ["promotions_rules", "rule = percentage_is_at_most_90"],
    ),
]
LOST = [
    (
        "search_terms",
        "winter boots,",
        "sandals,",
        ["not_found_in = search_terms.category_level_3, value_found = winter boots"],
    ),
    (
        "cities",
        "4,Dallas,TX,",
        "4,Austin,TX,",
        ["base_locations", "not_found_in = cities.city, state_code, value_found = Dallas, TX"],
    ),
    (
        "season_profiles",
        "winter,3,0.36\n",
        "",
        ["season_profiles_rules", "season_profile, month", "value_found = none for winter, 3"],
    ),
    ("demand_by_hour", "store,0,0\n", "", ["demand_by_hour", "value_found = none for store, 0"]),
    (
        "price_response",
        "belts,",
        "braces,",
        ["not_found_in = price_response.category_level_2, value_found = belts"],
    ),
    (
        "shortage_responses",
        "category,eyewear,",
        "category,glasses,",
        ["not_found_in = product_taxonomy.category_level_2, value_found = glasses"],
    ),
    (
        "shortage_responses",
        "segment,vip,",
        "segment,best,",
        ["not_found_in = customer_segments.segment, value_found = best"],
    ),
    ("sizes", "women_numeric,2,2,66\n", "", ["sizes_have_no_gap", "sort_order = 1, next_from = 3"]),
    (
        "location_pattern",
        "\n3,",
        "\n20,",
        ["location_pattern_has_no_gap", "pattern_position = 2, next_from = 4"],
    ),
    (
        "price_tiers",
        "mid,0.75,1.25,1\n",
        "",
        ["price_tiers_tile", "ratio_to = 0.75, next_from = 1.25"],
    ),
    ("affinity_weights", "view_points", "v", ["affinity_weights", "none for view_points"]),
    ("realism_ranges", ",prices,", ",stock,", ["realism_ranges", "none for prices"]),
]
EMPTY = [
    ("movement_types", None, None, ["movement_types", "value_found = none for receipt"]),
    ("web_pages", None, None, ["web_session_steps", "not_found_in = web_pages.page", "= home"]),
    ("body_types", None, None, ["body_types", "rule = sum 1000", "value_found = nothing"]),
]
CASING = [
    ("web_browsers", "ios_app,", "iOS_App,", ["web_browsers", "value_found = iOS_App"]),
    ("location_formats", "outlet,store,", "Outlet,store,", ["location_pattern", "= outlet"]),
    ("colors", "color_family", "Color_Family", ["colors.csv, line 1: no column 'color_family'"]),
]
UNREADABLE = [
    ("fulfillment_ranks", ",", ";", ["fulfillment_ranks.csv, line 1: no column 'distance_rank'"]),
    ("size_fit", "0,too_small", '"0,too_small', ["size_fit.csv, line 8: unexpected end"]),
    ("units_per_line", "2,140", "2", ["units_per_line.csv, line 3: 1 values for 2 columns"]),
    ("forecast_settings", "1.96", "wide", ["forecast_settings.csv, line 5: 'wide' in column"]),
]
# More rows than are printed one by one.
MANY = [
    (
        "first_names",
        "female,",
        "woman,",
        ["first_names_rules: severity = error", "rule = one of female, male, rows_found = 100"],
    ),
]
TEXT_EDITS = {
    "many": MANY,
    "added": ADDED,
    "lost": LOST,
    "empty": EMPTY,
    "casing": CASING,
    "unreadable": UNREADABLE,
}
# Seeds that may be empty: a year without holidays, promotions, gifts or markdowns of some kind;
# places that want the same.
MAY_BE_EMPTY = {
    *("holidays", "promotions"),
    *("end_of_life_markdowns", "season_markdowns", "slow_seller_markdowns", "gift_seasons"),
    *("temperature_response", "format_demand"),
    *("taste_categories", "taste_colors", "brand_looks"),
}


def seed_tests() -> list[tuple[str, str, dict]]:
    """Return seed, kind and arguments of each test of a seed."""
    found = []
    for path in (ROOT / "seeds").rglob("*.yml"):
        (seed,) = yaml.safe_load(path.read_text())["seeds"]
        tests = [*seed.get("data_tests", [])]
        for column in seed["columns"]:
            tests += column.get("data_tests", [])
        found += [
            (seed["name"], kind, properties["arguments"])
            for test in tests
            for kind, properties in test.items()
        ]
    return found


def kinds_of_rules() -> set[str]:
    """Return the kinds of rules that the seeds have, those within table_rules one by one."""
    kinds = set()
    for _, kind, arguments in seed_tests():
        kinds |= set(arguments) if kind == "table_rules" else {kind}
    return kinds


@pytest.fixture(scope="module")
def printed_lines(tmp_path_factory):
    """What dbt prints when every bad edit is made at once."""
    project = tmp_path_factory.mktemp("edited") / "project"
    unused = shutil.ignore_patterns(".*", "target", "warehouse*", "logs", "docs")
    shutil.copytree(ROOT, project, ignore=unused)
    for _, seed, column, row_number, value, _ in EDITS:
        (path,) = (project / "seeds").rglob(f"{seed}.csv")
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        if column:
            rows[row_number][column] = value
        else:
            rows.append(rows[row_number])
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    for seed, old, new, _ in itertools.chain(*TEXT_EDITS.values()):
        (path,) = (project / "seeds").rglob(f"{seed}.csv")
        text = path.read_text()
        assert old is None or old in text, (seed, old)
        path.write_text(text.replace(old, new) if old else text.splitlines()[0] + "\n")
    run = run_dbt(
        *("build", "--select", "resource_type:seed", "path:seeds,resource_type:test"),
        # Would drop the events of the new category.
        "int_product_pages",
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


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(edit, id=f"{kind}-{edit[0]}")
        for kind in TEXT_EDITS
        for edit in TEXT_EDITS[kind]
    ],
)
def test_changed_file_is_printed_with_what_is_missing_where(printed_lines, edit):
    *_, parts = edit
    assert any(all(part in line for part in parts) for line in printed_lines), [
        line for line in printed_lines if any(part in line for part in parts)
    ]


def test_nothing_is_built_from_seeds_that_do_not_fit_together(printed_lines):
    assert any("SKIP" in line and "int_product_pages" in line for line in printed_lines)


def test_every_seed_is_refused_when_it_is_empty():
    refused = set()
    for seed, kind, arguments in seed_tests():
        if kind == "relationships":
            refused.add(arguments["to"].split("'")[1])
        elif kind == "foreign_keys":
            refused |= {target[0].split("'")[1] for target in arguments["keys"].values()}
        elif arguments.get("complete") or {} in arguments.get("sums", {}).values():
            refused.add(seed)
    seeds = {path.stem for path in (ROOT / "seeds").rglob("*.csv")}
    assert seeds - refused == MAY_BE_EMPTY - refused


def test_every_kind_of_rule_has_a_bad_edit():
    assert kinds_of_rules() == {kind for kind, *_ in EDITS}
