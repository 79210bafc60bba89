"""The stand-in for dbt_expectations, and table_rules: all pass and fail as they should."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from support import ROOT, run_dbt

# STOCKTRUE_EXPECTATIONS points the same cases at another copy of the package.
PACKAGE = Path(os.environ.get("STOCKTRUE_EXPECTATIONS", ROOT / "local_packages"))

# grp, sort, name, low, high, size: six rows with one NULL size.
SAMPLE = """
select * from values
    ('a', 1, 'AB1', 1.0D, 2.0D, 10),
    ('a', 2, 'AB2', 2.0D, 3.0D, 20),
    ('a', 3, 'AB3', 3.0D, 3.0D, 30),
    ('b', 1, 'xAB4', 4.0D, 5.0D, 40),
    ('b', 2, 'ab5', 5.0D, 7.0D, 50),
    ('b', 2, null, 6.0D, 8.0D, null)
as t (grp, sort, name, low, high, size)
"""
OTHER = """
select * from values ('a', 1), ('a', 2), ('a', 3), ('b', 4), ('b', 5), ('c', 6)
as t (team, num)
"""
DOUBLE = """
select * from values
    ('a'), ('a'), ('a'), ('a'), ('a'), ('a'), ('b'), ('b'), ('b'), ('b'), ('b'), ('b')
as t (grp)
"""

# Column (None for a test of the whole table), test, arguments, whether it passes.
CASES = [
    ("low", "expect_column_values_to_be_between", {"min_value": 1, "max_value": 6}, True),
    ("low", "expect_column_values_to_be_between", {"min_value": 1.5}, False),
    ("low", "expect_column_values_to_be_between", {"max_value": 5.5}, False),
    ("low", "expect_column_values_to_be_between", {"min_value": 1, "strictly": True}, False),
    ("low", "expect_column_values_to_be_between", {"min_value": 0, "strictly": True}, True),
    (
        "low",
        "expect_column_values_to_be_between",
        {"max_value": 3, "row_condition": "grp = 'a'"},
        True,
    ),
    (
        "low",
        "expect_column_values_to_be_between",
        {"max_value": 3, "row_condition": "grp = 'a' or sort = 1"},
        False,
    ),
    ("low", "expect_column_values_to_be_between", {"min_value": "sort", "max_value": "high"}, True),
    ("low", "expect_column_values_to_be_between", {"min_value": "sort + 1"}, False),
    ("size", "expect_column_values_to_be_between", {"min_value": 10, "max_value": 50}, True),
    ("name", "expect_column_values_to_match_regex", {"regex": "[ABab]+[0-9]$"}, True),
    ("name", "expect_column_values_to_match_regex", {"regex": "^AB[0-9]$"}, False),
    (
        "name",
        "expect_column_values_to_match_regex",
        {"regex": "^AB[0-9]$", "row_condition": "grp = 'a'"},
        True,
    ),
    ("grp", "expect_column_distinct_values_to_be_in_set", {"value_set": ["a", "b", "c"]}, True),
    ("grp", "expect_column_distinct_values_to_be_in_set", {"value_set": ["a"]}, False),
    (
        "grp",
        "expect_column_distinct_values_to_be_in_set",
        {"value_set": ["a"], "row_condition": "low <= 3"},
        True,
    ),
    (
        "sort",
        "expect_column_distinct_values_to_be_in_set",
        {"value_set": [1, 2, 3], "quote_values": False},
        True,
    ),
    (
        "sort",
        "expect_column_distinct_values_to_be_in_set",
        {"value_set": [1, 2], "quote_values": False},
        False,
    ),
    (
        "size",
        "expect_column_distinct_values_to_be_in_set",
        {"value_set": [10, 20, 30, 40, 50], "quote_values": False},
        False,
    ),
    ("low", "expect_column_mean_to_be_between", {"min_value": 3.5, "max_value": 3.5}, True),
    ("low", "expect_column_mean_to_be_between", {"min_value": 3.6}, False),
    ("low", "expect_column_mean_to_be_between", {"max_value": 3.4}, False),
    ("low", "expect_column_mean_to_be_between", {"min_value": 3.5, "strictly": True}, False),
    ("low", "expect_column_mean_to_be_between", {"max_value": 3.5, "group_by": ["grp"]}, False),
    (
        "low",
        "expect_column_mean_to_be_between",
        {"min_value": 2, "max_value": 5, "group_by": ["grp"]},
        True,
    ),
    (
        "low",
        "expect_column_mean_to_be_between",
        {"max_value": 2, "row_condition": "grp = 'a'"},
        True,
    ),
    ("size", "expect_column_mean_to_be_between", {"min_value": 30, "max_value": 30}, True),
    (
        "low",
        "expect_column_quantile_values_to_be_between",
        {"quantile": 0.5, "min_value": 3.5, "max_value": 3.5},
        True,
    ),
    (
        "low",
        "expect_column_quantile_values_to_be_between",
        {"quantile": 0.9, "min_value": 5.5, "max_value": 5.5},
        True,
    ),
    (
        "low",
        "expect_column_quantile_values_to_be_between",
        {"quantile": 0.5, "max_value": 3.4},
        False,
    ),
    (
        "low",
        "expect_column_quantile_values_to_be_between",
        {"quantile": 0.5, "max_value": 3.5, "strictly": True},
        False,
    ),
    (
        "low",
        "expect_column_quantile_values_to_be_between",
        {"quantile": 0.5, "max_value": 2, "row_condition": "grp = 'a'"},
        True,
    ),
    (
        "sort",
        "expect_column_proportion_of_unique_values_to_be_between",
        {"min_value": 0.5, "max_value": 0.5},
        True,
    ),
    (
        "sort",
        "expect_column_proportion_of_unique_values_to_be_between",
        {"min_value": 0.5, "strictly": True},
        False,
    ),
    (
        "sort",
        "expect_column_proportion_of_unique_values_to_be_between",
        {"min_value": 1, "group_by": ["grp"]},
        False,
    ),
    (
        "sort",
        "expect_column_proportion_of_unique_values_to_be_between",
        {"min_value": 1, "row_condition": "grp = 'a'"},
        True,
    ),
    (
        "size",
        "expect_column_proportion_of_unique_values_to_be_between",
        {"min_value": 1, "max_value": 1},
        True,
    ),
    (
        None,
        "expect_column_pair_values_A_to_be_greater_than_B",
        {"column_A": "high", "column_B": "low", "or_equal": True},
        True,
    ),
    (
        None,
        "expect_column_pair_values_A_to_be_greater_than_B",
        {"column_A": "high", "column_B": "low"},
        False,
    ),
    (
        None,
        "expect_column_pair_values_A_to_be_greater_than_B",
        {"column_A": "high", "column_B": "low", "row_condition": "grp = 'b'"},
        True,
    ),
    (None, "expect_compound_columns_to_be_unique", {"column_list": ["grp", "low"]}, True),
    (None, "expect_compound_columns_to_be_unique", {"column_list": ["grp", "sort"]}, False),
    (
        None,
        "expect_compound_columns_to_be_unique",
        {"column_list": ["grp", "sort"], "row_condition": "low < 6"},
        True,
    ),
    (
        None,
        "expect_compound_columns_to_be_unique",
        {"column_list": ["grp", "low"], "quote_columns": True},
        True,
    ),
    (None, "expect_compound_columns_to_be_unique", {"column_list": ["twin", "gap"]}, False),
    (
        None,
        "expect_compound_columns_to_be_unique",
        {"column_list": ["twin", "gap"], "ignore_row_if": "any_value_is_missing"},
        True,
    ),
    (None, "expect_compound_columns_to_be_unique", {"column_list": ["gap", "hole"]}, True),
    (
        None,
        "expect_multicolumn_sum_to_equal",
        {"column_list": ["low", "high"], "sum_total": 49},
        True,
    ),
    (
        None,
        "expect_multicolumn_sum_to_equal",
        {"column_list": ["low", "high"], "sum_total": 50},
        False,
    ),
    (
        None,
        "expect_multicolumn_sum_to_equal",
        {"column_list": ["low", "high"], "sum_total": 14, "row_condition": "grp = 'a'"},
        True,
    ),
    (
        None,
        "expect_multicolumn_sum_to_equal",
        {"column_list": ["low"], "sum_total": 6, "group_by": ["grp"]},
        False,
    ),
    (None, "expect_table_row_count_to_be_between", {"min_value": 6, "max_value": 6}, True),
    (None, "expect_table_row_count_to_be_between", {"min_value": 7}, False),
    (None, "expect_table_row_count_to_be_between", {"max_value": 5}, False),
    (None, "expect_table_row_count_to_be_between", {"min_value": 6, "strictly": True}, False),
    (None, "expect_table_row_count_to_be_between", {"max_value": 3, "group_by": ["grp"]}, True),
    (
        None,
        "expect_table_row_count_to_be_between",
        {"max_value": 1, "group_by": ["grp", "sort"]},
        False,
    ),
    (
        None,
        "expect_table_row_count_to_be_between",
        {"max_value": 3, "row_condition": "grp = 'a'"},
        True,
    ),
    (
        None,
        "expect_table_row_count_to_equal_other_table",
        {"compare_model": "ref('other')"},
        True,
    ),
    (
        None,
        "expect_table_row_count_to_equal_other_table",
        {"compare_model": "ref('other')", "compare_row_condition": "num < 6"},
        False,
    ),
    (
        None,
        "expect_table_row_count_to_equal_other_table",
        {
            "compare_model": "ref('other')",
            "row_condition": "grp = 'a'",
            "compare_row_condition": "num < 4",
        },
        True,
    ),
    (
        None,
        "expect_table_row_count_to_equal_other_table",
        {
            "compare_model": "ref('other')",
            "group_by": ["grp"],
            "compare_group_by": ["team"],
        },
        False,
    ),
    (
        None,
        "expect_table_row_count_to_equal_other_table",
        {
            "compare_model": "ref('other')",
            "group_by": ["grp"],
            "compare_group_by": ["team"],
            "row_condition": "low <= 3",
            "compare_row_condition": "num <= 3",
        },
        True,
    ),
    (
        None,
        "expect_table_row_count_to_equal_other_table",
        {"compare_model": "ref('double')", "factor": 0.5},
        True,
    ),
    (
        None,
        "expect_table_row_count_to_equal_other_table",
        {"compare_model": "ref('double')"},
        False,
    ),
    (
        None,
        "expect_table_row_count_to_equal_other_table",
        {"compare_model": "ref('double')", "factor": 0.5, "group_by": ["grp"]},
        True,
    ),
]

# Documented arguments that the package ignores, or cannot serve, on Spark.
STAND_IN_ONLY = [
    (
        "low",
        "expect_column_quantile_values_to_be_between",
        {"quantile": 0.5, "max_value": 3.5, "group_by": ["grp"]},
        False,
    ),
    (
        "name",
        "expect_column_values_to_match_regex",
        {"regex": "^x?ab[0-9]$", "flags": "i"},
        True,
    ),
    ("name", "expect_column_values_to_match_regex", {"regex": r"AB\d|ab\d", "is_raw": True}, True),
    ("name", "expect_column_values_to_match_regex", {"regex": r"AB\d", "is_raw": True}, False),
]
if "STOCKTRUE_EXPECTATIONS" not in os.environ:
    CASES += STAND_IN_ONLY

GRP = {"values": {"grp": ["a", "b"]}}


def rules(others: dict | None = None, where="", severity="", **expressions: str) -> dict:
    """Return `rules` of table_rules: others and these, by name, of one `where` and severity."""
    options = {key: text for key, text in (("where", where), ("severity", severity)) if text}
    own = [{"name": name, "expression": text, **options} for name, text in expressions.items()]
    return {"rules": [*(others or {"rules": []})["rules"], *own]}


# The rules of the project's own test of a table: arguments, whether it passes or only warns.
RULES = [
    ({"unique": ["low", "name", "hole"]}, True),
    ({"unique": ["high"]}, False),
    ({"unique": ["grp"]}, False),
    ({"unique": [["grp", "low"], ["gap", "hole"]]}, True),
    ({"unique": [["grp", "sort"]]}, False),
    ({"unique": [["twin", "gap"]]}, False),
    ({"unique_in_group": [{"value": "cast(low as int)"}]}, True),
    ({"unique_in_group": [{"value": "sort", "group_by": ["name"]}]}, True),
    ({"unique_in_group": [{"value": "sort"}]}, False),
    ({"unique_in_group": [{"value": "sort", "group_by": ["grp"]}]}, False),
    ({"unique_in_group": [{"value": "size", "group_by": ["sort"]}]}, False),
    ({"not_null": ["grp", "low"]}, True),
    ({"not_null": ["grp", "name"]}, False),
    ({"nullable": ["name", "size", "gap", "hole"]}, True),
    ({"nullable": ["name", "gap", "hole"]}, False),
    ({"values": {"grp": ["a", "b"], "sort": [1, 2, 3], "hole": [1]}}, True),
    ({"values": {"grp": ["a", "b"], "sort": [1, 2]}}, False),
    ({**GRP, "complete": ["grp"]}, True),
    ({"values": {"grp": ["a", "b", "c"]}, "complete": ["grp"]}, False),
    ({"ranges": {"low": [1, 6]}, "complete": ["low"]}, True),
    ({"ranges": {"low": [1, 7]}, "complete": ["low"]}, False),
    ({"complete": [{"grp": ["a", "b"], "sort": [1, 2]}]}, True),
    (
        {"values": {"grp": ["a", "b"]}, "ranges": {"low": [1, 6]}, "complete": [["grp", "low"]]},
        False,
    ),
    ({"complete": [{"grp": ["A"]}]}, False),
    ({"complete": [{"hole": [1]}]}, False),
    ({"ranges": {"low": [1, 6], "size": [10, None], "hole": [1, 2]}}, True),
    ({"ranges": {"low": [1, 6], "size": [11, None]}}, False),
    ({"ranges": {"low": [None, 5]}}, False),
    ({"positive": ["low", "size", "hole"]}, True),
    ({"positive": ["low - 1"]}, False),
    ({"patterns": {"name": "^x?[ABab]+[0-9]$", "grp": "^[ab]$"}}, True),
    ({"patterns": {"name": "^[AB]+[0-9]$"}}, False),
    (rules(ordered="low <= high", **{"it's the same": "twin = 'x'"}), True),
    (rules(ordered="low < high", twins="twin = 'x'"), False),
    (rules(null_counts_as_false="size > 0"), False),
    (rules(or_in_it="low < 4 or low > 3"), True),
    (rules(sized_in_a="size > 0", where="grp = 'a'"), True),
    (rules(sized_in_b="size > 0", where="grp = 'b'"), False),
    (rules(or_in_where="coalesce(size, 10) = 10", where="low = 1 or name is null"), True),
    (rules(null_in_where="size > 60", where="gap > 6 or hole = 1"), True),
    (rules(ordered="low < high", severity="warn"), "warn"),
    (rules(ordered="low <= high", severity="warn"), True),
    (rules(sized="size > 0", where="grp = 'b'", severity="warn"), "warn"),
    (rules(sized="size > 0", where="grp = 'a'", severity="warn"), True),
    (rules(rules(early="low < 2", severity="warn"), ordered="low < high"), False),
    (rules(rules(early="low < 2", severity="warn"), ordered="low <= high"), "warn"),
    ({"unique": ["grp"], **rules(early="low < 2", severity="warn")}, False),
    ({"not_null": ["name"], **rules(early="low < 2", severity="warn")}, False),
    ({"sums": {"sort": {"total": 6, "group_by": ["grp"]}}}, False),
    ({"sums": {"low": {"total": 21}, "size": {"total": 150}}}, True),
    ({"sums": {"low": {"total": 20}}}, False),
    ({"sums": {"low - 2": {"total": 9}}}, False),
    ({"sums": {"hole": {"total": 0}}}, False),
    ({"means": {"sort": {"mean": 2, "tolerance": 0.4, "group_by": ["grp"]}}}, True),
    ({"means": {"low": {"mean": 13 / 3, "weight": "low"}}}, True),
    ({"means": {"low": {"mean": 3.5, "weight": "low"}}}, False),
    ({"means": {"low": {"mean": 3.5, "group_by": ["grp"]}}}, False),
    ({"means": {"hole": {"mean": 1}}}, False),
]
CASES += [(None, "table_rules", arguments, passes) for arguments, passes in RULES]
OWN_FILES = ("macros/rule_queries.sql", "tests/generic/table_rules.sql")


def case_name(index: int) -> str:
    """Return the name of a case in dbt."""
    return f"case_{index}"


def write_project(folder: Path) -> None:
    """Write a dbt project whose data tests are the cases."""
    (folder / "models").mkdir()
    sample = SAMPLE.replace(
        "select *",
        "select *, 'x' as twin, cast(if(low < 3, null, low) as int) as gap,"
        " cast(null as int) as hole",
    )
    for name, query in {"sample": sample, "other": OTHER, "double": DOUBLE}.items():
        (folder / "models" / f"{name}.sql").write_text(query)
    project = {
        "name": "cases",
        "profile": "stocktrue",
        "models": {"+materialized": "table"},
        "flags": {"send_anonymous_usage_stats": False},
        "vars": {"dbt_date:time_zone": "UTC"},
    }
    profile = {
        "type": "embedded",
        "engine": "sail",
        "warehouse": str(folder / "warehouse"),
        "schema": "cases",
        "threads": 2,
    }
    tests: dict = {"columns": {}, "table": []}
    for index, (column, test, arguments, _) in enumerate(CASES):
        name = test if test == "table_rules" else f"dbt_expectations.{test}"
        entry = {name: {"name": case_name(index), "arguments": arguments}}
        (tests["columns"].setdefault(column, []) if column else tests["table"]).append(entry)
    columns = [{"name": name, "data_tests": found} for name, found in tests["columns"].items()]
    model = {"name": "sample", "columns": columns, "data_tests": tests["table"]}
    documents = {
        "dbt_project.yml": project,
        "profiles.yml": {"stocktrue": {"target": "local", "outputs": {"local": profile}}},
        "models/sample.yml": {"models": [model]},
    }
    for path, document in documents.items():
        (folder / path).write_text(yaml.safe_dump(document, sort_keys=False))
    shutil.copytree(PACKAGE, folder / "dbt_packages")
    for path in OWN_FILES:
        (folder / path).parent.mkdir(parents=True)
        shutil.copy(ROOT / path, folder / path)


@pytest.fixture(scope="module")
def statuses(tmp_path_factory) -> dict[str, str]:
    """Return the status of every case after one dbt build."""
    folder = tmp_path_factory.mktemp("expectations")
    write_project(folder)
    build = run_dbt("build", project=folder, target=folder / "target")
    results = build.results()
    assert results["sample"] == "success", build.output
    return results


@pytest.mark.parametrize(
    ("index", "passes"),
    [
        pytest.param(index, passes, id=f"{test}-{index}")
        for index, (_, test, _, passes) in enumerate(CASES)
    ],
)
def test_case(statuses, index, passes):
    """The test gives the documented result."""
    assert statuses[case_name(index)] == {True: "pass", False: "fail"}.get(passes, passes)


def test_every_test_is_shown_to_pass_and_to_fail():
    """Each test of the stand-in has a case that passes and one that fails."""
    text = "".join(path.read_text() for path in PACKAGE.rglob("*.sql"))
    if PACKAGE == ROOT / "local_packages":
        offered = {line.split()[2].rstrip("(") for line in text.splitlines() if "{% test" in line}
        for passes in (True, False):
            cases = {test for _, test, _, passed in CASES if passed == passes}
            assert offered == cases - {"table_rules"}
