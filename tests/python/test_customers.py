"""Who known customers are and when they come: int_customer_lives and int_customer_visits."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FIRST_DAY = 20_000  # since 1970-01-01
FAR_BACK = -25_567  # joined_date of who is known from the start: 1900-01-01
NOVEMBER = int(np.datetime64("2025-11-01").astype(int))
MONTHS = {202511: 30, 202512: 31, 202601: 31}
# Of seed 42, stream 20, customers 0 to 2 and one month.
KEYED_UNIFORMS = [0.45527537635559623, 0.1415637628301375, 0.4729424651177895]


@pytest.fixture(scope="module")
def lives_model(load_model):
    return load_model("models/dimensions/int_customer_lives.py")


@pytest.fixture(scope="module")
def visits_model(load_model):
    return load_model("models/demand/int_customer_visits.py")


def seeds():
    """Rows of the seeds that lives_from reads, in no order."""
    return {
        "customer_attributes": pd.DataFrame(
            {
                "attribute": ["preferred_channel"] * 4 + ["gender"],
                "value": ["store", "social", "web", "app", "female"],
                "weight": [90, 1, 6, 3, 50],
            }
        ),
        "channels": pd.DataFrame(
            {"channel_code": ["APP_ANDROID", "WEB", "APP_IOS"], "weight": [10, 80, 30]}
        ),
        "customer_segments": pd.DataFrame(
            {"segment_rank": [3, 0, 2, 1], "weight": [10, 25, 30, 60]}
        ),
        "taste_classes": pd.DataFrame(
            {
                "taste_number": [1, 0],
                "budget_index": [1, 2],
                "mid_index": [1, 1],
                "premium_index": [1, 1],
                "luxury_index": [3, 1],
            }
        ),
        "brands": pd.DataFrame(
            {
                "price_tier": ["mid", "budget", "luxury", "premium", "mid"],
                "weight": [1, 2, 1, 1, 1],
                "price_multiplier": [0.9, 0.6, 3.0, 1.5, 1.1],
            }
        ),
        # December counts twice online, Sundays double in stores.
        "demand_by_month": pd.DataFrame(
            {
                "channel_group": ["store"] * 12 + ["digital"] * 12,
                "month": [*range(12, 0, -1), *range(1, 13)],
                "factor": [1.0] * 23 + [2.0],
            }
        ),
        "demand_by_weekday": pd.DataFrame(
            {
                "channel_group": ["digital"] * 7 + ["store"] * 7,
                "day_of_week": [*range(1, 8), *range(7, 0, -1)],
                "factor": [1.0] * 7 + [2.0] + [1.0] * 6,
            }
        ),
    }


PARAMETERS = {
    "rate_shape": 0.3,
    "annual_rate_scale": 30.0,
    "dropout": 0.25,
    "first_order_share": 0.4,
    "store_loyalty": 0.85,
    "digital_loyalty": 0.8,
    "segment_noise": 1.8,
    "order_value": 97.0,
    "basket_spread": 0.5,
    "build_tops_correlation": 0.85,
    "build_bottoms_correlation": 0.8,
    "build_shoes_correlation": 0.6,
}
ORDERS = 60_000.0, 40_000.0  # of known customers in a year, in stores and online
SHARE_NOT_ABANDONED = 0.4
BOUGHT = 100_000 / (60_000 + 40_000 / SHARE_NOT_ABANDONED)  # of the carts with which they join
CUSTOMERS = 20_000


@pytest.fixture(scope="module")
def lives(lives_model):
    read = seeds().__getitem__
    return lives_model.lives_from(
        PARAMETERS, read, CUSTOMERS, ORDERS, SHARE_NOT_ABANDONED, FIRST_DAY
    )


def make_profiles(count=CUSTOMERS, joined=None, seed=1):
    """Profiles with draws of their own; rates are spread evenly. joined: None is of the start."""
    rng = np.random.default_rng(seed)
    parts = ["tops", "bottoms", "shoes", "build", "basket"]
    names = [*parts, "age", "leave", "preference", "segment", "phone"]
    dates = np.full(count, FAR_BACK if joined is None else joined, np.int32)
    return pa.table(
        {
            "customer_number": pa.array(np.arange(count) + 1, pa.int32()),
            "joined_date": pa.array(dates).cast(pa.date32()),
            "is_digital_join": np.arange(count) % 2 == 0 if joined else np.zeros(count, bool),
            "first_location_key": pa.nulls(count, pa.int32()),
            **{
                name: pa.array(at * np.arange(count), pa.int32())
                for at, name in enumerate(
                    ("nearest_store_id", "fulfillment_location_id", "city_key"), start=2
                )
            },
            "is_male": rng.random(count) < 0.4,
            "taste_number": pa.array(rng.integers(0, 2, count), pa.int32()),
            "matures_after_days": pa.array(90 + np.arange(count) % 15, pa.int32()),
            "visit_frequency_draw": rng.permutation((np.arange(count) + 0.5) / count),
            **{f"{name}_draw": rng.random(count) for name in names},
        }
    )


@pytest.fixture(scope="module")
def base(lives_model, lives):
    """Lives of those known from the start, as a pandas frame; dates are days since 1970-01-01."""
    return frame(lives_model.lives_of(make_profiles(), lives))


@pytest.fixture(scope="module")
def joiners(lives_model, lives):
    """Likewise those who join on the tenth day."""
    return frame(lives_model.lives_of(make_profiles(joined=FIRST_DAY + 9), lives))


def frame(table):
    days = {
        name: table[name].cast(pa.int32())
        for name in table.column_names
        if pa.types.is_date(table[name].type)
    }
    for name, values in days.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table.to_pandas()


def gamma_cdf(shape, x):
    """By the trapezoid rule, in a power of x in which the density has no pole."""
    power = min(shape, 1.0)
    u = np.linspace(0, x**power, 200_001)
    density = u ** (shape / power - 1) * np.exp(-(u ** (1 / power)))
    area = (density.sum() - (density[0] + density[-1]) / 2) * (u[1] - u[0])
    return area / power / math.gamma(shape)


@pytest.mark.parametrize("shape", [0.3, 1.0, 2.5])
def test_gamma_quantiles_are_the_inverse_of_the_integral(lives_model, shape):
    quantiles = lives_model.gamma_quantiles(shape)
    assert (np.diff(quantiles) > 0).all()
    assert quantiles.mean() == pytest.approx(shape, rel=1e-3)
    size = len(quantiles)
    for at in (size // 100, size // 4, size // 2, 9 * size // 10, 999 * size // 1000, size - 1):
        assert gamma_cdf(shape, quantiles[at]) == pytest.approx((at + 0.5) / size, abs=2e-6)


def test_gamma_quantiles_of_shape_one_are_exponential(lives_model):
    quantiles = lives_model.gamma_quantiles(1.0)
    shares = (np.arange(len(quantiles)) + 0.5) / len(quantiles)
    assert quantiles == pytest.approx(-np.log1p(-shares), rel=2e-4)


def test_normal_quantiles_and_shares(lives_model):
    """The 97.5th part is at 1.96; both ends are finite."""
    assert lives_model.normal_quantile(np.array([0.5, 0.975])) == pytest.approx(
        [0, 1.959964], abs=1e-5
    )
    assert lives_model.normal_share(np.array([-1.0, 0.0])) == pytest.approx(
        [0.158655, 0.5], abs=1e-5
    )
    assert np.isfinite(lives_model.normal_quantile(np.array([0.0, 1 - 2**-53]))).all()


@settings(deadline=None, max_examples=20)
@given(dropout=st.floats(0.02, 0.9), share=st.floats(0.05, 0.95), bought=st.floats(0.3, 1))
def test_so_many_orders_are_the_first_of_a_customer(lives_model, dropout, share, bought):
    """Where more would be repeated than dropout lets, nobody leaves for another reason."""
    rates = lives_model.gamma_quantiles(0.3) * 30
    rate = lives_model.leave_rate_for(rates, dropout, share, bought)
    found = bought / (bought + (rates / (dropout * rates + rate)).mean())
    most = bought / (bought + 1 / dropout)
    assert found == pytest.approx(max(share, most), rel=5e-3)


def test_living_rates_are_those_of_who_is_there_at_a_time(lives_model):
    """Three of ten join with rate 1 and stay 4 years, the others with rate 3 for one year."""
    rates = np.where(np.arange(lives_model.GRID) < 0.3 * lives_model.GRID, 1.0, 3.0)
    living = lives_model.living_rates(rates, np.where(rates == 1, 0.25, 1.0))
    assert (np.round(living) == 1).mean() == pytest.approx(12 / 19, abs=1e-3)
    assert (np.diff(living) >= 0).all()


def test_orders_of_a_customer_are_those_of_a_simulated_crowd(lives_model):
    """Fifty years of customers who join evenly, order by order, counted in the last ten years."""
    rng = np.random.default_rng(3)
    dropout, other = 0.25, 1.2
    rates = lives_model.gamma_quantiles(0.3) * 30
    joined = rng.random(60_000) * 50
    own = rates[rng.integers(0, len(rates), len(joined))]
    orders, alive_years = 0.0, 0.0
    now, leaves = joined.copy(), joined + rng.exponential(1 / other, len(joined))
    orders += (joined > 40).sum()  # the first ones
    alive = np.ones(len(joined), bool)
    while alive.any():
        after = now + rng.exponential(1 / np.maximum(own, 1e-12))
        ends = np.minimum(np.where(alive, np.minimum(after, leaves), now), 50)
        alive_years += np.clip(ends - np.maximum(now, 40), 0, None)[alive].sum()
        comes = alive & (after < leaves) & (after < 50)
        orders += (comes & (after > 40)).sum()
        alive = comes & (rng.random(len(joined)) >= dropout)
        now = after
    expected = lives_model.orders_per_customer(rates, dropout, other, 1)
    assert orders / alive_years == pytest.approx(expected, rel=0.06)


def test_repeated_and_first_orders_meet_the_demand(lives_model, lives, base):
    """Of who is known from the start, and of as many who join as leave."""
    rates = lives_model.gamma_quantiles(0.3) * 30 * lives.pace
    leaving = lives.dropout * rates + lives.pace * lives.other_leave_rate
    first_orders = BOUGHT * CUSTOMERS / (1 / leaving).mean()
    assert first_orders == pytest.approx(0.4 * sum(ORDERS), rel=5e-3)
    assert base["annual_orders"].sum() + first_orders == pytest.approx(sum(ORDERS), rel=2e-3)


def test_as_many_join_before_the_first_day_as_after_it(lives_model, lives):
    """As many as have a first cart, by weekday and season, less those who have left since."""
    count = 400_000
    found = frame(lives_model.lives_of(make_profiles(count), lives))["acquisition_date"]
    first_carts = 0.4 * (60_000 + 40_000 / SHARE_NOT_ABANDONED) / 365 * count / CUSTOMERS
    leaving = lives.dropout * lives.joining_rates + lives.other_leave_rate
    for days in (7, 56, 364):
        age = lives.joining_days[1 : days + 1]
        still_there = np.exp(-lives.pace / 365 * leaving[:, None] * age).mean(axis=0)
        expected = first_carts * np.diff(lives.joining_days)[:days] @ still_there
        assert (found >= FIRST_DAY - days).sum() == pytest.approx(expected, rel=0.02)
    dates = pd.Series(pd.to_datetime(found[found >= FIRST_DAY - 728], unit="D"))
    by_day = dates.groupby(dates.dt.dayofweek).size()
    # 60 of 160 carts are in stores, where Sunday counts twice.
    assert by_day[6] / by_day[:6].mean() == pytest.approx(220 / 160, rel=0.04)
    by_month = dates.groupby(dates.dt.month).size()
    around = math.sqrt(by_month[11] * by_month[1])
    assert by_month[12] / around == pytest.approx(260 / 160, rel=0.1)
    # Nobody came before there was anything to join, and no day is that of all who would have.
    assert found.min() >= FIRST_DAY - lives_model.FOUNDED_DAYS
    assert found.value_counts().get(FIRST_DAY - lives_model.FOUNDED_DAYS, 0) < 20


def test_those_known_from_the_start_came_before_and_are_still_there(lives_model, lives, base):
    assert (base["acquisition_date"] < FIRST_DAY).all()
    assert (base["leave_date"] > FIRST_DAY).all()
    # Life goes on as it went: both sides of the first day are exponential with one rate, in days on
    # which as many join.
    rate = base["annual_orders"] / lives.pace
    leaving = lives.pace * (lives.dropout * rate + lives.other_leave_rate) / 365
    before = FIRST_DAY - base["acquisition_date"]
    age = lives.joining_days[before] - np.diff(lives.joining_days)[before - 1] / 2
    for days in (age + 0.5, base["leave_date"] - FIRST_DAY):
        assert ((days - 0.5) * leaving).mean() == pytest.approx(1, abs=0.04)


def test_who_joins_begins_on_that_day(lives, joiners):
    assert (joiners["joined_date"] == FIRST_DAY + 9).all()
    assert (joiners["acquisition_date"] == FIRST_DAY + 9).all()
    assert (joiners["leave_date"] > FIRST_DAY + 9).all()
    assert (joiners["first_rank"] == 0).all()
    assert (joiners["spend_before_cents"] == 0).all()
    # Joiners order by their own rate, those who stay long are less often among them.
    assert joiners["annual_orders"].mean() == pytest.approx(9 * lives.pace, rel=2e-3)


def test_what_others_need_of_a_profile_passes_through(lives_model, lives):
    """Null where it is unknown, and the day of maturity counts for new customers alone."""
    profiles = make_profiles()
    found = lives_model.lives_of(profiles, lives)
    for name in lives_model.PASSED_COLUMNS:
        assert found[name].equals(profiles[name]), name
    days = frame(found)
    after = profiles["matures_after_days"].to_pandas().where(days["first_rank"] == 0, 0)
    assert (days["settled_date"] == days["acquisition_date"] + after).all()
    assert 0 < (days["first_rank"] == 0).sum() < len(days)


def test_shares_of_segments_are_those_of_the_seed(lives_model, lives, monkeypatch):
    """Of who is known from the start and not new: weights 60, 30 and 10 of a hundred."""
    monkeypatch.setattr(lives_model, "NEW_DAYS", 0)
    found = frame(lives_model.lives_of(make_profiles(), lives))
    shares = found["first_rank"].value_counts(normalize=True).sort_index()
    assert shares.to_dict() == pytest.approx({1: 0.6, 2: 0.3, 3: 0.1}, abs=0.012)
    assert set(found["target_rank"]) == {1, 2, 3}
    # Higher segments spend more.
    spend = found["annual_orders"] * found["order_value_index"]
    assert spend.groupby(found["target_rank"]).mean().is_monotonic_increasing


def test_who_came_lately_is_new(lives_model, base):
    """Customers are new for so many days; others have the segment that they earn."""
    is_new = FIRST_DAY - base["acquisition_date"] < lives_model.NEW_DAYS
    assert 0 < is_new.mean() < 1
    assert ((base["first_rank"] == 0) == is_new).all()


def test_parts_of_the_body_are_uniform_and_go_together(base):
    """Each follows one build: two parts with the product of their correlations."""
    parts = base[["build_tops", "build_bottoms", "build_shoes"]].to_numpy().T
    for part in parts:
        counts = np.histogram(part, 10, (0, 1))[0] / len(part)
        assert counts == pytest.approx(np.full(10, 0.1), abs=0.01)
    # Rank correlation of normals with a correlation r is 6 / pi x arcsin(r / 2).
    for (one, other), r in (((0, 1), 0.85 * 0.8), ((0, 2), 0.85 * 0.6), ((1, 2), 0.8 * 0.6)):
        expected = 6 / math.pi * math.asin(r / 2)
        assert np.corrcoef(parts[one], parts[other])[0, 1] == pytest.approx(expected, abs=0.02)


def test_preferences_make_the_orders_of_stores_and_online(lives, base, joiners):
    """Orders go where they are planned, and those who join online prefer it more often."""
    orders = base["annual_orders"]
    assert (orders * base["store_share"]).sum() / orders.sum() == pytest.approx(0.6, abs=0.03)
    likes = base["preferred_channel"] == "store"
    assert base["store_share"].tolist() == np.where(likes, 0.85, 1 - 0.8).tolist()
    online = base.loc[~likes, "preferred_channel"].value_counts(normalize=True)
    assert online[["web", "app", "social"]].tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.02)
    joined_online = joiners.index % 2 == 0
    likes = joiners["preferred_channel"] == "store"
    assert likes[joined_online].mean() == pytest.approx(lives.store_weight[2], abs=0.015)
    assert likes[~joined_online].mean() == pytest.approx(lives.store_weight[1], abs=0.015)


@given(st.floats(0.21, 0.84), st.floats(0.85, 0.99), st.floats(0.8, 0.99))
def test_store_weights_share_orders_out(lives_model, share, store_loyalty, digital_loyalty):
    among_all, in_stores, online = lives_model.store_weights(
        (share, 1 - share), store_loyalty, digital_loyalty
    )
    if 0.02 < among_all < 0.98:
        found = among_all * store_loyalty + (1 - among_all) * (1 - digital_loyalty)
        assert found == pytest.approx(share)
        # Who joins in stores and online together is like all.
        assert share * in_stores + (1 - share) * online == pytest.approx(among_all)
    assert online < among_all < in_stores


def test_prices_of_tastes_are_relative_to_the_average(lives_model):
    """Tiers have the shares 2, 2, 1, 1 of brands and the prices .6, 1, 1.5 and 3."""
    read = seeds()
    found = lives_model.taste_prices(read["taste_classes"], read["brands"])
    first = (2 * 2 * 0.6 + 2 * 1 + 1.5 + 3) / (4 + 2 + 1 + 1)
    second = (2 * 0.6 + 2 * 1 + 1.5 + 3 * 3) / (2 + 2 + 1 + 3)
    assert found.tolist() == pytest.approx(np.array([first, second]) / (first + second) * 2)


def test_values_are_orders_times_ticket(lives, base, joiners):
    """Of the life that is left, and of what came before the first day; the mean ticket is 97."""
    assert base["order_value_index"].mean() == pytest.approx(1, abs=0.02)
    online = np.arange(len(joiners)) % 2 == 0
    for customers, first_orders in (
        (joiners, np.where(online, SHARE_NOT_ABANDONED, 1)),
        (base, 0),
    ):
        rate = customers["annual_orders"] / lives.pace
        ticket = 9700 * customers["order_value_index"]
        repeats = rate / (lives.dropout * rate + lives.other_leave_rate)
        life = ticket * (first_orders + repeats)
        assert (customers["lifetime_value_cents"] - life).abs().max() < 2
    years = (FIRST_DAY - base["acquisition_date"]) / 365
    before = ticket * (BOUGHT + base["annual_orders"] * years)
    assert (base["spend_before_cents"] - before).abs().max() < 2


def test_phones_are_those_of_the_apps(base):
    """Three of four use an iPhone; the draw of the device does not tell which phone."""
    assert base["ios"].mean() == pytest.approx(0.75, abs=0.01)
    assert np.histogram(base["device_draw"], 10, (0, 1))[0] / len(base) == pytest.approx(
        np.full(10, 0.1), abs=0.01
    )
    assert abs(np.corrcoef(base["ios"], base["device_draw"])[0, 1]) < 0.03


def test_a_customer_lives_alone_as_among_others(lives_model, lives):
    profiles = make_profiles(500)
    whole = lives_model.lives_of(profiles, lives)
    parts = [lives_model.lives_of(profiles.slice(n, 7), lives) for n in range(0, 500, 7)]
    assert pa.concat_tables(parts).equals(whole)


def test_known_orders_are_those_of_the_plan(lives_model):
    """A year of units, by units of an order: two products of 1.5 units on average, or one."""
    locations = pd.DataFrame(
        {
            "channel_group": ["store", "digital", "store"],
            "average_daily_units": [10.0, 30.0, 20.0],
        }
    )
    known = pd.DataFrame({"channel_group": ["digital", "store"], "known_share": [0.5, 0.25]})
    baskets = pd.DataFrame(
        {
            "channel_group": ["store", "store", "digital"],
            "items_count": [1, 3, 1],
            "weight": [5, 5, 9],
        }
    )
    quantities = pd.DataFrame({"quantity": [1, 2], "weight": [3, 3]})
    found = lives_model.known_orders(locations, known, baskets, quantities)
    assert found == pytest.approx([30 * 365 * 0.25 / 3, 30 * 365 * 0.5 / 1.5])


# Visits.


def splitmix(seed, stream, *keys):
    """keyed_uniforms of whole numbers, by Python's integers."""
    most = 2**64
    state = (seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % most
    for key in keys:
        state = ((state ^ (key % most)) + 0x9E3779B97F4A7C15) % most
        state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 % most
        state = (state ^ (state >> 27)) * 0x94D049BB133111EB % most
        state ^= state >> 31
    return (state >> 11) * 2.0**-53


@given(st.integers(0, 2**31), st.lists(st.integers(0, 2**40), min_size=1, max_size=4))
def test_keyed_uniforms_are_splitmix(visits_model, seed, keys):
    found = visits_model.keyed_uniforms(seed, 20, *keys)
    assert float(found) == splitmix(seed, 20, *keys)
    assert 0 <= found < 1


def test_keyed_uniforms_stay_what_they_are(visits_model):
    """Fixed values: a change would make all visits anew."""
    found = visits_model.keyed_uniforms(42, 20, np.arange(3), 202511)
    assert found.tolist() == KEYED_UNIFORMS


def test_keyed_uniforms_are_uniform_and_independent(visits_model):
    """Of neighbours in each key, and of streams; in any order and batch."""
    numbers = np.arange(100_000)
    draws = visits_model.keyed_uniforms(42, 20, numbers, 202511, 0, 1)
    assert np.histogram(draws, 20, (0, 1))[0] / 1e5 == pytest.approx(np.full(20, 0.05), abs=0.003)
    others = [
        visits_model.keyed_uniforms(42, 20, numbers + 1, 202511, 0, 1),
        visits_model.keyed_uniforms(42, 20, numbers, 202512, 0, 1),
        visits_model.keyed_uniforms(42, 20, numbers, 202511, 1, 1),
        visits_model.keyed_uniforms(42, 20, numbers, 202511, 0, 2),
        visits_model.keyed_uniforms(42, 21, numbers, 202511, 0, 1),
        visits_model.keyed_uniforms(43, 20, numbers, 202511, 0, 1),
    ]
    for other in others:
        assert abs(np.corrcoef(draws, other)[0, 1]) < 0.015
    order = np.random.default_rng(1).permutation(len(numbers))[:50]
    assert visits_model.keyed_uniforms(42, 20, numbers[order], 202511, 0, 1).tolist() == (
        draws[order].tolist()
    )


@pytest.fixture
def habits(visits_model):
    """Stores 1 to 3 of a region, of which the third sells most; Sundays are quiet."""
    days = np.arange(sum(MONTHS.values()))
    starts = np.cumsum([0, *MONTHS.values()])
    traffic = {}
    for month_key, start, stop in zip(MONTHS, starts[:-1], starts[1:], strict=True):
        for group, level in (("store", 1.2), ("digital", 0.8)):
            own = days[start:stop]
            traffic[group, month_key] = NOVEMBER + own, np.where(own % 7 == 1, 0.0, level)
    return visits_model.Habits(
        random_seed=42,
        cart_abandonment_base_rate=0.6,
        cart_recovery_rate=0.0,
        other_store_share=0.2,
        traffic=traffic,
        other_stores={
            1: (np.array([2, 3]), np.array([0.25, 1.0])),
            2: (np.array([1, 3]), np.array([0.4, 1.0])),
            3: (np.array([1, 2]), np.array([0.5, 1.0])),
        },
    )


def make_customers(count=200, orders=None, joined=None, left=None):
    """Customers of stores 1 to 4, of which the last is alone in its region, and place 11."""
    numbers = np.arange(count)

    def dates(days, default):
        days = np.full(count, default) if days is None else np.asarray(days)
        return pa.array(days.astype(np.int32)).cast(pa.date32())

    return pa.table(
        {
            "customer_number": pa.array(numbers + 1, pa.int32()),
            "acquisition_date": dates(joined, NOVEMBER - 100),
            "leave_date": dates(left, NOVEMBER + 10_000),
            "annual_orders": np.full(count, 30.0) if orders is None else orders,
            "store_share": np.where(numbers % 2, 0.85, 0.2),
            "nearest_store_id": pa.array(1 + numbers % 4, pa.int32()),
            "fulfillment_location_id": pa.array(np.full(count, 11), pa.int32()),
            "first_location_key": pa.array(
                [None if joined is None else int(1 + n % 4) for n in numbers], pa.int32()
            ),
        }
    )


def visits_of(visits_model, habits, customers, first=0, last=91):
    """Visits of the days from the first to the last one since November, as a pandas frame."""
    months = sorted({month for _, month in habits.traffic})
    days = NOVEMBER + first, NOVEMBER + last
    return visits_model.visits_of(customers, months, *days, habits).to_pandas()


def poisson(mean, draw):
    """Number of events whose cumulative chance is above a draw."""
    count, chance = 0, math.exp(-mean)
    total = chance
    while draw >= total:
        count += 1
        chance *= mean / count
        total += chance
    return count


def naive_visits(habits, customer):
    """(location, day, is_first) of a customer, a dict, by loops and Python's integers."""
    number = customer["customer_number"]
    bought_online = 1 - habits.cart_abandonment_base_rate * (1 - habits.cart_recovery_rate)
    found = {(customer["first_location_key"], customer["acquisition_date"], True)}
    if customer["first_location_key"] is None:
        found = set()
    for month_key in MONTHS:
        for is_store, stream in ((True, 20), (False, 21)):
            days, index = habits.traffic["store" if is_store else "digital", month_key]
            share = customer["store_share"] if is_store else 1 - customer["store_share"]
            annual = customer["annual_orders"] * share / (1 if is_store else bought_online)

            def draw(use, which, stream=stream, month_key=month_key):
                return splitmix(habits.random_seed, stream, number, month_key, use, which)

            for which in range(1, 1 + poisson(annual * index.sum() / 365, draw(0, 0))):
                target = draw(1, which) * index.sum()
                at = next(n for n, total in enumerate(np.cumsum(index)) if total > target)
                place = customer["nearest_store_id" if is_store else "fulfillment_location_id"]
                if is_store and draw(2, which) < habits.other_store_share:
                    stores, cdf = habits.other_stores.get(place, ([place], [1.0]))
                    place = stores[sum(share <= draw(3, which) for share in cdf)]
                if customer["acquisition_date"] < days[at] <= customer["leave_date"]:
                    found.add((int(place), int(days[at]), False))
    return found


def day_of(date_keys):
    """Days since 1970-01-01 of YYYYMMDD integers."""
    dates = pd.to_datetime(date_keys.astype(str)).to_numpy("datetime64[D]")
    return dates.astype(int)


def test_visits_of_a_customer_are_those_of_a_loop(visits_model, habits):
    joined = NOVEMBER + np.arange(24) * 2
    customers = make_customers(24, joined=joined, left=joined + 40)
    visits = visits_of(visits_model, habits, customers)
    rows = frame(customers).replace({np.nan: None}).to_dict("records")
    for customer in rows:
        own = visits[visits["customer_number"] == customer["customer_number"]]
        found = set(zip(own["location_key"], day_of(own["date_key"]), own["is_first"], strict=True))
        assert found == naive_visits(habits, customer)
        assert len(found) == len(own)


def test_a_customer_comes_alone_as_among_others(visits_model, habits):
    customers = make_customers(60)
    whole = visits_of(visits_model, habits, customers)
    parts = [visits_of(visits_model, habits, customers.slice(n, 7)) for n in range(0, 60, 7)]
    pd.testing.assert_frame_equal(pd.concat(parts, ignore_index=True), whole)
    order = pa.array(np.random.default_rng(1).permutation(60))
    mixed = visits_of(visits_model, habits, customers.take(order))
    names = ["customer_number", "date_key", "location_key"]
    pd.testing.assert_frame_equal(mixed.sort_values(names, ignore_index=True), whole)


def test_days_that_are_computed_apart_are_those_of_the_whole(visits_model, habits):
    """Cut within months; a run knows the traffic of the months that it touches, as a whole."""
    joined = NOVEMBER - 50 + np.arange(200)
    customers = make_customers(joined=joined)
    whole = visits_of(visits_model, habits, customers)
    parts = []
    for first, last in ((0, 4), (5, 29), (30, 40), (41, 91)):
        months = {202511 + (day >= 30) + 89 * (day >= 61) for day in (first, last)}
        months |= {202512} if first < 61 <= last else set()
        known = {key: days for key, days in habits.traffic.items() if key[1] in months}
        there = customers.filter(pa.array(joined <= NOVEMBER + last))
        parts.append(visits_of(visits_model, replace(habits, traffic=known), there, first, last))
    names = ["customer_number", "date_key", "location_key"]
    found = pd.concat(parts).sort_values(names, ignore_index=True)
    pd.testing.assert_frame_equal(found, whole.sort_values(names, ignore_index=True))


def test_nobody_comes_before_joining_or_after_leaving(visits_model, habits):
    """The first visit is that of the day of joining, at its place; one more there is one cart."""
    joined = NOVEMBER + np.arange(200) % 40
    left = joined + 1 + np.arange(200) % 30
    customers = make_customers(orders=np.full(200, 400.0), joined=joined, left=left)
    visits = visits_of(visits_model, habits, customers)
    at = visits["customer_number"] - 1
    day = day_of(visits["date_key"])
    assert (day >= joined[at]).all()
    assert (day <= left[at]).all()
    assert ((day == joined[at]) == visits["is_first"]).all()
    assert visits["is_first"].sum() == 200
    first = visits[visits["is_first"]]
    assert (first["location_key"] == 1 + (first["customer_number"] - 1) % 4).all()
    assert (left[at] == day).sum() > 100  # on the last day they still come


def test_a_customer_is_once_a_day_at_a_place(visits_model, habits):
    visits = visits_of(visits_model, habits, make_customers(orders=np.full(200, 900.0)))
    assert not visits.duplicated(["customer_number", "location_key", "date_key"]).any()
    assert visits.duplicated(["customer_number", "date_key"]).any()


def test_customers_come_as_often_as_they_order(visits_model, habits):
    """Carts that are abandoned online are so many more; in step with the traffic of the place."""
    annual = np.tile([2.0, 10.0], 2000)
    visits = visits_of(visits_model, habits, make_customers(4000, annual))
    is_store = visits["location_key"] < 11
    days = sum((habits.traffic["store", month][1] > 0).sum() for month in MONTHS)
    share = np.tile([0.2, 0.85], 2000)
    in_stores = (annual * share).sum() * 1.2 * days / 365
    online = (annual * (1 - share)).sum() / 0.4 * 0.8 * days / 365
    assert is_store.sum() == pytest.approx(in_stores, rel=0.04)
    assert (~is_store).sum() == pytest.approx(online, rel=0.04)
    # Those who share a rate deviate as Poisson numbers do.
    counts = np.bincount(visits["customer_number"] - 1, minlength=4000)[1::2]
    assert counts.var() == pytest.approx(counts.mean(), rel=0.1)
    assert not ((day_of(visits["date_key"]) - NOVEMBER) % 7 == 1).any()


def test_some_go_to_other_stores_of_the_region(visits_model, habits):
    """A fifth, by what these sell; who has no other store near goes to the own one."""
    visits = visits_of(visits_model, habits, make_customers(4000))
    stores = visits[visits["location_key"] < 11]
    home = 1 + (stores["customer_number"] - 1) % 4
    elsewhere = stores["location_key"] != home
    assert elsewhere.groupby(home).mean().tolist() == pytest.approx([0.2, 0.2, 0.2, 0], abs=0.02)
    of_first = stores[elsewhere & (home == 1)]["location_key"]
    assert (of_first == 2).mean() == pytest.approx(0.25, abs=0.04)


def test_other_stores_are_those_of_the_region(visits_model):
    locations = pd.DataFrame(
        {
            "location_key": [4, 2, 1, 3, 5],
            "region": ["south", "north", "north", "north", "south"],
            "average_daily_units": [10.0, 30.0, 20.0, 10.0, 0.0],
        }
    )
    found = visits_model.stores_of_regions(locations)
    assert {key: (others.tolist(), cdf.tolist()) for key, (others, cdf) in found.items()} == {
        1: ([2, 3], [0.75, 1]),
        2: ([1, 3], pytest.approx([2 / 3, 1])),
        3: ([1, 2], pytest.approx([0.4, 1])),
        5: ([4], [1.0]),
    }


def test_known_customers_follow_the_season_less_than_all(visits_model):
    """Rows come in any order; a response of a half leaves the root of the month's factor."""
    traffic = pd.DataFrame(
        {
            "channel_group": ["store"] * 3,
            "month_key": [202511, 202511, 202512],
            "date_key": [20251102, 20251101, 20251201],
            "calendar_date": [np.datetime64(f"2025-{day}") for day in ("11-02", "11-01", "12-01")],
            "demand_index": [2.0, 1.0, 8.0],
            "month_factor": [1.0, 1.0, 4.0],
        }
    )
    found = visits_model.traffic_by_month(traffic, 0.5)
    assert {key: (days.tolist(), index.tolist()) for key, (days, index) in found.items()} == {
        ("store", 202511): ([NOVEMBER, NOVEMBER + 1], [1.0, 2.0]),
        ("store", 202512): ([NOVEMBER + 30], [4.0]),
    }


# What the tables of the tiny preset say.


@pytest.fixture(scope="module")
def tables(tiny_world):
    """Return a function that reads a table of the tiny preset as a pandas frame."""
    return lambda name: tiny_world.table(name).to_pandas()


def test_first_visits_are_those_of_new_customers(tables):
    """As many each day and place as join there, and numbered in their order."""
    new, visits = tables("int_new_customers"), tables("int_customer_visits")
    first = visits[visits["is_first"]].assign(
        calendar_date=lambda rows: pd.to_datetime(rows["date_key"].astype(str)).dt.date
    )
    by_place = first.groupby(["calendar_date", "location_key"])["customer_number"]
    new = new.set_index(["calendar_date", "location_key"]).sort_index()
    assert by_place.size().sort_index().to_dict() == new["new_customers"].to_dict()
    assert by_place.min().sort_index().to_dict() == new["first_number"].to_dict()
    assert first["customer_number"].is_unique


def test_customers_come_in_their_lives(tables):
    visits = tables("int_customer_visits").merge(
        tables("int_customer_lives"), on="customer_number", validate="many_to_one"
    )
    day = pd.to_datetime(visits["date_key"].astype(str)).dt.date
    assert (visits["acquisition_date"] <= day).all()
    assert (day <= visits["leave_date"]).all()


def customer_numbers(tables):
    """customer_key -> customer number, of all versions."""
    customers = tables("gold_customer_dim").query("customer_key > 0").set_index("customer_key")
    return customers["customer_id"].str[5:].astype(int)


def test_known_carts_are_visits(tables):
    """Each of its own, and only where a place has fewer carts than visits some fill none."""
    carts = tables("int_cart_lines").drop_duplicates("cart_number")
    carts = carts.assign(customer_number=carts["customer_key"].map(customer_numbers(tables)))
    keys = ["customer_number", "location_key", "date_key"]
    visits = tables("int_customer_visits")[keys]
    known = carts.dropna(subset="customer_number")[keys].astype(int)
    assert not known.duplicated().any()
    assert len(known.merge(visits, on=keys)) == len(known) > 0.95 * len(visits)
    here = ["location_key", "date_key"]
    number = visits.groupby(here).size().to_frame("visits")
    number["carts"] = carts.groupby(here).size().reindex(number.index, fill_value=0)
    assert len(known) == number.min(axis=1).sum()


def test_rates_and_preferences_are_found_in_the_visits(tables):
    """Of who is known all the time: visits by rate, within what a Poisson number deviates."""
    lives, visits = tables("int_customer_lives"), tables("int_customer_visits")
    traffic = tables("int_traffic_plan").query("is_simulated")
    last = traffic["calendar_date"].max()
    stay = lives[
        (lives["acquisition_date"] < traffic["calendar_date"].min()) & (lives["leave_date"] > last)
    ].set_index("customer_number")
    places = tables("int_location_demand").set_index("location_key")["channel_group"]
    is_store = visits["location_key"].map(places) == "store"
    own = visits[is_store & visits["customer_number"].isin(stay.index)]
    season = traffic["demand_index"] * traffic["month_factor"] ** (0.3 - 1)
    index = season[traffic["channel_group"] == "store"].sum() / 365
    expected = (stay["annual_orders"] * stay["store_share"]).sum() * index
    assert len(own) == pytest.approx(expected, abs=3.5 * expected**0.5)
    # Those who prefer stores are found there.
    share = is_store.groupby(visits["customer_number"]).mean()
    likes = stay["preferred_channel"].reindex(share.index).dropna() == "store"
    means = share[likes.index].groupby(likes).mean()
    assert means[True] > means[False] + 0.3


def test_customers_buy_their_own_size(tables):
    """Tops of a customer are the size of the profile, or one next to it, far more often."""
    sales = tables("gold_sales_fact").query("customer_key > 0 and not is_return")
    products = tables("gold_product_dim").set_index("product_key")
    bought = sales.join(products[["size", "gender", "size_ladder"]], on="product_key")
    bought = bought[bought["size_ladder"].str.contains("alpha")]
    customers = tables("gold_customer_dim").set_index("customer_key")
    profile = customers["size_profile_tops"].reindex(bought["customer_key"]).to_numpy()
    ladder = ["XXS", "XS", "S", "M", "L", "XL", "XXL", "3XL"]
    steps = [
        abs(ladder.index(size) - ladder.index(own))
        for size, own in zip(bought["size"], profile, strict=True)
        if size in ladder and own in ladder
    ]
    assert len(steps) > 50
    assert np.mean(np.array(steps) <= 1) > 0.75
