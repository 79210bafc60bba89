"""The published queries in analyses/: each one runs on the tiny world and has an answer."""

import pytest
import yaml
from dbt.adapters.embedded.engines import start_engine
from dbt.adapters.embedded.warehouse import Warehouse
from support import ROOT, SCHEMA, run_dbt

ANALYSES = ROOT / "analyses"
QUERIES = {path.stem: path for path in sorted(ANALYSES.rglob("*.sql"))}
# Columns that hold nothing but zeros as long as the tables agree; all others tell something.
NOTHING_WRONG = {
    "lost_sales_tracking": {"lines_without_event"},
    "quantity_reconciliation": {"units_unexplained"},
    "stockout_event_completeness": {"days_missing"},
}


@pytest.fixture(scope="module")
def compiled(tiny_world, tmp_path_factory):
    """Return the folder of the compiled queries."""
    run = run_dbt(
        *("compile", "--select", "resource_type:analysis"),
        *("--vars", (ROOT / "presets" / "tiny.yml").read_text()),
        project=ROOT,
        target=tmp_path_factory.mktemp("analyses"),
        env={"STOCKTRUE_WAREHOUSE": str(tiny_world.warehouse), "STOCKTRUE_SCHEMA": SCHEMA},
    )
    assert run.returncode == 0, run.output
    return run.target / "compiled" / "stocktrue" / "analyses"


@pytest.fixture(scope="module")
def session(tiny_world):
    """Return a session of the local engine with the tiny tables."""
    session = start_engine("sail")
    Warehouse(session, "sail", tiny_world.warehouse).attach(SCHEMA)
    return session


@pytest.fixture(scope="module")
def answer(session, compiled):
    """Return a function that runs a query and returns its rows."""

    def run(name):
        rows = session.sql((compiled / QUERIES[name].relative_to(ANALYSES)).read_text()).collect()
        return [row.asDict() for row in rows]

    return run


def test_every_published_query_is_there_and_described():
    assert len(list(ANALYSES.glob("*.sql"))) == 9
    files = [yaml.safe_load(path.read_text()) for path in ANALYSES.rglob("*.yml")]
    properties = [entry for file in files for entry in file["analyses"]]
    assert {entry["name"] for entry in properties} == set(QUERIES)
    assert all(entry["description"].startswith("One row per") for entry in properties)


@pytest.mark.parametrize("name", QUERIES)
def test_query_opens_with_its_question_and_answers_it(answer, name):
    comment = []
    for line in QUERIES[name].read_text().splitlines():
        if not line.startswith("--"):
            break
        comment.append(line)
    assert "?" in " ".join(comment)
    rows = answer(name)
    empty = {column for column in rows[0] if not any(row[column] for row in rows)}
    assert empty == NOTHING_WRONG.get(name, set())


def test_ten_products_by_lost_revenue(answer):
    lost = [row["lost_revenue"] for row in answer("top_products_by_lost_revenue")]
    assert len(lost) == 10
    assert lost == sorted(lost, reverse=True)
    assert lost[-1] > 0


def test_stockout_rates_fall_and_are_shares(answer):
    rates = [row["stockout_rate"] for row in answer("locations_with_highest_stockout_rate")]
    assert rates == sorted(rates, reverse=True)
    assert 1 > rates[0] > 0


def test_low_inventory_carts_are_expected_to_be_abandoned_more(answer):
    rates = {
        row["low_inventory_trigger"]: row["expected_abandonment_rate"]
        for row in answer("abandonment_by_low_inventory")
        if not row["capacity_exceeded_trigger"]
    }
    assert rates[True] > rates[False]


def test_stock_of_each_category_turns(answer):
    rows = answer("inventory_turnover_by_category")
    assert len({row["category_level_1"] for row in rows}) == len(rows) == 4
    assert all(0 < row["turns_a_year"] < 50 for row in rows)


def test_no_unit_is_unexplained(answer):
    rows = answer("quantity_reconciliation")
    assert sum(row["units_sold"] for row in rows) > 0
    assert {row["units_unexplained"] for row in rows} == {0}


def test_events_cover_all_stockout_days(answer):
    rows = answer("stockout_event_completeness")
    assert sum(row["stockout_days"] for row in rows) > 0
    assert {row["days_missing"] for row in rows} == {0}


def test_every_lost_sale_has_an_event(answer):
    assert {row["lines_without_event"] for row in answer("lost_sales_tracking")} == {0}


def test_returns_take_one_to_three_days(answer):
    rows = answer("return_delay_distribution")
    assert [row["delay_days"] for row in rows] == [1, 2, 3]
    assert sum(row["share_of_returns"] for row in rows) == pytest.approx(1)


def test_every_segment_is_there(answer):
    segments = [row["segment"] for row in answer("abandonment_by_segment")]
    assert segments == ["loyal", "new", "premium", "regular", "vip"]
