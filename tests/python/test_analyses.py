"""The published queries in analyses/: each one runs on the tiny world and has an answer."""

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
import yaml
from dbt.adapters.embedded.engines import start_engine
from dbt.adapters.embedded.warehouse import Warehouse
from deltalake import write_deltalake
from demand_recovery_methods import bias, sales_as_they_are
from demand_recovery_panel import load as load_seen
from demand_recovery_panel import load_truth
from learnability_forecast import SIMPLE, History, positions
from learnability_metrics import wape
from learnability_panel import load
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
    assert len(list(ANALYSES.glob("*.sql"))) == 15
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


def test_broken_size_runs_are_those_of_the_inventory(answer, tiny_world):
    """Counted again, size by size."""
    products = {
        row["product_key"]: (row["category_level_2"], row["colorway_key"])
        for row in tiny_world.table("gold_product_dim").to_pylist()
        if row["size"] != "ONE SIZE"
    }
    columns = ["product_key", "location_key", "date_key", "is_stockout"]
    runs = defaultdict(list)
    for row in tiny_world.table("gold_inventory_fact").select(columns).to_pylist():
        if row["product_key"] in products:
            run = *products[row["product_key"]], row["location_key"], row["date_key"]
            runs[run].append(row["is_stockout"])
    broken = Counter(run[0] for run, out in runs.items() if any(out) and not all(out))
    rows = answer("broken_size_runs")
    assert {row["category_level_2"]: row["broken_run_days"] for row in rows} == broken
    assert sum(row["run_days"] for row in rows) == len(runs)
    assert sum(row["revenue_lost_in_broken_runs"] for row in rows) > 0
    assert all(row["revenue_lost_in_broken_runs"] <= row["revenue_lost"] for row in rows)


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


def day_of(date_key):
    """Return the date of a key."""
    return datetime.strptime(str(date_key), "%Y%m%d").date()


@pytest.fixture(scope="module")
def known_lines(tiny_world):
    """Return the sold and returned lines of each known customer, by customer_id."""
    customers = {
        row["customer_key"]: row["customer_id"]
        for row in tiny_world.table("gold_customer_dim").to_pylist()
    }
    lines = defaultdict(list)
    for row in tiny_world.table("gold_sales_fact").to_pylist():
        lines[customers[row["customer_key"]]].append({**row, "day": day_of(row["date_key"])})
    del lines["CUST_UNKNOWN"]
    return lines


def spent(lines):
    """Return what lines cost, less what came back."""
    return round(sum(line["revenue"] for line in lines), 2)


def test_rfm_classes_are_fifths_of_the_known_buyers(answer, tiny_world, known_lines):
    dates = tiny_world.table("gold_sales_fact")["date_key"].to_pylist()
    rating_day = day_of(max(dates)) - timedelta(days=30)
    buyers = []
    for lines in known_lines.values():
        rated = [line for line in lines if line["day"] <= rating_day]
        sold = [line for line in rated if not line["is_return"]]
        again = any(line["day"] > rating_day and not line["is_return"] for line in lines)
        if sold:
            last = max(line["day"] for line in sold)
            orders = len({line["cart_id"] for line in sold})
            buyers.append((last, orders, spent(rated), again))
    measures = [sorted(values) for values in list(zip(*buyers, strict=True))[:3]]
    classes = defaultdict(list)
    for *values, again in buyers:
        better_than = [column.index(value) for column, value in zip(measures, values, strict=True)]
        name = tuple(1 + 5 * rank // len(buyers) for rank in better_than)
        classes[name].append((*values[1:], again))
    rows = answer("rfm_segments")
    assert {(row["recency"], row["frequency"], row["monetary"]) for row in rows} == set(classes)
    for row in rows:
        members = classes[row["recency"], row["frequency"], row["monetary"]]
        orders, revenue, again = (sum(column) for column in zip(*members, strict=True))
        assert row["customers"] == len(members)
        assert row["orders_per_customer"] == pytest.approx(orders / len(members))
        assert row["revenue_per_customer"] == pytest.approx(revenue / len(members))
        assert row["repeat_share"] == pytest.approx(again / len(members))
    for share in ("customer_share", "revenue_share"):
        assert sum(row[share] for row in rows) == pytest.approx(1)


def test_cohorts_buy_again_as_their_orders_say(answer, tiny_world, known_lines):
    joined = {
        row["customer_id"]: row["acquisition_date"]
        for row in tiny_world.table("gold_customer_dim").to_pylist()
    }
    dates = [day_of(key) for key in tiny_world.table("gold_sales_fact")["date_key"].to_pylist()]
    cohorts, again = Counter(), Counter()
    for customer, lines in known_lines.items():
        orders = {line["cart_id"]: line["day"] for line in lines if not line["is_return"]}
        first, *later = sorted(day.replace(day=1) for day in orders.values())
        cohort = first, joined[customer] >= min(dates)
        cohorts[cohort] += 1
        again.update((*cohort, month) for month in set(later))
    months = {day.replace(day=1) for day in dates}
    rows = {
        (
            row["cohort_month"],
            row["joined_in_window"],
            # The month that is so many months after that of the cohort.
            (row["cohort_month"] + timedelta(days=31 * row["months_since"])).replace(day=1),
        ): row
        for row in answer("cohort_retention")
    }
    assert set(rows) == {
        (*cohort, month) for cohort in cohorts for month in months if month >= cohort[0]
    }
    for cell, row in rows.items():
        assert row["customers"] == cohorts[cell[:2]]
        assert row["repeat_buyers"] == again[cell]
        assert row["repeat_share"] == pytest.approx(again[cell] / cohorts[cell[:2]])


def test_segments_are_worth_what_their_customers_of_the_eve_spend(answer, tiny_world, known_lines):
    first_day = day_of(min(tiny_world.table("gold_sales_fact")["date_key"].to_pylist()))
    eve = first_day - timedelta(days=1)
    segments = defaultdict(dict)
    for row in tiny_world.table("gold_customer_dim").to_pylist():
        if row["customer_key"] == 0:
            continue
        if row["effective_date"] <= eve <= row["expiration_date"]:
            segments[row["segment"]][row["customer_id"]] = row["lifetime_value"]
        elif row["acquisition_date"] > eve:
            segments["joined later"][row["customer_id"]] = row["lifetime_value"]
    rows = answer("customer_value_by_segment")
    assert {row["segment"] for row in rows} == set(segments)
    assert len(rows) == len(segments) == 6
    revenue = sum(map(spent, known_lines.values()))
    for row in rows:
        values = segments[row["segment"]]
        spending = {customer: spent(known_lines.get(customer, [])) for customer in values}
        buying = [known_lines[customer] for customer in values if customer in known_lines]
        orders = {line["cart_id"] for lines in buying for line in lines if not line["is_return"]}
        assert row["customers"] == len(values)
        assert row["buyers"] == len(buying)
        assert row["orders_per_buyer"] == pytest.approx(len(orders) / len(buying))
        assert row["revenue_share"] == pytest.approx(sum(spending.values()) / revenue)
        correlation = np.corrcoef([(values[each], spending[each]) for each in values], rowvar=False)
        assert row["value_spending_correlation"] == pytest.approx(correlation[0, 1])


def test_affinities_are_those_of_purchases_one_by_one(answer, tiny_world, known_lines):
    kinds = {
        row["product_key"]: row["category_level_2"]
        for row in tiny_world.table("gold_product_dim").to_pylist()
    }
    affinities = tiny_world.table("gold_customer_product_affinity_agg")
    last_day = affinities["calculation_date"][0].as_py()
    purchases, buyers, same = Counter(), Counter(), Counter()
    for lines in known_lines.values():
        bought = [
            kinds[line["product_key"]]
            for line in lines
            if not line["is_return"] and line["day"] <= last_day
        ]
        if len(bought) > 1:
            buyers.update(set(bought))
            for number, kind in enumerate(bought):
                others = bought[:number] + bought[number + 1 :]
                purchases[kind] += 1
                same[kind] += others.count(kind) / len(others)
    rows = answer("category_affinity")
    assert {row["category_level_2"]: row["purchases"] for row in rows} == purchases
    for row in rows:
        kind = row["category_level_2"]
        share = purchases[kind] / purchases.total()
        assert row["customers"] == buyers[kind]
        assert row["repeat_share"] == pytest.approx(same[kind] / purchases[kind])
        assert row["lift"] == pytest.approx(same[kind] / purchases[kind] / share)


def test_simple_forecasts_are_those_of_the_script(answer, tiny_world):
    panel = load(tiny_world.warehouse / SCHEMA)
    history, test = History(panel), panel.weeks()[-4:]
    actual = [history.units(week, week + 7) * positions(panel, week) for week in test]
    rows = {row["forecast"]: row for row in answer("forecast_baselines")}
    assert set(rows) == {"flat_mean", "last_week", "four_week_mean"}
    for name, row in rows.items():
        forecast = [SIMPLE[name](history, week) * positions(panel, week) for week in test]
        assert row["units_sold"] == sum(units.sum() for units in actual)
        assert row["units_forecast"] == pytest.approx(
            sum(each.sum() for each in forecast), rel=1e-4
        )
        assert row["wape"] == pytest.approx(wape(np.stack(actual), np.stack(forecast)), rel=1e-4)


def test_lifts_are_those_of_baskets_one_by_one(answer, tiny_world):
    products = {
        row["product_key"]: row["category_level_2"]
        for row in tiny_world.table("gold_product_dim").to_pylist()
    }
    baskets = defaultdict(set)
    for row in tiny_world.table("gold_sales_fact").to_pylist():
        if not row["is_return"]:
            baskets[row["cart_id"]].add(products[row["product_key"]])
    of_one = Counter(kind for kinds in baskets.values() for kind in kinds)
    of_pair = Counter(pair for kinds in baskets.values() for pair in combinations(sorted(kinds), 2))
    rows = {(row["first_category"], row["second_category"]): row for row in answer("basket_lift")}
    assert set(rows) == set(combinations(sorted(of_one), 2))
    for (first, second), row in rows.items():
        assert row["baskets_with_both"] == of_pair[first, second]
        by_chance = of_one[first] * of_one[second] / len(baskets)
        assert row["lift"] == pytest.approx(of_pair[first, second] / by_chance)


def test_sales_understate_demand_by_what_was_lost(answer, tiny_world):
    rows = answer("censoring_bias")
    lost = sum(row["quantity_lost"] for row in tiny_world.table("gold_lost_sales_fact").to_pylist())
    assert sum(row["units_lost"] for row in rows) == lost
    for row in rows:
        demand = row["units_lost"] + row["units_sold"]
        assert row["understated_share"] == pytest.approx(row["units_lost"] / demand)


def test_sales_and_demand_are_those_of_the_script(answer, tiny_world):
    seen = load_seen(tiny_world.warehouse / SCHEMA)
    wanted = seen.by_week(load_truth(tiny_world.warehouse / SCHEMA, seen).wanted)
    sold = sales_as_they_are(seen)
    rows = answer("sales_and_demand")
    assert [row["units_wanted"] for row in rows] == wanted.sum((0, 1)).tolist()
    for number, row in enumerate(rows):
        of_week = wanted[:, :, number], sold[:, :, number]
        assert row["bias"] == pytest.approx(bias(*of_week))
        assert row["wape"] == pytest.approx(wape(*of_week))


def test_outcomes_of_shortages_are_counted_by_category(answer, tiny_world):
    category = {
        row["product_key"]: row["category_level_2"]
        for row in tiny_world.table("gold_product_dim").to_pylist()
    }
    rows = tiny_world.table("gold_lost_sales_fact").to_pylist()
    outcomes = Counter((category[row["product_key"]], row["outcome"]) for row in rows)
    for row in answer("shortage_outcomes"):
        of_row = {
            name: n for (kind, name), n in outcomes.items() if kind == row["category_level_2"]
        }
        left = of_row.pop("left", 0)
        assert row["lines_short"] == sum(of_row.values()) + left
        assert row["lines_substituting"] + row["lines_waiting"] == sum(of_row.values())
        assert row["lines_waiting"] == sum(
            n for name, n in of_row.items() if "later" in name or "wait" in name
        )


def test_regressions_are_those_of_least_squares(answer, tiny_world):
    category = {
        row["product_key"]: row["category_level_1"]
        for row in tiny_world.table("gold_product_dim").to_pylist()
    }
    weeks = defaultdict(lambda: [0, 0.0])
    for row in tiny_world.table("gold_sales_fact").to_pylist():
        if not row["is_return"]:
            day = datetime.strptime(str(row["date_key"]), "%Y%m%d")
            cell = weeks[row["product_key"], (day - timedelta(days=day.weekday())).date()]
            cell[0] += row["quantity_sold"]
            cell[1] += row["revenue"]
    units, revenue = np.array(list(weeks.values())).T
    logs = np.stack([np.log(revenue / units), np.log(units)])
    products = [product for product, _ in weeks]
    of_week = [f"{category[product]} {week}" for product, week in weeks]
    found = {row["estimator"]: row for row in answer("price_elasticity")}
    deviations = logs
    for name, groups in {
        "regression": ["all"] * len(products),
        "regression with product effects": products,
        "regression with product and category-week effects": of_week,
    }.items():
        numbers = np.unique(groups, return_inverse=True)[1]
        means = np.stack([np.bincount(numbers, row) / np.bincount(numbers) for row in deviations])
        deviations = deviations - means[:, numbers]
        price, sold = deviations
        assert found[name]["observations"] == len(products)
        assert found[name]["elasticity"] == pytest.approx(price @ sold / (price @ price))


def made_sales():
    """Sales of 30 days: ten products at 20% off in the last ten, when all others sell 50% more."""
    for product in range(1, 21):
        for day in range(1, 31):
            promoted = product <= 10 and day > 20
            units = 64 if day <= 20 else 150 if promoted else 96
            yield {
                "product_key": product,
                "promotion_key": 7 if promoted else 0,
                "date_key": 20250900 + day,
                "quantity_sold": units,
                "unit_price": 50.0,
                "revenue": units * (40.0 if promoted else 50.0),
                "is_return": False,
            }


def test_promotions_tell_the_elasticity_from_what_all_products_do(compiled, tmp_path):
    tables = {
        "gold_sales_fact": list(made_sales()),
        "gold_product_dim": [
            {
                "product_key": product,
                "category_level_1": "apparel",
                "launch_date": date(2025, 1, 1),
                "end_of_life_date": date(2026, 1, 1),
            }
            for product in range(1, 21)
        ],
        "gold_promotion_dim": [
            {
                "promotion_key": 7,
                "promotion_type": "holiday",
                "product_share": 0.5,
                "channel_type": channel,
                "category_level_1": category,
                "start_date": date(2025, 9, 21),
                "end_date": date(2025, 10, 5),
            }
            for channel, category in ((None, "apparel"), ("online", None))
        ],
    }
    for name, rows in tables.items():
        write_deltalake(tmp_path / SCHEMA / name, pa.Table.from_pylist(rows))
    session = start_engine("sail")
    Warehouse(session, "sail", tmp_path).attach(SCHEMA)
    query = compiled / QUERIES["price_elasticity"].relative_to(ANALYSES)
    rows = {row["estimator"]: row for row in session.sql(query.read_text()).collect()}
    # (150 / 64) / (96 / 64) = 0.8 ^ -2.
    for name in ("promotions: holiday", "promotions: all"):
        assert rows[name]["observations"] == 10
        assert rows[name]["elasticity"] == pytest.approx(-2)
