"""The pure functions of int_replenishment_plan."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(scope="module")
def replenishment(load_model):
    return load_model("models/demand/int_replenishment_plan.py")


@pytest.fixture(scope="module")
def schedule(replenishment):
    return replenishment.Schedule(
        review_period_days=14, lead_time_days=7, cover_days=60, outage_mean_days=45.0
    )


@settings(deadline=None)
@given(
    means=st.lists(st.floats(0, 60), min_size=1, max_size=20),
    data=st.data(),
)
def test_poisson_quantiles_are_the_inverse_cdf(replenishment, means, data):
    draws = data.draw(st.lists(st.floats(0, 0.999999), min_size=len(means), max_size=len(means)))
    counts = replenishment.poisson_quantiles(np.array(means), np.array(draws))
    for mean, draw, count in zip(means, draws, counts.tolist(), strict=True):
        if mean == 0:
            assert count == 0
            continue
        terms = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)]
        assert math.fsum(terms[:-1]) <= draw + 1e-9
        assert draw < math.fsum(terms) + 1e-9


def test_levels_cover_the_days_ahead(replenishment):
    # Seen from mid-month, 60 days are 15 of this month, 30 of the next and 15 of the one after.
    demand = np.array([[1.0, 0.0, 0.01], [2.0, 0.0, 0.01], [3.0, 0.0, 0.01], [0.0, 0.0, 0.0]])
    levels = replenishment.order_up_to_levels(demand, 60)
    assert levels.tolist() == [[15 + 60 + 45 + 1, 0, 2], [30 + 90 + 1, 0, 2]]
    assert replenishment.order_up_to_levels(demand[:, :1], 10)[:, 0].tolist() == [11, 21]


def naive_stockout_rate(rng, daily_demand, schedule, start_probability, days):
    """Share of days with nothing available of one position, one day at a time."""
    level = math.ceil(daily_demand * schedule.cover_days) + 1
    available, in_transit, failing, empty = level, 0, False, 0
    stay = math.exp(-schedule.review_period_days / schedule.outage_mean_days)
    unevenness = 1.0
    for day in range(days + 200):
        phase = day % schedule.review_period_days
        if phase % 7 == 0:
            unevenness = rng.gamma(2.0, 0.5)
        if phase == schedule.lead_time_days % schedule.review_period_days:
            available, in_transit = available + in_transit, 0
        available = max(0, available - rng.poisson(daily_demand * unevenness))
        empty += day >= 200 and available == 0
        if phase == 0:
            failing = rng.random() < (stay if failing else start_probability)
            in_transit = 0 if failing else max(0, level - available)
    return empty / days


@pytest.mark.parametrize("target", [0.03, 0.075, 0.15])
def test_calibrated_outages_meet_the_target(replenishment, schedule, target):
    curve = replenishment.calibrate_outages(7, schedule, target, net_share=1.0)
    rng = np.random.default_rng(1)
    rates = []
    for daily_demand in (0.05, 0.15, 0.5):
        start = float(curve(np.array([daily_demand]))[0])
        rates += [naive_stockout_rate(rng, daily_demand, schedule, start, 400) for _ in range(60)]
    standard_error = np.std(rates) / math.sqrt(len(rates))
    assert np.mean(rates) == pytest.approx(target, abs=0.01 + 2 * standard_error)


def make_demand(months, products=5):
    return pa.table(
        {
            "product_key": np.tile(np.arange(1, products + 1), len(months)),
            "month_key": np.repeat(months, products),
            "planned_daily_demand": np.tile(np.linspace(0.05, 2, products), len(months)),
            "stocking_daily_demand": np.tile(np.linspace(0.05, 2, products), len(months)),
        }
    )


def plan(replenishment, schedule, months):
    curve = replenishment.OutageCurve(np.array([0.01, 10.0]), np.array([0.2, 0.4]))
    first_day = int(np.datetime64("2025-10-03").astype("datetime64[D]").astype(int))
    return replenishment.plan_location(
        make_demand(months), 3, 5, first_day, 42, schedule, curve, 0.85
    ).to_pandas()


def test_longer_window_only_adds_months(replenishment, schedule):
    months = [202510, 202511, 202512, 202601, 202602, 202603]
    longer, shorter = (plan(replenishment, schedule, months[:n]) for n in (6, 5))
    assert set(shorter["month_key"]) == set(months[:3])
    same = longer[longer["month_key"] <= 202512].reset_index(drop=True)
    assert same.astype(str).equals(shorter.astype(str))


def test_orders_fail_on_review_days_only(replenishment, schedule):
    rows = plan(replenishment, schedule, [202510, 202511, 202512, 202601, 202602])
    start = np.datetime64("2025-10-03")
    failures = 0
    for month, days in zip(rows["month_key"], rows["failed_order_days"], strict=True):
        for day in days:
            date = np.datetime64(f"{month // 100}-{month % 100:02d}-{day:02d}")
            # Five days after a review on the first day.
            assert ((date - start).astype(int) + 5) % schedule.review_period_days == 0
            assert date >= start
            failures += 1
    assert failures > 0


def test_opening_stock_is_given_once_and_not_above_the_level(replenishment, schedule):
    rows = plan(replenishment, schedule, [202510, 202511, 202512, 202601])
    first = rows["month_key"] == 202510
    assert rows.loc[~first, "opening_available"].isna().all()
    opening = rows.loc[first, "opening_available"] + rows.loc[first, "opening_in_transit"]
    assert (opening <= rows.loc[first, "order_up_to_level"]).all()
    assert (opening >= 0).all()
