"""How far demand is recovered: methods and measures on made data, and all on the tiny world."""

import json
import os

import demand_recovery
import forks
import numpy as np
import pytest
from demand_recovery_methods import (
    SAME_BRAND,
    SAME_STYLE,
    Sums,
    bias,
    by_frame,
    expected_above,
    fit_censored,
    frame_of,
    in_place_of_ranged,
    in_stock_days,
    inflow,
    past_sales,
    sales_as_they_are,
)
from demand_recovery_panel import Seen, load, load_truth
from support import ROOT, SCHEMA

RANDOM = 7
METHODS = {
    *("sales", "in_stock_days", "censored_poisson", "substitution_aware", "four_weeks_before"),
}


def made(units, available=None, **products):
    """What is seen from Monday, 2025-09-01, of tops of one size, each of a brand of its own."""
    units = np.asarray(units)
    count, places, _ = units.shape
    available = np.full(units.shape, 50) if available is None else np.asarray(available)
    columns = {
        "product_key": np.arange(count) + 1,
        "category_level_2": np.full(count, "tops", object),
        "gender": np.full(count, "women", object),
        "size_ladder": np.full(count, "alpha", object),
        "size_order": np.ones(count, int),
        "brand": np.array([f"B{n}" for n in range(count)], object),
        "style_id": np.array([f"S{n}" for n in range(count)], object),
    }
    return Seen(
        products=columns | {name: np.array(each) for name, each in products.items()},
        locations={
            "location_key": np.arange(places) + 1,
            "location_type": np.full(places, "store", object),
        },
        first_day=int(np.datetime64("2025-09-01").astype(int)),
        units=units.astype(np.int16),
        available=available.astype(np.int16),
        is_stockout=available == 0,
        ranged=available >= 0,
    )


def test_bias_is_what_is_estimated_too_much_in_sum():
    assert bias([4, 0, 6], [5, 1, 6]) == pytest.approx(0.2)
    assert np.isnan(bias([0, 0], [1, 1]))


def test_methods_are_judged_in_each_group():
    wanted = np.array([[[4.0, 0.0], [6.0, 2.0]]])
    estimate = np.array([[[3.0, 0.0], [8.0, 2.0]]])
    at = np.array([[[True, True], [False, False]]])
    found = demand_recovery.judge(wanted, estimate, {"all": at | True, "a": at, "none": at & False})
    assert set(found) == {"all", "a"}
    assert found["all"] == {"bias": pytest.approx(1 / 12), "wape": pytest.approx(3 / 12)}
    assert found["a"] == {"bias": pytest.approx(-1 / 4), "wape": pytest.approx(1 / 4)}


def test_sales_are_those_of_whole_weeks():
    seen = made(np.arange(1, 18).reshape(1, 1, -1))
    assert sales_as_they_are(seen).tolist() == [[[28, 77]]]
    seen.first_day += 2
    assert seen.weeks().tolist() == [5]
    assert seen.week_numbers().tolist() == [0] * 5 + [1] * 7 + [2] * 5


def test_days_in_stock_stand_for_the_others():
    units, available = np.zeros((3, 1, 14)), np.full((3, 1, 14), 50)
    # Three units a day of the first week; the fifth day runs out, the next two have nothing, and
    # on the eighth comes stock that nobody saw on the evening before.
    units[0, 0, :8] = [3, 3, 3, 3, 1, 0, 0, 9]
    available[0, 0, 4:7] = 0
    units[0, 0, 8:] = 2
    # Out in the second week, and always out.
    units[1, 0, :7], available[1, 0, 7:] = 1, 0
    available[2] = 0
    found = in_stock_days(made(units, available))
    assert found[0, 0].tolist() == [21, 14]
    assert found[1, 0].tolist() == [7, 7]
    of_category = (4 * 3 + 6 * 2 + 7) / (10 + 7)
    assert found[2, 0] == pytest.approx(7 * of_category)


def test_days_off_the_range_count_as_sold():
    units = np.ones((1, 1, 7))
    seen = made(units)
    seen.ranged[0, 0, 5:] = False
    seen.units[0, 0, 6] = 4
    assert in_stock_days(seen).tolist() == [[[10]]]
    assert in_place_of_ranged(seen, np.full(units.shape, 2)).tolist() == [[[15]]]


def test_tail_of_poisson_has_the_mean_of_draws():
    draws = np.random.default_rng(RANDOM).poisson(2.5, 400_000)
    for least in (0, 1, 2, 4, 7):
        mean = draws[draws >= least].mean()
        assert expected_above(np.array([2.5]), np.array([least])) == pytest.approx(mean, rel=0.01)
    assert expected_above(np.array([1e-6]), np.array([9])) == pytest.approx(9)


def test_rate_is_recovered_from_censored_draws():
    random = np.random.default_rng(RANDOM)
    level = random.uniform(0.5, 4, (40, 10, 1)) * np.repeat([1, 1, 2, 2, 1, 1, 0.5, 1], 7)
    wanted = random.poisson(level)
    stock = random.poisson(6, wanted.shape)
    seen = made(np.minimum(wanted, stock), np.maximum(stock - wanted, 0))
    assert bias(wanted, seen.units) < -0.02
    assert seen.is_stockout.mean() > 0.05
    fit = fit_censored(seen, substitution=False)
    # A day that ends empty counts as short even if demand was just met: no more than a bound.
    assert bias(wanted, fit.daily) == pytest.approx(0, abs=0.02)
    out = seen.is_stockout
    assert bias(wanted[out], fit.daily[out]) == pytest.approx(0, abs=0.04)
    assert (fit.daily[~out] == seen.units[~out]).all()


def test_what_is_missing_goes_to_likes_by_rate():
    groups = [np.zeros(5, int), np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 2])]
    missing = np.array([6.0, 0, 0, 0, 0]).reshape(-1, 1, 1)
    rate = np.array([9.0, 1, 2, 3, 5]).reshape(-1, 1, 1)
    receives = np.array([False, True, True, True, False]).reshape(-1, 1, 1)
    found = inflow(missing, rate, receives, [Sums(each) for each in groups])[:, 0, 0]
    weights = np.array([0, SAME_STYLE * 1, SAME_BRAND * 2, 1 * 3, 0])
    assert found == pytest.approx(6 * weights / weights.sum())
    alone = inflow(missing, rate, receives & False, [Sums(each) for each in groups])
    assert not alone.any()


def test_correction_takes_off_what_was_shifted():
    random = np.random.default_rng(RANDOM)
    shape = (6, 20, 84)
    wanted = random.poisson(2.0, shape)
    # Each is out for some weeks, which differ by place.
    out = np.repeat(random.random((6, 20, 12)) < 0.2, 7, axis=2)
    shifted = random.binomial(wanted * out, 0.6).sum(0)
    units = np.where(out, 0, wanted)
    for place, day in np.ndindex(20, 84):
        if len(others := np.flatnonzero(~out[:, place, day])):
            np.add.at(units[:, place, day], random.choice(others, shifted[place, day]), 1)
    seen = made(units, np.where(out, 0, 50))
    plain, aware = (fit_censored(seen, substitution) for substitution in (False, True))
    assert plain.theta == 0
    assert aware.theta == pytest.approx(0.6, abs=0.08)
    too_much = bias(wanted[~out], units[~out])
    assert too_much > 0.1
    assert bias(wanted[~out], plain.daily[~out]) == pytest.approx(too_much)
    assert bias(wanted[~out], aware.daily[~out]) == pytest.approx(0, abs=0.02)
    assert bias(wanted, aware.daily) == pytest.approx(0, abs=0.03)
    assert fit_censored(seen, True, theta=0.3).theta == 0.3


def test_past_is_four_weeks_before_at_the_season():
    week = np.repeat([1, 1, 1, 1, 2, 1], 7)
    units = np.stack([week * 3, week * 1])[:, None]
    found = past_sales(made(units))
    # Both products follow the season of their category.
    assert found[0, 0, 1:] == pytest.approx(21 * np.array([1, 1, 1, 2, 1]))
    assert found[1, 0, 1:] == pytest.approx(7 * np.array([1, 1, 1, 2, 1]))
    # Nothing is known before the first week.
    assert found[:, 0, 0] == pytest.approx([14, 14])


def test_past_is_last_year_where_there_is_one():
    units = np.random.default_rng(RANDOM).poisson(2, (2, 1, 7 * 55))
    found = past_sales(made(units))
    sold = units.reshape(2, 1, 55, 7).sum(3)
    assert (found[:, :, 52:] == sold[:, :, :3]).all()


def test_frame_has_a_row_for_each_ranged_day():
    units = np.arange(14).reshape(2, 1, 7)
    available = np.full((2, 1, 7), 50)
    available[1, 0, :2], available[1, 0, 3] = -1, 0
    seen = made(units, available)
    frame = frame_of(seen)
    assert len(frame) == 12
    assert frame["units_sold"].sum() == units.sum() - 7 - 8
    row = frame[(frame["product_key"] == 2) & (frame["date"] == "2025-09-05")].iloc[0]
    assert (row["units_sold"], row["quantity_available"], row["opening_available"]) == (11, 50, 0)
    found = by_frame(lambda rows: rows["units_sold"] * 2)(seen)
    assert found.ravel().tolist() == [2 * 21, 2 * (70 - 15) + 15]
    with pytest.raises(ValueError, match="estimates of 12 rows"):
        by_frame(lambda rows: [1.0])(seen)


def test_shares_are_of_lines_by_category():
    names = ("lines_short", "lines_substituting", "lines_waiting")
    names += ("all_lines", "all_lines_substituting", "all_lines_waiting")
    rows = [
        {"category_level_2": "tops", **dict(zip(names, (10, 6, 1, 100, 50, 20), strict=True))},
        {"category_level_2": "hats", **dict(zip(names, (30, 6, 3, 100, 70, 10), strict=True))},
        {"category_level_2": "bags", **dict(zip(names, (0, 0, 0, 100, 30, 30), strict=True))},
    ]
    found = demand_recovery.shares(rows)
    assert list(found) == ["all", "tops", "hats"]
    assert found["all"] == {
        "substituting": 0.3, "planted substituting": 0.5, "waiting": 0.1, "planted waiting": 0.2,
    }  # fmt: skip


def recover(warehouse, *arguments):
    return forks.run(
        *(ROOT / "scripts" / "demand_recovery.py", *arguments),
        cwd=ROOT,
        env=os.environ | {"STOCKTRUE_WAREHOUSE": str(warehouse), "STOCKTRUE_SCHEMA": SCHEMA},
    )


def test_tiny_world_is_recovered_by_all_methods(tiny_world, tmp_path):
    own = tmp_path / "doubled.py"
    own.write_text("def estimate(frame):\n    return frame['units_sold'] * 2.0\n")
    output = tmp_path / "demand_recovery.json"
    done = recover(tiny_world.warehouse, "--method", own, "--output", output)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(output.read_text())
    assert set(found) == {"world", "units", "methods", "understated", "variables", "shares"}
    assert set(found["methods"]) == METHODS | {"doubled"}
    errors = {name: figures["all"] for name, figures in found["methods"].items()}
    assert errors["sales"]["bias"] < 0
    assert errors["doubled"]["bias"] > 0.8
    assert found["understated"]["sales"] == errors["sales"]["bias"]
    assert found["understated"]["sales of first choices"] < errors["sales"]["bias"]
    assert found["variables"] == {"substitution_rate": 0.55, "waiting_rate": 0.16}
    assert 0 < found["shares"]["all"]["waiting"] < found["shares"]["all"]["substituting"] < 1
    for text in ("bias ", "wape ", "understated", "responses", "  with a stockout", "doubled"):
        assert text in done.stdout


def test_own_file_without_a_function_is_one_line(tiny_world, tmp_path):
    own = tmp_path / "empty.py"
    own.touch()
    done = recover(tiny_world.warehouse, "--method", own, "--output", tmp_path / "found.json")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"recovery: no function estimate in {own}"


def test_missing_table_is_one_line(tmp_path):
    done = recover(tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"recovery: no gold_product_dim in {tmp_path / SCHEMA}: run make build first"
    )


def test_seen_and_truth_are_those_of_the_tables(tiny_world):
    schema = tiny_world.warehouse / SCHEMA
    seen = load(schema)
    truth = load_truth(schema, seen)
    sales = [row for row in tiny_world.table("gold_sales_fact").to_pylist() if not row["is_return"]]
    assert seen.units.sum() == sum(row["quantity_sold"] for row in sales)
    stock = tiny_world.table("gold_inventory_fact").to_pylist()
    assert (seen.available >= 0).sum() == len(stock)
    assert seen.is_stockout.sum() == sum(row["is_stockout"] for row in stock)
    rows = tiny_world.table("gold_demand_truth").to_pylist()
    assert truth.wanted.sum() == sum(row["quantity_wanted"] for row in rows)
    assert truth.sold_first.sum() == sum(row["quantity_sold_first"] for row in rows)
    classes = tiny_world.table("int_demand_series").to_pylist()
    assert (truth.demand_class != "").sum() == len(classes)
