"""What can be learned from the data: measures against plain ones, and the parts on made data."""

import json
import math
import os
from collections import Counter

import forks
import learnability
import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from learnability_customers import repeat_purchases
from learnability_forecast import SIMPLE, History, Table, forecast_errors, past_weeks, positions
from learnability_metrics import auc, bg_nbd, tsb, wape
from learnability_panel import MissingTableError, Panel, days_of, load
from learnability_stockouts import stockout_auc
from support import ROOT, SCHEMA

RANDOM = 7


def test_wape_is_the_sum_of_errors_over_the_sum_of_sales():
    assert wape([4, 0, 6], [2, 1, 6]) == pytest.approx(3 / 10)
    assert math.isnan(wape([0, 0], [1, 1]))


def naive_tsb(units, alpha, beta):
    """One series, period by period."""
    sizes = [each for each in units if each > 0]
    size = sum(sizes) / len(sizes) if sizes else 0.0
    probability = len(sizes) / len(units)
    for each in units:
        if each > 0:
            size += alpha * (each - size)
            probability += beta * (1 - probability)
        else:
            probability -= beta * probability
    return size * probability


def test_tsb_is_that_of_a_loop():
    units = np.random.default_rng(RANDOM).poisson(0.5, (3, 5, 9))
    units[0, 0] = 0
    found = tsb(units, 0.2, 0.1)
    for place in np.ndindex(3, 5):
        assert found[place] == pytest.approx(naive_tsb(units[place], 0.2, 0.1))


def test_auc_is_the_share_of_pairs_in_the_right_order():
    random = np.random.default_rng(RANDOM)
    is_case, score = random.random(60) < 0.3, random.integers(0, 8, 60)
    pairs = [
        1.0 if case > other else 0.5 if case == other else 0.0
        for case in score[is_case]
        for other in score[~is_case]
    ]
    assert auc(is_case, score) == pytest.approx(sum(pairs) / len(pairs))
    assert math.isnan(auc([True, True], [1, 2]))


def test_bg_nbd_finds_what_customers_were_drawn_from():
    random = np.random.default_rng(RANDOM)
    customers, r, alpha, a, b = 20_000, 0.6, 4.0, 0.8, 2.5
    rate = random.gamma(r, 1 / alpha, customers)
    stops = random.beta(a, b, customers)
    age = random.uniform(20, 40, customers)
    purchases, recency, now = np.zeros(customers), np.zeros(customers), np.zeros(customers)
    active = np.ones(customers, bool)
    while active.any():
        now[active] += random.exponential(1, customers)[active] / rate[active]
        active &= now < age
        purchases[active] += 1
        recency[active] = now[active]
        active &= random.random(customers) > stops
    found = bg_nbd(purchases, recency, age)
    assert found["r"] == pytest.approx(r, rel=0.1)
    assert found["alpha"] == pytest.approx(alpha, rel=0.1)
    assert found["a"] / (found["a"] + found["b"]) == pytest.approx(a / (a + b), rel=0.1)


def made_panel(units):
    """A panel of products that are all on sale, from Monday, 2025-09-01, without promotions."""
    products, places, days = units.shape
    date = np.arange(days + 60) + np.datetime64("2025-09-01")
    texts = {name: np.full(products, "x", object) for name in ("price_tier", "brand")}
    texts |= {name: np.full(products, "x", object) for name in ("season_profile", "season_code")}
    texts |= {f"category_level_{n}": np.full(products, "x", object) for n in (1, 2, 3)}
    return Panel(
        products={
            "product_key": np.arange(products) + 1,
            "base_price": np.full(products, 20.0),
            "launch_day": np.zeros(products),
            "last_day": np.full(products, np.nan),
            **texts,
        },
        locations={
            "location_key": np.arange(places) + 1,
            "channel": np.full(places, "physical", object),
            **{
                name: np.full(places, "x", object)
                for name in ("location_type", "store_format", "region", "state")
            },
            "selling_sqft": np.full(places, 100.0),
            "latitude": np.full(places, 40.0),
        },
        calendar={
            "date_key": np.array([int(str(each).replace("-", "")) for each in date]),
            **{
                name: np.zeros(len(date), bool)
                for name in ("is_holiday", "is_peak_season", "is_sale_period")
            },
        },
        first_day=int(np.datetime64("2025-09-01").astype(int)),
        units=units.astype(np.int16),
        available=np.full(units.shape, 50, np.int16),
        inbound=np.zeros(units.shape, np.int16),
        discount=np.zeros((products, 2, len(date)), np.float32),
        paid=np.ones((products, days)),
        share_kept=1.0,
    )


def test_weeks_are_whole_and_begin_on_mondays():
    panel = made_panel(np.zeros((1, 1, 20)))
    assert panel.weeks().tolist() == [0, 7]
    panel.first_day += 2
    assert panel.weeks().tolist() == [5, 12]


def test_simple_forecasts_are_means_of_days_before_the_origin():
    units = np.arange(1, 57).reshape(1, 1, -1)
    history = History(made_panel(units))
    days = units[0, 0]
    assert SIMPLE["flat_mean"](history, 42) == pytest.approx(days[:42].mean() * 7)
    assert SIMPLE["last_week"](history, 42) == pytest.approx(days[35:42].sum())
    assert SIMPLE["four_week_mean"](history, 42) == pytest.approx(days[14:42].mean() * 7)
    assert past_weeks(history, 16)[0, 0].tolist() == [days[2:9].sum(), days[9:16].sum()]


def test_products_count_while_they_are_on_sale():
    panel = made_panel(np.zeros((3, 1, 28)))
    panel.products["launch_day"][1] = panel.first_day + 14
    panel.products["last_day"][2] = panel.first_day + 6
    assert positions(panel, 0)[:, 0].tolist() == [True, False, True]
    assert positions(panel, 7)[:, 0].tolist() == [True, False, False]
    assert positions(panel, 14)[:, 0].tolist() == [True, True, False]


def test_tree_learns_what_a_flat_mean_cannot():
    random = np.random.default_rng(RANDOM)
    # Each product doubles or halves within three weeks, and stays there for another three.
    level = np.repeat(np.exp(random.normal(0, 0.8, (300, 4))), 21, axis=1)
    panel = made_panel(random.poisson(level[:, None, :], (300, 6, 84)))
    told = []
    found = forecast_errors(panel, told.append)
    ahead = found["one_week_ahead"]
    assert ahead["tree"]["wape"] < ahead["flat_mean"]["wape"] - 0.05
    assert ahead["last_week"]["product"] < ahead["flat_mean"]["product"]
    assert len(ahead["tree"]["by_week"]) == 4
    assert set(found["validation"]) == {"absolute_error", "poisson"}
    assert told


def test_planning_columns_are_kept_from_the_fair_model(tmp_path):
    random = np.random.default_rng(RANDOM)
    panel = made_panel(random.poisson(1, (150, 6, 84)))
    # In the middle of each week what was there before it is sold, or more.
    evening = random.integers(1, 14, (150, 6, 12))
    panel.available = np.repeat(evening, 7, axis=2).astype(np.int16)
    sold = panel.units.reshape(150, 6, 12, 7).sum(3)
    runs_out = sold[:, :, 1:] >= evening[:, :, :-1]
    panel.available[:, :, 10::7][runs_out] = 0
    rows = [
        {
            "product_key": product + 1,
            "location_key": place + 1,
            "date_key": int(panel.calendar["date_key"][day]),
            "days_of_supply": 5,
            "stock_cover_days": 5,
            # As if the planner knew what will happen.
            "reorder_point": int((panel.available[product, place, day + 1 : day + 8] == 0).any()),
            "reorder_quantity": 1,
            "is_overstock": False,
        }
        for day in range(6, 84, 7)
        for product, place in np.ndindex(150, 6)
    ]
    write_deltalake(str(tmp_path / "gold_inventory_fact"), pa.Table.from_pylist(rows))
    found = stockout_auc(panel, tmp_path, lambda text: None)
    assert 0.1 < found["share"] < 0.9
    assert 0.6 < found["fair"] < 0.99
    assert found["cover"] > 0.6
    assert found["all"] == pytest.approx(1)


def test_nothing_after_the_origin_changes_a_forecast():
    random = np.random.default_rng(RANDOM)
    units = random.poisson(2, (80, 5, 84))
    later = units.copy()
    later[:, :, 70:] = random.poisson(9, later[:, :, 70:].shape)
    forecasts = []
    for made in (units, later):
        history = History(made_panel(made))
        table = Table(history)
        forecasts.append(table.rows(70, 77, positions(history.panel, 77)))
    assert np.array_equal(*forecasts)


def test_dates_and_keys_are_days():
    assert days_of(np.array([19700102, 20251231])).tolist() == [1, 20453]
    dates = np.array(["1970-01-02", "NaT"], "datetime64[D]")
    assert days_of(dates)[0] == 1
    assert math.isnan(days_of(dates)[1])


def test_tables_that_are_not_there_are_named(tmp_path):
    with pytest.raises(MissingTableError, match="gold_product_dim"):
        load(tmp_path)


def test_true_elasticity_is_told_where_a_table_has_it(tmp_path):
    assert learnability.true_elasticity(tmp_path) is None
    write_deltalake(str(tmp_path / "int_price_elasticity"), pa.table({"elasticity": [-1.0, -2.0]}))
    assert learnability.true_elasticity(tmp_path) == -1.5


def test_lifts_are_of_pairs_with_baskets_enough():
    pairs = [
        {"lift": lift, "baskets_expected": baskets}
        for lift, baskets in ((9.0, 3.0), (0.5, 30.0), (1.5, 40.0), (1.0, 50.0))
    ]
    assert learnability.lift_range(pairs) == {
        "pairs": 3, "lowest": 0.5, "median": 1.0, "highest": 1.5,
    }  # fmt: skip
    assert learnability.lift_range([]) == {"pairs": 0}


def learn(warehouse, *arguments):
    return forks.run(
        *(ROOT / "scripts" / "learnability.py", *arguments),
        cwd=ROOT,
        env=os.environ | {"STOCKTRUE_WAREHOUSE": str(warehouse), "STOCKTRUE_SCHEMA": SCHEMA},
    )


def test_tiny_world_is_measured_as_far_as_its_weeks_allow(tiny_world, tmp_path):
    output = tmp_path / "learnability.json"
    done = learn(tiny_world.warehouse, "--output", output)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no models: they need 8 whole weeks" in done.stdout
    found = json.loads(output.read_text())
    assert set(found) == {"world", "customers", "elasticity", "baskets", "censoring"}
    closings = tiny_world.table("world").to_pylist()
    assert found["world"]["last_closed_date"] == str(closings[-1]["last_closed_date"])
    assert 0 < found["customers"]["repeat_share"] < 1
    assert 0 < found["censoring"]["all"] < 0.5
    for part in set(found) - {"world"}:
        assert f"\n{part}\n" in done.stdout
        assert all(f"  {name} " in done.stdout for name in found[part])


def test_missing_table_is_one_line(tmp_path):
    done = learn(tmp_path, "--only", "customers")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"learnability: no gold_customer_dim in {tmp_path / SCHEMA}: run make build first"
    )


def test_panel_holds_the_sales_of_the_tables(tiny_world):
    panel = load(tiny_world.warehouse / SCHEMA)
    sales = [row for row in tiny_world.table("gold_sales_fact").to_pylist() if not row["is_return"]]
    assert panel.share_kept == 1
    assert panel.units.sum() == sum(row["quantity_sold"] for row in sales)
    row = sales[0]
    day = int(days_of(np.array([row["date_key"]]))[0]) - panel.first_day
    same = [
        each
        for each in sales
        if (each["product_key"], each["date_key"]) == (row["product_key"], row["date_key"])
    ]
    product = panel.products["product_key"].tolist().index(row["product_key"])
    assert panel.units[product, :, day].sum() == sum(each["quantity_sold"] for each in same)
    paid = sum(each["revenue"] for each in same)
    listed = sum(each["unit_price"] * each["quantity_sold"] for each in same)
    assert panel.paid[product, day] == pytest.approx(paid / listed)
    stock = tiny_world.table("gold_inventory_fact").to_pylist()
    assert (panel.available >= 0).sum() == sum(
        row["date_key"] >= panel.calendar["date_key"][0] for row in stock
    )
    assert (panel.available == 0).sum() == sum(row["is_stockout"] for row in stock)


def test_repeat_purchases_count_days_of_customers(tiny_world):
    customers = {
        row["customer_key"]: row["customer_id"]
        for row in tiny_world.table("gold_customer_dim").to_pylist()
    }
    bought = {
        (customers[row["customer_key"]], row["date_key"])
        for row in tiny_world.table("gold_sales_fact").to_pylist()
        if not row["is_return"] and row["customer_key"] > 0
    }
    days = Counter(customer for customer, _ in bought)
    found = repeat_purchases(tiny_world.warehouse / SCHEMA)
    assert found["customers"] == len(days)
    assert found["days_with_a_purchase"] == pytest.approx(len(bought) / len(days))
    assert found["repeat_share"] == pytest.approx(
        sum(count > 1 for count in days.values()) / len(days)
    )
