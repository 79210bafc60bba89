"""int_replenishment_plan: its pure functions, and its targets against the real allocation."""

import inspect
import itertools
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FIRST_DAY = int(np.datetime64("2025-10-03").astype(int))
# What a line carries through the allocation plays no part in it.
CARRIED_FIELDS = (
    "customer_key",
    "channel_key",
    "time_key",
    "promotion_key",
    "price_cents",
    "discount_cents",
    "device_number",
)
# Where something is not there all leave.
EMPTY_SHELF_FIELDS = (
    "substitute_product_key",
    "substitute_price_cents",
    "substitute_discount_cents",
    "substitute_promotion_key",
    "wait_lag_days",
)
# The simulated months and the four after them.
MONTHS = [202510, 202511, 202512, 202601, 202602, 202603, 202604]
NEVER = np.array([2_932_896])  # 9999-12-31
SEASON = [1.0, 1.3, 1.6, 0.75, 0.9, 0.95, 1.0, 1.1, 1.0, 0.6, 0.9, 1.4]


@pytest.fixture(scope="module")
def replenishment(load_model):
    return load_model("models/demand/int_replenishment_plan.py")


@pytest.fixture(scope="module")
def allocation(load_model):
    return load_model("models/allocation/int_allocation.py")


@pytest.fixture(scope="module")
def store(replenishment):
    """A store five days after its last review; Saturdays are busy."""
    days = range(FIRST_DAY - 2, FIRST_DAY + 400)
    return replenishment.Location(
        seed=42,
        location_key=3,
        first_day=FIRST_DAY,
        days_since_review=5,
        schedule=replenishment.Schedule(
            review_period_days=14,
            lead_time_days=7,
            cover_days=60,
            outage_mean_days=45.0,
            adjustment_rate=0.0,
            liquidation_lag_days=14,
        ),
        selling=replenishment.Selling(
            day_index={day: 1.6 if day % 7 == 2 else 0.9 for day in days},
            return_rate=0.1,
            return_days=13.0,
            low_inventory_threshold=5,
            share_bought_if_low=1.0,
            units_per_line=1.2,
            replacements=0.0,
            other_lines={0: 1.0},
        ),
        planner=replenishment.Planner(prior_units=4.0, product_error=0.0, place_error=0.0),
        shocks=(replenishment.Component(0.0, 0.36), replenishment.Component(0.0, 0.48)),
    )


@pytest.fixture(scope="module")
def warehouse(store):
    """Serves digital carts of two lines: a low line takes 10 points off the 32% that buy."""
    return replace(
        store,
        schedule=replace(store.schedule, cover_days=45),
        selling=replace(
            store.selling, return_rate=0.24, share_bought_if_low=0.22 / 0.32, other_lines={1: 1.0}
        ),
    )


@pytest.fixture(scope="module")
def weekly_store(store):
    """Reviews its stock every week."""
    schedule = replace(store.schedule, review_period_days=7, lead_time_days=5)
    return replace(store, schedule=schedule, days_since_review=3)


@pytest.fixture(scope="module")
def slow_warehouse(warehouse):
    """Units vanish or get damaged where few are sold."""
    return replace(warehouse, schedule=replace(warehouse.schedule, adjustment_rate=0.05))


@settings(deadline=None)
@given(
    means=st.lists(st.floats(0, 60) | st.floats(60, 500), min_size=1, max_size=20),
    data=st.data(),
)
def test_poisson_quantiles_are_the_inverse_cdf(replenishment, means, data):
    draws = data.draw(st.lists(st.floats(0, 0.999999), min_size=len(means), max_size=len(means)))
    counts = replenishment.poisson_quantile(np.array(means), np.array(draws))
    for mean, draw, count in zip(means, draws, counts.tolist(), strict=True):
        if mean == 0:
            assert count == 0
            continue
        terms = [math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1)]
        assert math.fsum(terms[:-1]) <= draw + 1e-9
        assert draw < math.fsum(terms) + 1e-9


def test_large_poisson_quantiles_are_those_of_a_normal_distribution(replenishment):
    draws = np.array([0.158655, 0.5, 0.841345])  # one standard deviation below the mean and above
    for mean in (500.5, 640.0, 2500.0):
        deviation = mean**0.5
        counts = replenishment.poisson_quantile(np.array([mean]), draws)
        assert counts == pytest.approx([mean - deviation, mean, mean + deviation], abs=0.51)


def test_poisson_quantile_of_the_largest_draw(replenishment):
    draws = np.array([np.nextafter(1, 0)])
    for mean in (0.01, 30.0, 499.0, 600.0):
        (count,) = replenishment.poisson_quantile(np.array([mean]), draws)
        assert mean < count < mean + 12 * mean**0.5 + 10


def test_both_models_have_the_same_poisson_quantile(replenishment, load_model):
    """A Python model is one file, so the function stands in both that need it."""
    demand = load_model("models/demand/int_cart_lines.py")
    here, there = (inspect.getsource(model.poisson_quantile) for model in (replenishment, demand))
    assert here == there


def test_no_stream_of_random_numbers_has_two_uses(replenishment, load_model):
    demand = load_model("models/demand/int_cart_lines.py")
    levels = load_model("models/demand/int_demand_levels.py")
    visits = load_model("models/demand/int_customer_visits.py")
    streams = [demand.CARTS, demand.LINES, demand.PRODUCT_SHOCK, demand.STORE_SHOCK]
    streams += [demand.SHORTAGES, demand.WAITS, visits.VISITS_IN_STORES, visits.VISITS_ONLINE]
    streams += [levels.PRODUCT_LEVEL, levels.REGION_LEVEL, replenishment.OUTAGES]
    streams += [replenishment.BURN_IN, replenishment.CALIBRATION, replenishment.OUTAGE_AGE]
    streams += [replenishment.PAST_SALES, replenishment.PLANNER_ERROR]
    streams += [replenishment.FAILURES_BEFORE, replenishment.LEFTOVER]
    streams += itertools.chain(*replenishment.SHOCKS.values())
    assert len(set(streams)) == len(streams)


def test_levels_cover_the_days_ahead(replenishment):
    # From the first day 60 days are 30 of this month and the next; from mid-month 15, 30 and 15.
    demand = np.array([[1.0, 0.0, 0.01], [2.0, 0.0, 0.01], [3.0, 0.0, 0.01], [0.0, 0.0, 0.0]])
    levels = replenishment.order_up_to_levels(demand, np.ones((2, 3)), 60)
    assert levels.tolist() == [[15 + 60 + 45, 0, 1], [60 + 90, 0, 1]]
    correction = np.array([[1.0], [0.5]])
    levels = replenishment.order_up_to_levels(demand[:, :1], correction, 10)
    assert levels[:, 0].tolist() == [10, 10]
    # Of slow movers whole units, as near as can be, but one at least.
    assert replenishment.levels_for(np.array([0, 0.01, 1.4, 1.6, 2.5])).tolist() == [0, 1, 1, 2, 3]


@given(start=st.floats(0, 1), stay=st.floats(0, 0.99))
def test_long_run_shares_do_not_change_at_a_review(replenishment, start, stay):
    shares = replenishment.failure_shares(9, start, stay)
    assert shares.sum() == pytest.approx(1)
    assert replenishment.after_review(shares, start, stay) == pytest.approx(shares, abs=1e-12)


def test_share_bought_counts_carts_of_every_size(warehouse):
    """Units of a line are kept when no other line of its cart is low, else two thirds of them."""
    selling = replace(
        warehouse.selling, share_bought_if_low=2 / 3, other_lines={0: 0.2, 1: 0.5, 3: 0.3}
    )
    kept = 0.2 + 0.5 * 0.6 + 0.3 * 0.6**3
    assert selling.share_bought(0.4) == pytest.approx(kept + (1 - kept) * 2 / 3, abs=5e-5)
    assert selling.share_bought(0.0) == 1
    assert selling.share_bought(1.0) == pytest.approx(0.2 + 0.8 * 2 / 3, abs=5e-5)


def test_stronger_outages_begin_more_often_then_last_longer(store):
    schedule = store.schedule
    stay = math.exp(-14 / 45)
    assert schedule.outage_chances(0.25) == pytest.approx((0.25, stay))
    assert schedule.outage_chances(0.7) == pytest.approx((0.4, 1 - (1 - stay) / 2))
    assert schedule.outage_chances(1.0) == pytest.approx((0.4, 1.0))
    # Of two reviews a week apart one begins an outage as often as one of two weeks.
    weekly = replace(schedule, review_period_days=7)
    start, stay = weekly.outage_chances(1.0)
    assert (1 - start) ** 2 == pytest.approx(0.6)
    assert weekly.outage_chances(0.1) == pytest.approx((0.1, math.exp(-7 / 45)))
    # As many days of failures are told apart.
    assert (schedule.most_failures, weekly.most_failures) == (16, 32)


@pytest.mark.parametrize(("rate", "strength"), [(0.0, 0.999), (1.0, 0.0)])
def test_strength_for_a_target_out_of_reach_is_an_end(replenishment, store, rate, strength):
    """Whatever the outages, stock is never or always empty."""
    found = replenishment.strength_for(0.5, store.schedule, lambda *_: rate)
    assert found == pytest.approx(strength, abs=2e-6)


def test_orders_fail_by_the_chances_of_their_month(replenishment, store):
    """Reviews are on the 12th and 26th of October and the 9th and 23rd of November."""
    ranged_from = np.array([0, FIRST_DAY + 9, FIRST_DAY + 10])

    def failed(month, chances, failing, ranged_from):
        failing = np.array(failing)
        days, after = replenishment.failed_orders(store, month, chances, failing, ranged_from)
        return days.to_pylist(), after.tolist()

    always, all_fail = (1.0, 1.0), [True] * 3
    assert failed(202510, always, all_fail, ranged_from) == ([[12, 26], [12, 26], [26]], all_fail)
    assert failed(202511, always, all_fail, ranged_from) == ([[9, 23]] * 3, all_fail)
    # What is not ranged yet has no orders that fail, but its supplier may be out.
    later = np.full(3, FIRST_DAY + 99)
    assert failed(202511, always, [False] * 3, later) == ([[]] * 3, all_fail)
    # First outages go on and none begins, then each ends and begins at once.
    ranged_from, failing = np.zeros(2), [True, False]
    assert failed(202510, (0.0, 1.0), failing, ranged_from) == ([[12, 26], []], failing)
    assert failed(202511, (1.0, 0.0), failing, ranged_from) == ([[23], [9]], failing)


def test_stock_is_low_below_the_threshold(replenishment, warehouse):
    """At the threshold customers buy what they want, below it what they want when it is low."""
    location = replace(warehouse, selling=replace(warehouse.selling, return_rate=0.0))
    shelves = replenishment.ShelvesByFailures(location.selling, 9, np.array([4, 5, 6]))
    wanted, if_low, nothing = np.array([3, 3, 3]), np.array([1, 1, 1]), np.zeros(3)
    shelves.sell(wanted, if_low, nothing, nothing)
    assert shelves.stock.tolist() == [[4 - 1, 5 - 3, 6 - 3]]


def test_returns_come_back_after_two_waits(replenishment, store):
    """Of 40 units sold 20 come back; each day half of those in a wait leave it."""
    selling = replace(store.selling, return_rate=0.5, return_days=4.0)
    sold, none, draws = np.array([40.0]), np.zeros(1), np.array([0.25])
    shelves = replenishment.ShelvesByFailures(selling, 9, np.array([100]))
    stock = []
    for units in (sold, none, none, none, none):
        shelves.sell(units, units, none, draws)
        stock.append(int(shelves.stock[0, 0]))
    # 0, 0, 5, 5 and 3.75 units come, rounded up as often as the draws are above the rest.
    assert stock == [60, 60, 65, 70, 74]
    shelves.forget_returns()
    shelves.sell(none, none, none, draws)
    assert shelves.stock.tolist() == [[74]]
    # Two days at once: three in four leave a wait.
    shelves = replenishment.ShelvesByFailures(selling, 9, np.array([100]))
    for units in (sold, none, none):
        shelves.sell(units, units, none, draws, days=2)
    assert shelves.stock.tolist() == [[60 + 11]]


def test_units_that_leave_the_shelf(replenishment, store, warehouse):
    """At the median: whole lines of 1.2 units; what vanishes is spread evenly over products."""
    means, draws = np.array([[600.0, 1800.0], [1000.0, 3000.0]]), np.full((3, 2, 2), 0.5)
    draws[1] = 0.9
    location = replace(warehouse, schedule=replace(warehouse.schedule, adjustment_rate=0.5))
    wanted, if_low, adjusted = replenishment.leaving_units(location, 0.9, means, draws)
    assert wanted.tolist() == [[540, 1620], [900, 2700]]
    # 344, 1,031, 573 and 1,719 lines.
    assert if_low.tolist() == [[413, 1238], [688, 2063]]
    assert adjusted.tolist() == [[600, 600], [1000, 1000]]
    wanted, if_low, _ = replenishment.leaving_units(store, 1.0, means, draws)
    assert wanted.tolist() == [[600, 1800], [1000, 3000]]
    assert if_low is wanted


@pytest.mark.parametrize("days_since_review", [0, 1, 5, 13])
def test_shelves_of_the_eve_sold_every_day(replenishment, store, monkeypatch, days_since_review):
    """With all draws at the median, so many days of demand are missing since each review."""
    monkeypatch.setattr(
        replenishment.Location,
        "uniforms",
        lambda self, stream, days, size, uses=1: np.full((uses, len(days), size), 0.5),
    )
    selling = replace(store.selling, units_per_line=1.0, return_rate=0.0)
    location = replace(
        store,
        days_since_review=days_since_review,
        selling=selling,
        shocks=(replenishment.Component(0.5, 0.0),) * 2,
    )
    daily, level = np.array([1000.0, 2000.0]), np.array([10**6, 2 * 10**6])
    shelves, before = replenishment.burn_in(
        location,
        replenishment.BURN_IN,
        1.0,
        daily,
        level,
        replenishment.Packs.single(2),
        (0.1, 0.7),
    )
    since = (days_since_review or 14) - 1
    for failures in range(10):
        now = level - daily * (since + 14 * failures)
        assert shelves.stock[failures] == pytest.approx(now, abs=30)
        assert before[failures] == pytest.approx(level - daily * 14 * (failures + 1), abs=30)


def test_shocks_move_evenly_between_mondays_and_have_the_mean_one(replenishment, store):
    """The first day is a Friday; shorter windows have the same shocks."""
    days = np.arange(FIRST_DAY - 4, FIRST_DAY + 200)

    def shocks_on(stream, days):
        return store.shocks_between(stream, days[0], days[-1], 5000).on(days)

    shocks = shocks_on(replenishment.CALIBRATION, days)
    mondays = shocks[::7]
    assert shocks.mean() == pytest.approx(1, abs=0.01)
    assert np.log(mondays).std() == pytest.approx(0.6, abs=0.01)
    assert shocks[3] == pytest.approx((4 * mondays[0] + 3 * mondays[1]) / 7)
    part = shocks_on(replenishment.CALIBRATION, days[30:40])
    assert part.tolist() == shocks[30:40].tolist()
    others = shocks_on(replenishment.BURN_IN, days)
    assert np.corrcoef(mondays.ravel(), others[::7].ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_planners_learn_from_past_sales_and_err_for_ever(replenishment, store):
    """Without sales they expect what is usual; with many what was sold, both with their errors."""
    months, usual = np.array(MONTHS[:2]), np.full((2, 4000), 1.0)
    past, new = np.full((2, 4000), 3.0), np.zeros((2, 4000))

    def made(planner, past_days):
        location = replace(store, planner=planner)
        return replenishment.corrections(location, months, usual, past, past_days)

    sure = replenishment.Planner(prior_units=4.0, product_error=0.0, place_error=0.0)
    assert (made(sure, new) == 1).all()
    learned = made(sure, new + 91)
    # Of 95 units 4 are the usual ones, and 91 x 3 were sold with the noise of a Poisson count.
    assert learned.mean() == pytest.approx((4 + 91 * 3) / 95, rel=0.01)
    assert learned[0].std() == pytest.approx((91 * 3) ** 0.5 / 95, rel=0.05)
    # Two of three months of past sales are the same ones a month later.
    assert np.corrcoef(learned)[0, 1] == pytest.approx(2 / 3, abs=0.05)
    wrong = made(replenishment.Planner(4.0, 0.3, 0.4), new)
    assert (wrong[0] == wrong[1]).all()
    assert wrong.mean() == pytest.approx(1, abs=0.03)
    assert np.log(wrong[0]).std() == pytest.approx(0.5, abs=0.03)


def shocks_of(replenishment, location, months, size):
    """Shocks of a calibration sample in the months."""
    (first, _), *_, (_, stop) = map(replenishment.month_days, [*months, months[-1]])
    return location.shocks_between(replenishment.CALIBRATION, first, stop - 1, size)


def sample_of_months(replenishment, months, demand=1.0):
    """Positions of one product, with the demand times 1, 2, ... in the months."""
    count = np.arange(1, len(months) + 1)[:, None]
    launches = replenishment.Launches(np.zeros(1, int), np.zeros(1), NEVER)
    return replenishment.Positions(
        product_key=np.ones(1, int),
        months=np.array(months),
        ranged_from=np.zeros(1, int),
        planned=demand * count,
        correction=np.ones((len(months), 1)),
        forecast=demand * count,
        level=9 * demand * count,
        opening_level=np.array([7]),
        launches=launches,
        packs=replenishment.Packs.single(1),
    )


def test_outages_of_a_month_meet_the_target_where_they_empty_shelves(
    replenishment, store, monkeypatch
):
    """In the two months after it; those of the first three months in the second and third."""
    most = store.schedule.most_failures
    failures = np.arange(most + 1)
    shelves = replenishment.ShelvesByFailures(store.selling, most, np.array([9]))
    for _ in failures:
        shelves.review(np.array([9]), replenishment.Packs.single(1))
    before, played = [], []

    def empty_of(month):
        first, stop = replenishment.month_days(month)
        days = np.arange(max(first, FIRST_DAY), stop)
        # Shelves are emptied earlier from month to month.
        empty = 1 - np.exp(-failures * (1 + MONTHS.index(month)) / 20)
        return days, np.tile(empty, (len(days), 1))

    def play(location, shelves, months, share_bought, chances, demand, level, *others):
        played.append((months.tolist(), demand[:, 0].tolist(), level[:, 0].tolist()))
        days, empty = (np.concatenate(of) for of in zip(*map(empty_of, months), strict=True))
        return days, empty, None

    def start(*given):
        before.append(given[2:5])
        return shelves, None

    monkeypatch.setattr(replenishment, "burn_in", start)
    monkeypatch.setattr(replenishment, "play_months", play)
    sample = sample_of_months(replenishment, MONTHS)
    first, shares, share_bought = replenishment.first_calibration(store, 0.2, sample)
    assert before == [(1.0, 1, 7)]
    found = [first]
    for n in range(1, 5):
        found.append(replenishment.next_calibration(store, 0.2, found[-1], sample, n))
    assert played[0] == (MONTHS[:3], [1, 2, 3], [9, 18, 27])
    assert played[1:] == [([MONTHS[n]], [n + 1], [9 * n + 9]) for n in (3, 4, 5, 6)]

    def emptied(*months):
        return np.concatenate([empty_of(MONTHS[n])[1] for n in months]).mean(axis=0)

    chances = [
        replenishment.long_run_chances(0.2, store.schedule, emptied(*months))
        for months in [(1, 2), (1, 2), (1, 2), (4, 5), (5, 6)]
    ]
    assert np.array([month.chances for month in found]) == pytest.approx(np.array(chances))
    assert len(set(chances)) == 3
    # Before the first day: so many that the first three months meet it on average.
    days, empty, _ = play(
        None, None, sample.months[:3], None, None, *[np.ones((3, 1))] * 2, None, None, None
    )
    rates = replenishment.rate_by_opening(store, days, empty, *chances[0])
    assert shares @ rates == pytest.approx(0.2, abs=1e-3)
    assert share_bought == 1


def test_share_bought_is_that_of_stock_in_the_month(replenishment, warehouse, monkeypatch):
    """A month is played with the share of the one before."""
    most = warehouse.schedule.most_failures
    failures = np.arange(most + 1)
    played = []

    def play(location, shelves, months, share, chances, demand, level, *others):
        played.append((shelves, *months, *share, *demand[:, 0], *level[:, 0]))
        empty = np.tile(1 - np.exp(-failures / 10), (3, 1))
        return None, empty, np.minimum(empty * len(played) * [[1], [0], [2]], 1)

    monkeypatch.setattr(replenishment, "play_months", play)
    months, demand = np.array(MONTHS[:3]), np.array([[1.0], [2.0], [3.0]])
    shares = replenishment.shares_bought(
        warehouse, 0.2, "trial", 0.85, months, None, demand, 9 * demand, None, None, None
    )
    empty = 1 - np.exp(-failures / 10)
    chances = replenishment.long_run_chances(0.2, warehouse.schedule, empty)
    of_failures = replenishment.failure_shares(most, *chances)
    expected = [
        warehouse.selling.share_bought(
            of_failures @ (np.minimum(empty * n, 1) + np.minimum(2 * empty * n, 1)) / 3
        )
        for n in (1, 2, 3)
    ]
    assert shares == pytest.approx(expected, abs=1e-4)
    assert played == [
        ("trial", month, share, units, 9 * units)
        for month, share, units in zip(MONTHS, (0.85, *shares[:-1]), (1.0, 2.0, 3.0), strict=False)
    ]


def test_first_month_is_tried_with_the_middle_share(replenishment, warehouse, monkeypatch):
    """And calibrated with the share that is found; the trial goes on apart."""
    started, tried = [], []
    burn_in, shares_bought = replenishment.burn_in, replenishment.shares_bought

    def start(*given):
        started.append((given[2], *given[3], *given[4]))
        return burn_in(*given)

    def share(location, target_rate, trial, share, months, *others):
        tried.append((share, *months))
        return shares_bought(location, target_rate, trial, share, months, *others)

    monkeypatch.setattr(replenishment, "burn_in", start)
    monkeypatch.setattr(replenishment, "shares_bought", share)
    shocks = shocks_of(replenishment, warehouse, MONTHS, 1)
    sample = replace(sample_of_months(replenishment, MONTHS, 0.5), shocks=shocks)
    first, _, share_bought = replenishment.first_calibration(warehouse, 0.2, sample)
    replenishment.next_calibration(warehouse, 0.2, first, sample, 1)
    middle = (1 + warehouse.selling.share_bought_if_low) / 2
    assert started == [(middle, 0.5, 7), (share_bought, 0.5, 7)]
    assert tried == [(middle, *MONTHS[:3]), (first.share_bought, MONTHS[3])]
    assert len({middle, share_bought, first.share_bought}) == 3


def test_share_of_demand_that_meets_low_stock(replenishment, warehouse):
    level, demand = np.array([[4, 5, 6]]), np.array([[1e-6, 2e-6, 5e-6]])  # none is sold
    shelves = replenishment.ShelvesByFailures(warehouse.selling, 9, level[0])
    packs = replenishment.Packs.single(3)
    for _ in range(10):
        shelves.review(level[0], packs)
    launches = replenishment.Launches(np.zeros(3, int), level[0], np.repeat(NEVER, 3))
    _, empty, low = replenishment.play_months(
        *(warehouse, shelves, np.array(MONTHS[:1]), [1.0], (0.1, 0.7), demand, level, launches),
        *(packs, shocks_of(replenishment, warehouse, MONTHS[:1], 3)),
    )
    assert (empty == 0).all()
    assert low == pytest.approx(np.full_like(low, 1 / 8))


def test_rates_are_those_of_ranged_positions(replenishment, warehouse):
    """The second product comes on the second day; after the second review the third is empty."""
    level, demand = np.array([[9, 2, 0]]), np.array([[3e-6, 1e-6, 0]])  # none is sold
    shelves = replenishment.ShelvesByFailures(warehouse.selling, 9, np.array([9, 0, 0]))
    launches = replenishment.Launches(
        day=np.array([0, FIRST_DAY + 1, FIRST_DAY + 2]),
        units=np.array([0, 2, 0]),
        until=np.repeat(NEVER, 3),
    )
    packs = replenishment.Packs.single(3)
    for _ in range(10):
        shelves.review(np.array([9, 0, 0]), packs)
    _, empty, low = replenishment.play_months(
        *(warehouse, shelves, np.array(MONTHS[:1]), [1.0], (0.1, 0.7), demand, level, launches),
        *(packs, shocks_of(replenishment, warehouse, MONTHS[:1], 3)),
    )
    assert empty[:3].tolist() == [[share] * 10 for share in [0, 0, 1 / 3]]
    assert low[:2, 0].tolist() == pytest.approx([0, 1 / 4])


def test_a_position_plays_no_part_from_its_liquidation_on(replenishment, warehouse):
    """Two positions, one of them empty, which is liquidated on the third day."""
    level, demand = np.array([[9, 0]]), np.array([[3e-6, 1e-6]])  # none is sold
    shelves = replenishment.ShelvesByFailures(warehouse.selling, 9, level[0])
    packs = replenishment.Packs.single(2)
    for _ in range(10):
        shelves.review(level[0], packs)
    until = np.array([replenishment.NEVER, FIRST_DAY + 2])
    launches = replenishment.Launches(day=np.zeros(2, int), units=level[0], until=until)
    _, empty, low = replenishment.play_months(
        *(warehouse, shelves, np.array(MONTHS[:1]), [1.0], (0.1, 0.7), demand, level, launches),
        *(packs, shocks_of(replenishment, warehouse, MONTHS[:1], 2)),
    )
    assert empty[:4, 0].tolist() == [1 / 2, 1 / 2, 0, 0]
    assert low[:4, 0].tolist() == pytest.approx([1 / 4, 1 / 4, 0, 0])


@pytest.mark.parametrize(("days_since_review", "is_due"), [(5, True), (8, False)])
def test_orders_due_later_fail_by_chance(replenishment, store, days_since_review, is_due):
    """An order that was placed before the first day and is due after it comes or fails."""
    selling = replace(store.selling, return_rate=0.0)
    location = replace(store, days_since_review=days_since_review, selling=selling)
    days = np.arange(FIRST_DAY, FIRST_DAY + 4)  # it would come on the third one
    # Shelves are empty when any order has failed.
    empty = np.tile(np.arange(10) > 0, (4, 1)).astype(float)
    rates = replenishment.rate_by_opening(location, days, empty, 0.3, 0.8)
    assert rates[:2] == pytest.approx([0.3 / 2, (1 + 0.8) / 2] if is_due else [0, 1])

    demand, level = np.full(50, 0.5), np.full(50, 40)
    packs = replenishment.Packs.single(50)
    on_shelf = np.eye(10)[0]  # no order due before has failed
    opening = {
        start: replenishment.opening_stock(
            location, 1.0, demand, level, packs, on_shelf, start, 0.9
        )
        for start in (0.0, 1.0)
    }
    assert opening[0.0][0].tolist() == opening[1.0][0].tolist()
    assert (opening[0.0][1] > 0).any() == is_due
    assert (opening[1.0][1] == 0).all()
    assert [failing.all() for _, _, failing in opening.values()] == [False, is_due]


def test_outages_before_the_first_day_are_those_of_the_last_review(replenishment, store):
    """A window that begins a day later has the same last review, and so the same outages."""
    demand, level = np.full(200, 0.5), np.full(200, 40)
    shares = replenishment.failure_shares(9, 0.3, 0.8)
    first, later = (
        replenishment.opening_stock(
            replace(store, first_day=FIRST_DAY + n, days_since_review=5 + n),
            *(1.0, demand, level, replenishment.Packs.single(200), shares, 0.3, 0.8),
        )[2]
        for n in (0, 1)
    )
    assert first.tolist() == later.tolist()
    assert 0.4 < first.mean() < 0.8


def test_opening_stock_is_that_of_the_first_month(replenishment, warehouse, monkeypatch):
    """With its demand, the level that covers it, its share of sales and its outages."""
    given = {}

    def record(name, answer):
        def recorded(*arguments):
            given[name] = arguments
            return answer

        monkeypatch.setattr(replenishment, name, recorded)

    shares = replenishment.failure_shares(9, 0.2, 0.7)
    calibration = replenishment.Calibration(
        (0.2, 0.7), 0.8, np.zeros(10), [np.zeros(34 * 1000, int)]
    )
    record("first_calibration", (calibration, shares, 0.9))
    record("opening_stock", (np.arange(5.0), np.arange(5.0), np.zeros(5, bool)))
    record("next_calibration", calibration)
    demand = make_demand(launch_days=[-1, 0])
    rows = replenishment.plan_location(demand, warehouse, 0.3).to_pandas()
    _, share, planned, level, _, *outages = given["opening_stock"]
    assert share == 0.9
    assert planned.tolist() == demand["mean_daily_demand"].to_pylist()[:5]
    stocking = demand["usual_daily_demand"].to_numpy()[:5]
    # No product is ordered again that is launched on the first day.
    assert level.tolist() == [*replenishment.levels_for(stocking * 45)[:4].tolist(), 0]
    assert outages == [shares, *calibration.chances]
    opening = rows["opening_available"] + rows["opening_in_transit"]
    assert opening[:4].tolist() == [0, 2, 4, 6]
    assert opening[4] == 8 + rows["order_up_to_level"][4]
    # Of two months ahead only the demand is known.
    _, target_rate, sample = given["first_calibration"]
    assert target_rate == 0.3
    assert given["next_calibration"] == (warehouse, 0.3, calibration, sample, 2)
    assert sample.months.tolist() == MONTHS
    assert sample.planned.shape == (7, replenishment.SAMPLE_SIZE)
    assert sample.level.shape == (5, replenishment.SAMPLE_SIZE)
    assert set(sample.planned[0]) == set(planned)
    assert set(sample.opening_level) == set(level)
    assert set(sample.launches.day) == {0, FIRST_DAY}


def test_reorder_point_covers_review_and_lead_time(replenishment, store):
    rows = plan(replenishment, store)
    daily = rows["planned_daily_demand"]
    assert rows["reorder_point"].tolist() == np.ceil(daily * (14 + 7)).tolist()
    assert rows["reorder_quantity"].tolist() == np.ceil(daily * 14).tolist()


def demand_stream():
    """Arrow table of two locations' plans in the order of stream_position."""
    size = make_demand().num_rows
    table = pa.concat_tables([make_demand(), make_demand()])
    return table.append_column("location_key", pa.array(np.repeat([3, 4], size))).append_column(
        "stream_position", pa.array(np.tile(np.arange(1, size + 1), 2))
    )


@pytest.mark.parametrize("batch_rows", [1, 7, 35, 1000])
def test_stream_gives_the_plan_of_each_location(replenishment, store, batch_rows):
    locations = {key: replace(store, location_key=key) for key in (3, 4)}
    batches = demand_stream().to_batches(batch_rows)
    plans = pa.Table.from_batches(replenishment.plan_stream(batches, locations, 0.3))
    alone = [
        replenishment.plan_location(make_demand(), location, 0.3) for location in locations.values()
    ]
    assert plans.equals(pa.concat_tables(alone))


def test_batches_without_rows_are_left_out(replenishment):
    """Wherever they come, and when nothing else does."""
    batches = demand_stream().to_batches(7)
    empty = batches[0].slice(0, 0)
    spread = [empty, *(part for batch in batches for part in (batch, empty))]
    tables = list(replenishment.split_locations(iter(spread)))
    assert pa.concat_tables(tables).equals(demand_stream())
    assert [set(table["location_key"].to_pylist()) for table in tables] == [{3}, {4}]
    assert list(replenishment.split_locations(iter([empty]))) == []


@pytest.mark.parametrize("row", [0, 1, 35])
def test_stream_out_of_order_is_refused(replenishment, row):
    rows = demand_stream()
    wrong = pa.concat_tables([rows.slice(0, row), rows.slice(row + 1)])
    with pytest.raises(ValueError, match="stream_position"):
        list(replenishment.split_locations(wrong.to_batches(7)))


@pytest.mark.parametrize("days_since_review", [0, 1, 6, 7, 8, 13])
def test_rows_are_what_failed_orders_leave(replenishment, store, days_since_review):
    """A row of the shelves is the stock of a position whose last orders failed."""
    location = replace(
        store,
        days_since_review=days_since_review,
        selling=replace(store.selling, return_rate=0.0),
    )
    period, lead_time = location.schedule.review_period_days, location.schedule.lead_time_days
    rng = np.random.default_rng(5)
    wanted = rng.poisson(0.4, (200, 30))
    # Ten products are withdrawn at some time: no more orders, and little leaves the shelf.
    withdrawal = np.where(np.arange(30) < 10, FIRST_DAY + rng.integers(120, 190, 30), 10**6)
    is_withdrawn = (FIRST_DAY + np.arange(200))[:, None] >= withdrawal
    wanted[is_withdrawn] = rng.random(is_withdrawn.sum()) < 0.02
    shelves = replenishment.ShelvesByFailures(location.selling, 9, np.full(30, 60))
    last_days = range(FIRST_DAY + 160, FIRST_DAY + 200)
    measured = {}
    for n, units in enumerate(wanted):
        day = FIRST_DAY + n
        if location.days_from_review(day) == lead_time:
            shelves.receive()
        shelves.sell(units, units, np.zeros(30), return_draws=0)
        if day in last_days:
            is_newest = location.days_from_review(day) >= lead_time
            measured[day] = shelves.on_shelf(is_newest).copy()
        if location.days_from_review(day) == period:
            shelves.review(np.where(is_withdrawn[n], 0, 60), replenishment.Packs.single(30))

    for last, product in itertools.product(last_days, range(30)):
        arrived = [
            day
            for day in range(FIRST_DAY, min(last, withdrawal[product]))
            if location.days_from_review(day) == period and day + lead_time <= last
        ]
        for failures in (0, 1, 3):
            failed = arrived[len(arrived) - failures :]
            available, due = 60, {}
            for n, units in enumerate(wanted[: last - FIRST_DAY + 1, product].tolist()):
                day = FIRST_DAY + n
                available = max(available + due.pop(day, 0) - units, 0)
                is_ordered = day < withdrawal[product] and day not in failed
                if location.days_from_review(day) == period and is_ordered:
                    due[day + lead_time] = 60 - available - sum(due.values())
            assert measured[last][failures, product] == available


def make_demand(
    months=MONTHS,
    products=5,
    level=1.0,
    share_withdrawn=0,
    launch_days=(),
    last_days=(),
    packs=((1, 1, 1),),
):
    """Demand of a long tail of products, which planners know: 0.03 to 3 units a day at level 1.

    share_withdrawn of the products are sold in the first month only. launch_days: days after the
    first one of the last products; the others have long been on sale. last_days: likewise, those
    on which their life ends. packs: units of a pack, packs of the least order and units of a
    carton of one product after the other.
    """
    season = np.repeat(SEASON[: len(months)], products)
    daily = np.tile(np.geomspace(0.03, 3, products), len(months)) * season * level
    is_withdrawn = np.tile(np.arange(products) % 100 < share_withdrawn * 100, len(months))
    daily[is_withdrawn & (np.arange(len(daily)) >= products)] = 0
    launch_day = np.full(products, FIRST_DAY - 400)
    launch_day[products - len(launch_days) :] = FIRST_DAY + np.array(launch_days, int)
    month_start = np.array([f"{m // 100}-{m % 100:02d}" for m in months], "datetime64[M]")
    month_start = np.append(month_start, month_start[-1] + 1).astype("datetime64[D]").astype(int)
    last_day = np.full(products, NEVER[0])
    last_day[products - len(last_days) :] = FIRST_DAY + np.array(last_days, int)
    days_on_sale = np.minimum(month_start[1:, None], last_day + 1)
    days_on_sale -= np.maximum(month_start[:-1, None], launch_day)
    share_on_sale = np.maximum(days_on_sale / np.diff(month_start)[:, None], 0).ravel()
    pack_units, minimum_packs, carton_units = np.tile(
        np.resize(packs, (products, 3)).T, len(months)
    )
    return pa.table(
        {
            "pack_units": pack_units,
            "minimum_packs": minimum_packs,
            "carton_units": carton_units,
            "product_key": np.tile(np.arange(1, products + 1), len(months)),
            "month_key": np.repeat(months, products),
            "mean_daily_demand": daily * share_on_sale,
            "usual_daily_demand": daily,
            "share_on_sale": share_on_sale,
            "past_daily_demand": daily,
            "past_days": np.zeros(len(daily), int),
            "launch_day": np.tile(launch_day, len(months)),
            "end_of_life_day": np.tile(last_day, len(months)),
        }
    )


def plan(replenishment, location, months=MONTHS, target_rate=0.3):
    return replenishment.plan_location(make_demand(months), location, target_rate).to_pandas()


@pytest.mark.parametrize("kind", ["store", "warehouse"])
def test_longer_window_only_adds_months(replenishment, request, kind):
    location = request.getfixturevalue(kind)
    longer, shorter = (plan(replenishment, location, MONTHS[:n]) for n in (7, 6))
    assert set(shorter["month_key"]) == {202510, 202511}
    same = longer[longer["month_key"] <= 202511].reset_index(drop=True)
    assert same.astype(str).equals(shorter.astype(str))


def go_on(replenishment, demand, plans, location):
    """Plan of the months of the demand that come after those of plans."""
    last = plans["month_key"][-1]
    planned = plans.filter(pc.equal(plans["month_key"], last))
    rows = demand.filter(pc.greater_equal(demand["month_key"], last))
    for name in replenishment.CARRIED:
        later = pa.nulls(len(rows) - len(planned), planned.schema.field(name).type)
        rows = rows.append_column(name, pa.chunked_array([*planned[name].chunks, later]))
    return replenishment.plan_location(rows, location, 0.2)


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_months_planned_one_after_the_other_are_those_planned_at_once(
    replenishment, store, slow_warehouse, monkeypatch, data
):
    """Whatever the calendar, launches and withdrawals, and however many months come at once."""
    monkeypatch.setattr(replenishment, "SAMPLE_SIZE", data.draw(st.sampled_from([7, 40])))
    kind = data.draw(st.sampled_from([store, slow_warehouse]))
    period = data.draw(st.sampled_from([5, 14, 35, 60]))
    schedule = replace(
        kind.schedule, review_period_days=period, lead_time_days=data.draw(st.integers(1, period))
    )
    location = replace(
        kind,
        location_key=data.draw(st.integers(1, 99)),
        schedule=schedule,
        days_since_review=data.draw(st.integers(0, period - 1)),
    )
    months = [*MONTHS, 202605, 202606, 202607, 202608, 202609]
    demand = make_demand(
        months=months,
        products=12,
        level=data.draw(st.sampled_from([0.2, 1, 20])),
        share_withdrawn=0.03,
        launch_days=data.draw(st.lists(st.integers(-20, 360), max_size=8)),
    )
    at_once = replenishment.plan_location(demand, location, 0.2)

    def window(count):
        return demand.filter(pc.less_equal(demand["month_key"], months[count + 3]))

    ends = data.draw(st.sets(st.integers(1, 7), max_size=7))
    first, *others = [*sorted(ends), 8]
    plans = replenishment.plan_location(window(first), location, 0.2)
    for count in others:
        plans = pa.concat_tables([plans, go_on(replenishment, window(count), plans, location)])
    assert plans.equals(at_once)


def test_seed_and_location_change_the_plan(replenishment, store):
    base = plan(replenishment, store)
    for other in (replace(store, seed=43), replace(store, location_key=4)):
        assert not plan(replenishment, other)["opening_available"].equals(base["opening_available"])


def test_orders_fail_on_review_days_only(replenishment, store):
    rows = plan(replenishment, store)
    failures = 0
    for month, days in zip(rows["month_key"], rows["failed_order_days"], strict=True):
        for day in days:
            date = int(np.datetime64(f"{month // 100}-{month % 100:02d}-{day:02d}").astype(int))
            # Five days after a review on the first day.
            assert (date - FIRST_DAY + 5) % store.schedule.review_period_days == 0
            assert date >= FIRST_DAY
            failures += 1
    assert failures > 0


@pytest.mark.parametrize("days_since_review", [0, 1, 5, 7, 8, 13])
def test_opening_stock_is_given_once_and_not_above_the_level(
    replenishment, store, days_since_review
):
    location = replace(
        store,
        days_since_review=days_since_review,
        selling=replace(store.selling, return_rate=0.0),
    )
    rows = plan(replenishment, location)
    first = rows["month_key"] == 202510
    assert rows.loc[~first, "opening_available"].isna().all()
    opening = rows.loc[first, "opening_available"] + rows.loc[first, "opening_in_transit"]
    assert (rows.loc[first, "opening_available"] >= 0).all()
    # As if the demand of the first month had always held.
    level = np.maximum(np.floor(rows.loc[first, "planned_daily_demand"] * 60 + 0.5), 1)
    assert (opening <= level).all()
    # What was ordered in the last seven days is on its way.
    is_due = days_since_review in range(1, 8)
    assert (rows.loc[first, "opening_in_transit"] > 0).any() == is_due


def make_lines(rng, location, demand, is_digital):
    """Cart lines of a month at a time that follow the plan: a cart has one line or, online, two."""
    selling = location.selling
    keys = np.unique(demand["product_key"].to_numpy())
    planned = demand["usual_daily_demand"].to_numpy().reshape(-1, len(keys))
    launch_day, last_day = (
        demand[name].to_numpy()[: len(keys)] for name in ("launch_day", "end_of_life_day")
    )
    month_starts = [np.datetime64(f"{m // 100}-{m % 100:02d}", "M") for m in MONTHS]
    next_number = 1
    for n in range(3):
        start, stop = (
            int((month_starts[n] + k).astype("datetime64[D]").astype(int)) for k in (0, 1)
        )
        products, days = [], []
        for day in range(max(start, FIRST_DAY), stop):
            if day == FIRST_DAY or (day + 3) % 7 == 0:
                unevenness = rng.lognormal(-0.18, 0.6, len(keys))
            # Online 68% of carts are abandoned even when nothing is low.
            bought = 0.32 if is_digital else 1.0
            mean = planned[n] * selling.day_index[day] * unevenness / selling.units_per_line
            mean *= (launch_day <= day) & (day <= last_day)
            product = rng.permutation(np.repeat(keys, rng.poisson(mean / bought)))
            products.append(product)
            days.append(np.full(len(product), day))
        product, day = np.concatenate(products), np.concatenate(days)
        size = len(product)
        cart = np.arange(size) // 2 if is_digital else np.arange(size)
        # The second line of a cart is of the same day.
        cart = np.where((np.diff(day, prepend=day[0]) > 0), np.arange(size) + size, cart)
        comes_back = rng.random(size) < selling.return_rate
        dates = day.astype("datetime64[D]").astype(str)
        yield {
            "cart_line_id": next_number + np.arange(size),
            "cart_number": next_number + cart,
            "product_key": product,
            "date_key": np.array([int(date.replace("-", "")) for date in dates]),
            "quantity_requested": 1 + (rng.random(size) < selling.units_per_line - 1),
            "is_digital": np.full(size, is_digital),
            "base_abandonment_rate": np.full(size, 0.68 if is_digital else 0.0),
            "abandonment_draw": rng.random(2 * size)[cart],
            "allocation_draw": rng.random(size),
            "return_lag_days": comes_back * (1 + rng.binomial(20, 0.5, size)),
            "restock_delay_days": np.full(size, 2),
            "recovery_draw": np.ones(size),
            "recovery_lag_days": np.ones(size, int),
            "recovery_allocation_draw": np.ones(size),
            **dict.fromkeys(CARRIED_FIELDS, np.ones(size, int)),
            **dict.fromkeys(EMPTY_SHELF_FIELDS, np.zeros(size, int)),
        }
        next_number += 2 * size


def arrival_of(location, day):
    """First open day from the lead time after a day on."""
    days = itertools.count(day + location.schedule.lead_time_days)
    return next(day for day in days if day not in location.closed_days)


def stock_of_days(replenishment, allocation, location, demand, target_rate, seed):
    """(D, P) units available at the end of each day of the plan, played by int_allocation.

    -1 when a product is not ranged.
    """
    is_digital = location.selling.share_bought_if_low < 1
    schedule = location.schedule
    rows = replenishment.plan_location(demand, location, target_rate)
    days = range(FIRST_DAY, FIRST_DAY + 90)
    from_review = np.array([location.days_from_review(day) for day in days])
    location_key = np.array([1])
    calendar = allocation.Calendar(
        location_key=location_key,
        first_day=FIRST_DAY,
        is_review=from_review[None] == schedule.review_period_days,
        is_receipt=np.array([[location.arrival(day) == day for day in days]]),
        is_peak=np.zeros((1, 90), bool),
        arrival_day=np.array([[arrival_of(location, day) for day in days]]),
        lead_time_days=np.array([schedule.lead_time_days]),
        last_review=np.array([FIRST_DAY - from_review[0]]),
    )
    rules = allocation.Rules(
        low_inventory_threshold=5, cart_abandonment_increase=0.1, cart_recovery_rate=0.0
    )
    rng = np.random.default_rng(seed)
    planned = demand["mean_daily_demand"].to_numpy().reshape(len(MONTHS), -1)
    simulator, stock = None, []
    lines_by_month = make_lines(rng, location, demand, is_digital)
    for month, lines in zip(MONTHS[:3], lines_by_month, strict=True):
        of_month = rows.filter(pc.equal(rows["month_key"], month))
        month_plan = allocation.numpy_columns(of_month, allocation.PLAN_FIELDS)
        failed = allocation.failed_order_matrix(of_month["failed_order_days"])
        month_plan |= {"location_key": location_key.repeat(len(failed)), "order_fails": failed}
        if simulator is None:
            state = allocation.opening_state(month_plan, calendar)
            simulator = allocation.Simulator(month_plan, calendar, rules, state)
        rate = planned[MONTHS.index(month)].mean() * schedule.adjustment_rate
        day, product = np.nonzero(rng.random((failed.shape[1], planned.shape[1])) < rate)
        adjustments = {
            "product_key": product + 1,
            "date_key": month * 100 + day + 1,
            "adjusted_quantity": np.ones(len(day), int),
            "is_damage": rng.random(len(day)) < 0.5,
            "write_off_lag_days": np.full(len(day), 3),
        }
        assert set(adjustments) == set(allocation.ADJUSTMENT_FIELDS)
        adjustments["location_key"] = location_key.repeat(len(day))
        lines["location_key"] = location_key.repeat(len(lines["cart_line_id"]))
        played = simulator.play_month(month, month_plan, adjustments, pa.table(lines))
        stock.append(played.stock["quantity_available"])
    ranged_from, liquidated_on = (
        allocation.day_numbers(rows[name])[: planned.shape[1]]
        for name in ("ranged_from_date_key", "liquidation_date_key")
    )
    day = np.array(days)[:, None]
    return np.where((ranged_from <= day) & (day < liquidated_on), np.concatenate(stock), -1)


@pytest.mark.parametrize(
    ("kind", "target_rate", "level", "share_withdrawn"),
    [
        *itertools.product(["store", "warehouse"], [0.03, 0.075, 0.2], [1], [0]),
        *(("weekly_store", target_rate, 1, 0) for target_rate in (0.03, 0.075, 0.2)),
        ("store", 0.2, 1, 0.5),
        ("slow_warehouse", 0.2, 0.2, 0),
    ],
)
def test_allocation_meets_the_target(
    replenishment, allocation, request, kind, target_rate, level, share_withdrawn
):
    location = request.getfixturevalue(kind)
    demand = make_demand(products=4000, level=level, share_withdrawn=share_withdrawn)
    is_empty = stock_of_days(replenishment, allocation, location, demand, target_rate, 7) == 0
    positions = is_empty.mean(axis=0)
    standard_error = positions.std() / math.sqrt(len(positions))
    assert is_empty.mean() == pytest.approx(target_rate, abs=0.002 + 2 * standard_error)
    # Neither the first days nor the last ones make up for the others.
    for days in (is_empty[:14], is_empty[-14:]):
        assert days.mean() == pytest.approx(target_rate, abs=max(0.25 * target_rate, 0.01))
    # Slow and fast movers alike have stockouts.
    for products in np.array_split(positions, 4):
        assert target_rate / 3 < products.mean() < target_rate * 3


PACKS = ((6, 1, 12), (4, 1, 12), (2, 1, 6), (1, 2, 2), (3, 1, 6))


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("weekly_store", 1),
        ("weekly_store", 0.3),
        ("store", 1),
        ("cartons", 0.3),
        ("cartons", 1),
        ("cartons", 3),
    ],
)
def test_packs_do_not_move_the_rate(replenishment, allocation, request, kind, level):
    """What orders leave over of a pack is there when later ones fail."""
    if kind == "cartons":
        location = request.getfixturevalue("warehouse")
        schedule = replace(location.schedule, orders_cartons=True)
        location = replace(location, schedule=schedule)
    else:
        location = request.getfixturevalue(kind)
    demand = make_demand(products=4000, level=level, packs=PACKS)
    is_empty = stock_of_days(replenishment, allocation, location, demand, 0.075, 7) == 0
    positions = is_empty.mean(axis=0)
    standard_error = positions.std() / math.sqrt(len(positions))
    assert is_empty.mean() == pytest.approx(0.075, abs=0.002 + 2 * standard_error)


def test_orders_are_whole_packs_and_not_below_the_least(replenishment):
    packs = replenishment.Packs(np.array([1, 4, 1, 3]), np.array([1, 4, 2, 6]), np.repeat(NEVER, 4))
    ordered = [packs.ordered(np.full(4, missing)).tolist() for missing in (-2, 0, 1, 4, 7)]
    assert ordered == [[0] * 4, [0] * 4, [1, 4, 0, 0], [4, 4, 4, 6], [7, 8, 7, 9]]
    launched = [packs.launched(np.full(4, level)).tolist() for level in (0, 1, 5)]
    assert launched == [[0] * 4, [1, 4, 2, 6], [5, 8, 5, 6]]


def test_an_order_that_comes_after_failures_fills_up_what_these_left(replenishment, store):
    """After none 7 are left of 9, after one order that failed 5; up to 8 in packs of 4."""
    shelves = replenishment.ShelvesByFailures(store.selling, 9, np.array([9, 9]))
    packs, level = replenishment.Packs(*np.array([[4, 4]] * 2), NEVER), np.array([8, 8])
    none, two = np.zeros(2), np.array([2, 2])
    for _ in range(2):
        shelves.sell(two, two, none, none)
        shelves.review(level, packs)
    # 7 and 4 more, less the 2 that are sold after that, and so on.
    assert shelves.stock.tolist() == [[9, 9], [9, 9], [5, 5]]
    shelves.sell(two, two, none, none)
    shelves.review(level, packs, np.array([0, 2]))
    assert shelves.stock.tolist() == [[11, 11], [7, 7], [7, 7], [3, 3]]


def assert_rate_of_ranged(stock, target_rate, within):
    """The share of ranged positions and days (D, P) with nothing available is the target's.

    stock: see stock_of_days, of which a tenth to three tenths are not ranged.
    """
    is_ranged = stock >= 0
    assert 0.7 < is_ranged.mean() < 0.9
    positions = (stock == 0).sum(axis=0) / np.maximum(is_ranged.sum(axis=0), 1)
    standard_error = positions.std() / math.sqrt(len(positions))
    rate = (stock == 0).sum() / is_ranged.sum()
    assert rate == pytest.approx(target_rate, abs=within + 2 * standard_error)


@pytest.mark.parametrize("kind", ["store", "warehouse"])
def test_ends_of_life_do_not_move_the_rate(replenishment, allocation, request, kind):
    """Stock that runs down at the end of life counts until what is left is liquidated."""
    location = request.getfixturevalue(kind)
    location = replace(location, schedule=replace(location.schedule, last_delivery_days=28))
    # Every second product, in slow and fast sellers alike; some ended long before the first day.
    last_days = np.where(np.arange(4000) % 2, np.arange(4000) % 140 - 20, 10**6)
    demand = make_demand(products=4000, last_days=last_days)
    stock = stock_of_days(replenishment, allocation, location, demand, 0.075, 9)
    assert_rate_of_ranged(stock, 0.075, within=0.003)


def test_plan_of_an_end_of_life(replenishment, store):
    """Levels cover what can still be sold; what is left is liquidated two weeks later."""
    # The first day is 3 October; lives end on 10 and 31 October, 15 November and 31 December.
    last_days = [7, 28, 43, 89]
    demand = make_demand(last_days=last_days)
    rows = replenishment.plan_location(demand, store, 0.3).to_pandas()
    demand = demand.to_pandas()
    starts, stops = np.array([replenishment.month_days(month) for month in MONTHS]).T
    endless = plan(replenishment, store)
    assert set(endless["liquidation_date_key"]) == {99991231}
    for product, last_day in enumerate(last_days, start=2):
        of_product = rows[rows["product_key"] == product]
        (liquidated_on,) = of_product["liquidation_date_key"].unique()
        date = np.datetime64(FIRST_DAY + last_day + 14, "D").astype(str)
        assert liquidated_on == int(date.replace("-", ""))
        planned = demand.loc[demand["product_key"] == product, "mean_daily_demand"]
        units = planned.to_numpy() * (stops - starts)
        for n, level in enumerate(of_product["order_up_to_level"]):
            assert level <= max(np.floor(units[n:].sum() + 0.5), 1)
            assert (level > 0) == (units[n:].sum() > 0)
        without_end = endless.loc[endless["product_key"] == product, "order_up_to_level"]
        is_lower = of_product["order_up_to_level"].to_numpy() < without_end.to_numpy()
        assert is_lower.tolist() == [last_day < 89, last_day < 89, True]


@pytest.mark.parametrize("kind", ["store", "warehouse"])
def test_launches_do_not_move_the_rate(replenishment, allocation, request, kind):
    """The rate is that of ranged positions, whose launch stock cannot fail."""
    location = request.getfixturevalue(kind)
    # Every second product, in slow and fast sellers alike.
    launch_days = np.where(np.arange(4000) % 2, np.arange(4000) % 140 - 20, -400)
    demand = make_demand(products=4000, launch_days=launch_days)
    stock = stock_of_days(replenishment, allocation, location, demand, 0.075, 9)
    assert_rate_of_ranged(stock, 0.075, within=0.002)


def test_plan_of_a_launch(replenishment, store):
    """One delivery in the two weeks up to the launch; no level, stock or failure before it."""
    launch_days = [-3, 0, 12, 40, 89, 500]
    demand = make_demand(products=50, launch_days=launch_days)
    rows = replenishment.plan_location(demand, store, 0.3).to_pandas()
    failing = replenishment.plan_location(demand, store, 0.5).to_pandas()
    for product, launch_day in enumerate(launch_days, start=45):
        of_product = rows[rows["product_key"] == product].set_index("month_key")
        dates = pd.to_datetime(of_product["ranged_from_date_key"].unique(), format="%Y%m%d")
        (ranged_from,) = (dates - pd.Timestamp("1970-01-01")).days
        assert FIRST_DAY + launch_day - 13 <= ranged_from <= FIRST_DAY + launch_day
        assert store.days_from_review(ranged_from) == store.schedule.lead_time_days
        month_end = {m: replenishment.month_days(m)[1] for m in of_product.index}
        for month, row in of_product.iterrows():
            is_ordered = ranged_from - store.schedule.lead_time_days < month_end[month]
            assert (row["order_up_to_level"] > 0) == is_ordered
        opening = of_product.loc[202510, ["opening_available", "opening_in_transit"]].tolist()
        level = of_product.loc[202510, "order_up_to_level"]
        if launch_day >= 0:
            is_there = ranged_from < FIRST_DAY
            is_due = not is_there and ranged_from < FIRST_DAY + store.schedule.lead_time_days
            assert opening == [level * is_there, level * is_due]
        for row in failing[failing["product_key"] == product].itertuples():
            for day in row.failed_order_days:
                assert replenishment.month_days(row.month_key)[0] + day - 1 >= ranged_from


@pytest.mark.parametrize(
    ("days_since_review", "launch_day", "is_there", "is_due"),
    [(8, 3, True, False), (7, 3, False, True), (1, 10, False, True), (0, 10, False, False)],
)
def test_launch_delivery_about_the_first_day(
    replenishment, store, monkeypatch, days_since_review, launch_day, is_there, is_due
):
    """It came the day before or comes that day; it was ordered the day before or is that day."""
    monkeypatch.setattr(replenishment, "SAMPLE_SIZE", 50)
    location = replace(store, days_since_review=days_since_review)
    rows = replenishment.plan_location(make_demand(launch_days=[launch_day]), location, 0.3)
    launch = rows.to_pylist()[4]
    level = launch["order_up_to_level"]
    assert launch["product_key"] == 5
    assert level > 0
    opening = launch["opening_available"], launch["opening_in_transit"]
    assert opening == (level * is_there, level * is_due)


@pytest.mark.parametrize("period", [5, 14, 30])
def test_ranged_from_the_first_receipt_of_two_weeks_or_the_launch(replenishment, store, period):
    schedule = replace(store.schedule, review_period_days=period, lead_time_days=4)
    location = replace(store, schedule=schedule, days_since_review=3)
    launch_day = np.arange(FIRST_DAY - 50, FIRST_DAY + 50)
    expected = [
        next(
            (d for d in range(day - 13, day) if location.days_from_review(d) == 4),
            day,
        )
        for day in launch_day.tolist()
    ]
    assert location.ranged_from(launch_day).tolist() == expected


def test_orders_arrive_on_open_days(store):
    """Reviews are on the 12th and 26th of October, receipts a week later."""
    closed = replace(store, closed_days=frozenset([FIRST_DAY + 16, FIRST_DAY + 17]))
    days = range(FIRST_DAY + 10, FIRST_DAY + 38)
    assert [store.arrival(day) - FIRST_DAY for day in days] == [16] * 14 + [30] * 14
    assert [closed.arrival(day) - FIRST_DAY for day in days] == [18] * 14 + [30] * 14


def test_what_is_launched_comes_on_an_open_day(store):
    """After a closed receipt day, but before a closed day of the launch."""
    launch_day = FIRST_DAY + np.array([16, 17, 18, 19, 29, 30, 31])
    assert (store.ranged_from(launch_day) - FIRST_DAY).tolist() == [16, 16, 16, 16, 16, 30, 30]
    closed = replace(store, closed_days=frozenset([FIRST_DAY + 16, FIRST_DAY + 17]))
    expected = [15, 15, 18, 18, 18, 30, 30]
    assert (closed.ranged_from(launch_day) - FIRST_DAY).tolist() == expected


def test_closed_days_do_not_move_the_rate(replenishment, allocation, store):
    """As many closed days as can be: every delivery comes three days later."""
    receipts = [day for day in range(FIRST_DAY - 14, FIRST_DAY + 300) if store.arrival(day) == day]
    closed_days = frozenset(day + n for day in receipts for n in range(3))
    closed = replace(store, closed_days=closed_days)
    demand = make_demand(products=4000)
    is_empty = stock_of_days(replenishment, allocation, closed, demand, 0.075, 7) == 0
    positions = is_empty.mean(axis=0)
    standard_error = positions.std() / math.sqrt(len(positions))
    assert is_empty.mean() == pytest.approx(0.075, abs=0.002 + 2 * standard_error)
    assert not closed_days & {closed.arrival(day) for day in receipts}


SELLING_CONFIG = {
    "return_rate": 0.2,
    "return_delay_days": (1, 3),
    "digital_share": 0.5,
    "low_inventory_threshold": 5,
    "cart_abandonment_base_rate": 0.6,
    "cart_abandonment_increase": 0.1,
    "cart_recovery_rate": 0.5,
    "substitution_rate": 0.4,
    "waiting_rate": 0.2,
    "target_stockout_rate": 0.1,
}


def sellings(replenishment, **changes):
    """Sellings of small seeds; two days of October and one of November, not in their order."""
    group = ["store", "digital"]
    seeds = {
        "return_rates": pd.DataFrame({"channel_group": group, "return_rate_index": [0.5, 2.5]}),
        "return_lags": pd.DataFrame(
            {
                "channel_group": ["store", "store", "digital"],
                "lag_days": [1, 4, 9],
                "weight": [1, 2, 7],
            }
        ),
        "basket_sizes": pd.DataFrame(
            {
                "channel_group": ["store", "digital", "digital"],
                "items_count": [1, 1, 3],
                "weight": [1, 2, 1],
            }
        ),
        "units_per_line": pd.DataFrame({"quantity": [1, 2], "weight": [3, 1]}),
        "replacement_demand": pd.DataFrame(
            {"response": ["wait", "substitute"], "units_per_stockout_rate": [0.25, 1.5]}
        ),
    }
    days = pd.DataFrame(
        {
            "date_key": [20251101, 20251031, 20251030],
            "month_key": [202511, 202510, 202510],
            "calendar_date": pd.to_datetime(["2025-11-01", "2025-10-31", "2025-10-30"]),
            "demand_index": [4.0, 2.0, 1.0],
            "promotion_uplift": [1.0, 1.5, 1.0],
        }
    )
    online = days.assign(demand_index=[4.0, 4.0, 2.0], promotion_uplift=[1.0, 1.0, 3.0])
    traffic = pd.concat(
        [days.assign(channel_group="store"), online.assign(channel_group="digital")]
    )
    return replenishment.sellings_from(seeds, traffic, SELLING_CONFIG | changes)


def test_sellings_are_those_of_the_seeds(replenishment):
    found = sellings(replenishment)
    first = int(np.datetime64("2025-10-30").astype(int))
    for name, (first_index, second_index) in {"store": (0.5, 1.5), "digital": (1.2, 0.8)}.items():
        selling = found[name]
        expected = {first: first_index, first + 1: second_index, first + 2: 1.0}
        assert selling.day_index == pytest.approx(expected)
        assert selling.units_per_line == pytest.approx(1.25)
        assert selling.low_inventory_threshold == 5
    # 0.2 is the mean: half of the units are sold online.
    rates = [found[name].return_rate for name in ("store", "digital")]
    assert rates == pytest.approx([0.2 / 3, 1 / 3])
    assert [found[name].return_days for name in ("store", "digital")] == pytest.approx([3 + 2, 11])
    assert found["store"].other_lines == {0: 1.0}
    assert found["digital"].other_lines == pytest.approx({0: 0.4, 2: 0.6})
    assert sellings(replenishment, return_rate=0.9)["digital"].return_rate == 1
    # At a stockout rate of 10%.
    for selling in found.values():
        assert selling.replacements == pytest.approx(0.1 * 0.9**2 * (0.4 * 1.5 + 0.2 * 0.25))


@pytest.mark.parametrize(
    ("base_rate", "recovery_rate", "share"),
    [
        (0.6, 0.5, (1 - 0.7 * 0.6) / (1 - 0.6 * 0.5)),
        (0.95, 0.05, 0),  # all carts are abandoned, and none comes back
        (0.95, 0.5, 0.4 / (1 - 0.95 * 0.5)),
        (0.6, 0.05, (1 - 0.7) / (1 - 0.6 * 0.95)),
        (1.0, 0.0, 1),  # nothing is bought with or without stock
    ],
)
def test_low_stock_keeps_digital_carts_from_buying(replenishment, base_rate, recovery_rate, share):
    found = sellings(
        replenishment, cart_abandonment_base_rate=base_rate, cart_recovery_rate=recovery_rate
    )
    assert found["digital"].share_bought_if_low == pytest.approx(share)
    assert found["store"].share_bought_if_low == 1


def test_locations_have_the_schedule_of_their_type(replenishment, store, warehouse):
    schedules = pd.DataFrame(
        {
            "location_type": ["store", "warehouse"],
            "review_period_days": [14, 7],
            "lead_time_days": [7, 3],
            "cover_days": [60, 45],
            "supplier_outage_mean_days": [45.0, 30.0],
            "shrinkage_rate": [0.01, 0.0],
            "damage_rate": [0.02, 0.005],
            "liquidation_lag_days": [14, 16],
            "orders_cartons": [False, True],
            "last_delivery_days": [28, 21],
        }
    )
    key = pd.DataFrame({"location_key": [1, 2]})
    frames = {
        "supply_schedule": schedules,
        "int_supply_calendar": key.assign(
            calendar_date=pd.to_datetime("2025-10-03"), days_since_review=[5, 0]
        ),
        "int_holiday_calendar": pd.DataFrame({"holiday_date": [pd.Timestamp("1970-01-03").date()]}),
        "gold_location_dim": key.assign(location_type=["warehouse", "store"]),
        "int_location_demand": key.assign(channel_group=["digital", "store"]),
    }
    sellings = {"store": store.selling, "digital": warehouse.selling}
    frames["planner_settings"] = pd.DataFrame(
        {
            "parameter": ["place_error", "prior_units", "product_error"],
            "parameter_value": ["0.35", "4", "0.25"],
        }
    )
    frames["demand_levels"] = pd.DataFrame(
        [["store_shock", "", 0.5, 0.25], ["product_shock", "", 0.4, 0.15]],
        columns=["component", "scope", "weekly_persistence", "log_deviation"],
    )
    found = replenishment.locations_from(frames, sellings, 42)
    others = (
        replenishment.Planner(4.0, 0.25, 0.35),
        (replenishment.Component(0.4, 0.15), replenishment.Component(0.5, 0.25)),
    )
    assert found == {
        1: replenishment.Location(
            *(42, 1, FIRST_DAY, 5),
            replenishment.Schedule(7, 3, 45, 30.0, 0.005, 16, True, 21),
            warehouse.selling,
            *others,
        ),
        2: replenishment.Location(
            *(42, 2, FIRST_DAY, 0),
            replenishment.Schedule(14, 7, 60, 45.0, pytest.approx(0.03), 14, False, 28),
            store.selling,
            *others,
            closed_days=frozenset([2]),
        ),
    }


def test_stockouts_last_a_day_or_many_weeks(replenishment, allocation, store):
    stock = stock_of_days(replenishment, allocation, store, make_demand(products=4000), 0.075, 8)
    # Spells of days with nothing available, each product's days one after the other.
    is_empty = np.pad(stock == 0, ((1, 1), (0, 0))).T.ravel()
    edges = np.flatnonzero(np.diff(is_empty.astype(int)))
    lengths = edges[1::2] - edges[::2]
    assert lengths.min() == 1
    assert 4 <= np.median(lengths) <= 25
    assert np.quantile(lengths, 0.95) > 35
