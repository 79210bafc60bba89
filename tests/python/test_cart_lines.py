"""The pure functions of int_cart_lines."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

MONTH = 202511
PRODUCTS = 40


@pytest.fixture(scope="module")
def demand(load_model):
    return load_model("models/demand/int_cart_lines.py")


@pytest.fixture(scope="module")
def shape(demand):
    return demand.Shape(
        random_seed=42,
        cart_abandonment_base_rate=0.68,
        cart_recovery_rate=0.14,
        return_rate=0.15,
        return_delay_days=(1, 3),
        traffic_noise=0.1,
        same_category_share=0.25,
        category_loyalty=0.35,
        channel_loyalty=0.5,
    )


@pytest.fixture(scope="module")
def customers(demand):
    count = 30
    numbers = np.arange(count)
    return demand.Customers(
        frequency=1.0 + numbers % 3,
        preferred_category=numbers % 4,
        preferred_channel=np.array(["web", "app"])[numbers % 2],
        location={True: 11 + numbers % 2, False: 1 + numbers % 2},
        first_version=numbers,
        version_order=numbers * 2**20,
        version_key=numbers + 1,
        segment=numbers % 2,
        segment_frequency=np.array([1.0, 2.0]),
        segment_abandonment=np.array([1.1, 0.9]),
    )


def make_group(demand, is_digital, days=range(1, 31)):
    return demand.Group(
        is_digital=is_digital,
        traffic={MONTH * 100 + day: 1.0 for day in days},
        channel_key=np.array([1, 3]),
        channel_cdf=np.array([0.6, 1.0]),
        device_cdf=np.array([[1.0, 1.0, 1.0], [0.0, 0.9, 1.0]]) if is_digital else None,
        preferred_channels={"web": np.array([0]), "app": np.array([1])},
        hour_cdf=demand.cumulative(np.ones(24)),
        items_cdf=demand.items_by_segment([5, 3, 2], [0.9, 1.2]),
        lag_cdf=demand.cumulative([1, 2, 1]),
        return_rate=0.2,
    )


def make_table():
    """One row per product, on promotion on the 28th."""
    number = np.arange(PRODUCTS)
    promoted = [
        {"day_of_month": 28, "promotion_key": 2519, "discount_cents": 500, "demand_uplift": 2.0}
    ]
    return pa.table(
        {
            "product_key": pa.array(number + 1, pa.int32()),
            "month_key": np.full(PRODUCTS, MONTH),
            "category_code": number // 10,
            "product_position": number,
            "product_count": np.full(PRODUCTS, PRODUCTS),
            "demand_weight": 1_000_000 * (1 + number % 5),
            "planned_weight": 1_000_000 * (1 + number % 5),
            "price_cents": 2000 + 10 * number,
            "return_rate_index": np.ones(PRODUCTS),
            "launch_day": np.zeros(PRODUCTS, int),
            "last_day": np.full(PRODUCTS, 10**6),
            "promotion_days": pa.array([promoted] * PRODUCTS),
        }
    )


def generate(demand, customers, shape, is_digital=True, location=11, units=40.0, **options):
    group = make_group(demand, is_digital, **options)
    quantity_cdf = np.array([0.8, 0.95, 1.0])
    table = demand.generate(make_table(), location, units, group, customers, shape, quantity_cdf)
    return table.to_pandas()


@pytest.mark.parametrize("is_digital", [True, False])
def test_lines_are_well_formed(demand, customers, shape, is_digital):
    lines = generate(demand, customers, shape, is_digital, location=11 if is_digital else 1)
    assert lines["cart_line_id"].is_unique
    assert lines["cart_line_id"].is_monotonic_increasing
    assert not lines.duplicated(["cart_number", "product_key"]).any()
    per_cart = lines.groupby("cart_number")
    for column in ("customer_key", "time_key", "abandonment_draw", "recovery_draw", "channel_key"):
        assert (per_cart[column].nunique() == 1).all()
    draws = lines[[name for name in lines if name.endswith("_draw")]]
    assert ((draws >= 0) & (draws < 1)).all(axis=None)
    assert set(lines["quantity_requested"]) <= {1, 2, 3}
    assert lines["return_lag_days"].isna().equals(lines["restock_delay_days"].isna())
    assert lines["restock_delay_days"].dropna().between(1, 3).all()
    assert lines["return_lag_days"].dropna().between(1, 3).all()
    assert lines["device_number"].notna().all() == is_digital
    assert (lines["base_abandonment_rate"] > 0).all() == is_digital
    on_28th = lines["date_key"] == 20251128
    assert (lines["promotion_key"] == np.where(on_28th, 2519, 0)).all()
    assert (lines["discount_amount"] == np.where(on_28th, 5.0, 0.0)).all()


def test_customers_are_those_whom_the_location_serves(demand, customers, shape):
    keys = set(generate(demand, customers, shape)["customer_key"])
    assert keys <= set(customers.version_key[customers.location[True] == 11])
    # A location without customers of its own serves anybody.
    assert len(set(generate(demand, customers, shape, location=99)["customer_key"])) > len(keys)


def test_surviving_units_meet_the_plan(demand, customers, shape):
    """Requested x survival is the plan; promotions double the 28th, weekly shocks average out."""
    survival = 1 - 0.68 * (1 - 0.14)
    for is_digital, location in ((True, 11), (False, 1)):
        lines = generate(demand, customers, shape, is_digital, location, units=3000.0)
        units = lines["quantity_requested"].sum() * (survival if is_digital else 1.0)
        assert units / (3000 * 31) == pytest.approx(1, abs=0.2)


def test_shorter_window_is_a_prefix(demand, customers, shape):
    whole = generate(demand, customers, shape)
    part = generate(demand, customers, shape, days=range(1, 12))
    assert len(part) > 50
    assert whole[whole["date_key"] <= 20251111].reset_index(drop=True).equals(part)


def test_seed_and_location_change_the_draws(demand, customers, shape):
    from dataclasses import replace

    base = generate(demand, customers, shape)
    for other in (
        generate(demand, customers, replace(shape, random_seed=43)),
        generate(demand, customers, shape, location=12),
    ):
        assert not set(base["allocation_draw"]) & set(other["allocation_draw"])


def test_promotion_moves_demand_to_its_products(demand, customers, shape):
    lines = generate(demand, customers, shape, units=1000.0)
    per_day = lines.groupby("date_key").size()
    assert per_day[20251128] > 1.5 * per_day.drop(20251128).mean()


@settings(deadline=None)
@given(mean=st.floats(0.01, 450), draw=st.floats(0, 1, exclude_max=True))
def test_poisson_quantile_is_the_inverse_cdf(demand, mean, draw):
    count = demand.poisson_quantile(mean, draw)

    def cdf(limit):
        terms = (k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(limit + 1))
        return math.fsum(math.exp(term) for term in terms)

    assert cdf(count - 1) <= draw + 1e-9
    assert draw - 1e-9 <= cdf(count) or draw > 1 - 1e-9


@given(
    weights=st.lists(st.integers(0, 5), min_size=1, max_size=8).filter(any),
    draw=st.floats(0, 1, exclude_max=True),
    data=st.data(),
)
def test_pick_within_never_picks_what_weighs_nothing(demand, weights, draw, data):
    start = data.draw(st.integers(0, len(weights) - 1))
    stop = data.draw(st.integers(start + 1, len(weights)))
    sums = np.cumsum(weights)
    got = int(demand.pick_within(sums, np.array([start]), np.array([stop]), np.array([draw]))[0])
    assert start <= got < stop
    if any(weights[start:stop]):
        assert weights[got] > 0


def test_pick_within_follows_the_weights(demand):
    draws = (np.arange(1000) + 0.5) / 1000
    sums = np.cumsum([5, 0, 3, 2])
    got = demand.pick_within(sums, 0, 4, draws)
    assert np.bincount(got, minlength=4).tolist() == [500, 0, 300, 200]


def test_version_in_force(demand, customers):
    from dataclasses import replace

    # Customer 0 changes on day 100, customer 1 never.
    order = np.array([0, 100, 2**20])
    two = replace(
        customers, version_order=order, first_version=np.array([0, 2]), version_key=np.arange(3)
    )
    customer, day = np.array([0, 0, 0, 1]), np.array([99, 100, 500, 500])
    assert demand.version_of(two, customer, day).tolist() == [0, 1, 1, 2]
