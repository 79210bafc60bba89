"""The check of the rules of table_rules finds faults in their SQL, names and keys."""

import shutil

import lint_rules
import pytest
import yaml
from support import ROOT

GOOD = {"name": "price_covers_cost", "expression": "unit_cost < unit_price"}


@pytest.fixture(scope="module")
def sqlfluff():
    return lint_rules.linter()


@pytest.mark.parametrize(
    ("condition", "fault"),
    [
        ("unit_cost <unit_price", "LT01"),
        ("unit_cost < Unit_Price", "CP02"),
        ("is_return AND is_exchange", "CP01"),
        ("return_reason = null", "CV05"),
        ("unit_cost < < unit_price", "PRS"),
        ("(unit_cost < unit_price", "PRS"),
        ("abs(\nunit_cost\n) < 1", "LT02"),
    ],
)
@pytest.mark.parametrize("part", ["expression", "where"])
def test_sql_is_checked(sqlfluff, part, condition, fault):
    found = list(lint_rules.faults_of_sql([{**GOOD, part: condition}], sqlfluff))
    assert any(line.startswith(f"price_covers_cost: {fault} ") for line in found), found


@pytest.mark.parametrize(
    "condition",
    [
        "date_key <= {{ last_simulated_day() }}",
        "not (is_return and is_exchange) or unit_cost is not distinct from unit_price",
        "abs(\n    unit_cost - unit_price\n) < 1",
        "unit_cost < unit_price and " * 10 + "is_return",
    ],
)
def test_good_sql_has_no_fault(sqlfluff, condition):
    assert list(lint_rules.faults_of_sql([{**GOOD, "where": condition}], sqlfluff)) == []


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        ({**GOOD, "wher": "is_return"}, "no such key: wher"),
        ({"name": "price_covers_cost"}, "no expression"),
        ({**GOOD, "name": "rule_1"}, "not a name"),
        ({**GOOD, "name": "Price covers cost"}, "not a name"),
        ({"expression": "is_return"}, "not a name"),
        ({**GOOD, "severity": "warning"}, "severity is not error or warn"),
    ],
)
def test_keys_and_names_are_checked(rule, fault):
    (found,) = lint_rules.faults_of_names([rule])
    assert fault in found


def test_names_of_a_table_are_unique():
    assert len(list(lint_rules.faults_of_names([GOOD, {**GOOD, "severity": "warn"}]))) == 2
    assert list(lint_rules.faults_of_names([GOOD, {**GOOD, "name": "price_covers_tax"}])) == []


def test_faults_are_printed_with_their_place(tmp_path, monkeypatch, capsys):
    shutil.copy(ROOT / ".sqlfluff", tmp_path)
    file = tmp_path / "seeds" / "products" / "prices.yml"
    file.parent.mkdir(parents=True)
    monkeypatch.setattr(lint_rules, "ROOT", tmp_path)

    def lint(expression: str) -> int:
        test = {"table_rules": {"arguments": {"rules": [{**GOOD, "expression": expression}]}}}
        seed = {"name": "prices", "data_tests": [test]}
        file.write_text(yaml.safe_dump({"version": 2, "seeds": [seed]}))
        return lint_rules.main()

    assert lint("unit_cost < unit_price") == 0
    assert lint("unit_cost<unit_price") == 1
    printed = capsys.readouterr().out
    assert "seeds/products/prices.yml: prices: price_covers_cost: LT01 " in printed
