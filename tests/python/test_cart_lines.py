"""The pure functions of int_cart_lines."""

import itertools
import math
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

MONTH = 202511
PRODUCTS = 40
CATEGORIES = ["bags", "bottoms", "shoes", "tops"]
PRICE_TIERS = ["budget", "luxury"]


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
        low_units_share=0.4,
        expected_abandonment_increase=0.1,
        product_shock=demand.Component(0.5, 0.4),
        store_shock=demand.Component(0.5, 0.3),
    )


def without_shocks(demand, shape):
    """The shape of demand that stays at its level."""
    none = demand.Component(0.0, 0.0)
    return replace(shape, product_shock=none, store_shock=none)


@pytest.fixture(scope="module")
def customers(demand):
    count = 30
    numbers = np.arange(count)
    return demand.Customers(
        frequency=1.0 + numbers % 3,
        preferred_category=numbers % 4,
        preferred_channel=numbers % 2,
        members={
            is_digital: demand.members_by_location(first + numbers % 2, numbers % 4)
            for is_digital, first in ((True, 11), (False, 1))
        },
        first_version=numbers,
        version_order=numbers * 2**20,
        version_key=numbers + 1,
        segment=numbers % 2,
        segment_frequency=np.array([1.0, 2.0]),
        segment_abandonment=np.array([1.1, 0.9]),
        tier_preference=np.array([[1.0, 1.0], [1.0, 1.0]]),
    )


def with_change(customers, day, segment):
    """The customers before and after all go from segment 0 to another, (30,), on the day.

    Customer n has the keys 2n and 2n + 1.
    """
    numbers, day = np.arange(30), int(np.datetime64(day).astype(int))
    before = replace(
        customers, version_key=numbers * 2, segment=np.zeros(30, int), first_version=numbers
    )
    after = replace(
        customers,
        first_version=numbers * 2,
        version_order=(numbers[:, None] * 2**20 + [0, day]).ravel(),
        version_key=np.arange(60),
        segment=np.stack([before.segment, segment], axis=1).ravel(),
    )
    return before, after


def make_group(demand, is_digital, days=range(1, 31), device_abandonment=(1.0, 1.0, 1.0)):
    return demand.Group(
        is_digital=is_digital,
        traffic={MONTH * 100 + day: 1.0 for day in days},
        channel_key=np.array([1, 3]),
        channel_cdf=np.array([0.6, 1.0]),
        device_cdf=np.array([[1.0, 1.0, 1.0], [0.0, 0.9, 1.0]]) if is_digital else None,
        device_abandonment=np.array(device_abandonment) if is_digital else None,
        preferred_channels={0: np.array([0]), 1: np.array([1])},
        hour_cdf=demand.cumulative(np.ones((1, 1, 24))),
        location_format={},
        day_kind={},
        items_cdf=demand.cumulative([5, 3, 2]),
        lag_cdf=demand.cumulative([1, 2, 1]),
        quantity_cdf=np.array([0.8, 0.95, 1.0]),
        return_rate={MONTH: 0.2},
        gifts={},
        gift_cdf=np.ones(1),
        closed_days=np.array([], int),
    )


def all_alike():
    """What customers_at gives of all customers, when each is as frequent a visitor."""
    return np.arange(30), np.ones(30), None


def make_table(location=11, **changes):
    """One row per product, on promotion on the 28th, as the stream gives them: by product."""
    number = np.arange(PRODUCTS)
    promoted = [
        {"day_of_month": 28, "promotion_key": 2519, "discount_cents": 500, "demand_uplift": 2.0}
    ]
    columns = {
        "location_key": np.full(PRODUCTS, location),
        "channel_group": ["any"] * PRODUCTS,
        "price_zone": ["any"] * PRODUCTS,
        "product_key": pa.array(number + 1, pa.int32()),
        "month_key": np.full(PRODUCTS, MONTH),
        "category_level_2": [CATEGORIES[n // 10] for n in number],
        "price_tier": [PRICE_TIERS[n % 2] for n in number],
        "demand_weight": 1_000_000 * (1 + number % 5),
        "planned_weight": 1_000_000 * (1 + number % 5),
        "list_price_cents": 1999 + 100 * number,
        "return_rate_index": np.ones(PRODUCTS),
        "launch_day": np.zeros(PRODUCTS, int),
        "last_day": np.full(PRODUCTS, 10**6),
        "promotion_days": pa.array([promoted] * PRODUCTS),
        "month_level": np.ones(PRODUCTS),
        # Of six Mondays, from October 27 to December 1.
        "monday_levels": pa.array([[1.0] * 6] * PRODUCTS),
    }
    return pa.table(columns | changes)


def generate(
    demand, customers, shape, is_digital=True, location=11, units=40.0, group=None, table=None, **of
):
    """Lines of one location, as a pandas frame."""
    group = group or make_group(demand, is_digital, **of)
    assortment = demand.Assortment(np.arange(PRODUCTS) + 1, CATEGORIES, PRICE_TIERS)
    tables = [table or make_table(location)]
    return demand.generate(tables, [units], group, customers, assortment, shape).to_pandas()


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
    assert lines["quantity_requested"].min() == 1
    assert lines["return_lag_days"].isna().equals(lines["restock_delay_days"].isna())
    assert lines["restock_delay_days"].dropna().between(1, 3).all()
    assert lines["return_lag_days"].dropna().between(1, 3).all()
    assert lines["device_number"].notna().all() == is_digital
    assert (lines["base_abandonment_rate"] > 0).all() == is_digital
    on_28th = lines["date_key"] == 20251128
    assert (lines["promotion_key"] == np.where(on_28th, 2519, 0)).all()
    assert (lines["discount_amount"] == np.where(on_28th, 5.0, 0.0)).all()
    assert (lines["unit_price"] * 100).round(9).mod(100).eq(99).all()


@pytest.mark.parametrize("is_digital", [True, False])
def test_ids_begin_with_day_and_location_and_count_from_zero(demand, customers, shape, is_digital):
    location = 11 if is_digital else 9_999
    lines = generate(demand, customers, shape, is_digital, location, units=200.0)
    for name in ("cart_line_id", "cart_number"):
        block, number = np.divmod(lines[name], 1_000_000)
        assert (block == lines["date_key"].astype("int64") * 10_000 + location).all()
        of_day = number.groupby(lines["date_key"])
        assert (of_day.min() == 0).all()
        assert of_day.max().equals(of_day.nunique() - 1)


def test_all_recovery_lags_and_restock_delays_occur(demand, customers, shape):
    """A recovered cart is back within a week; a return is for sale again after 2 to 5 days."""
    slow = replace(shape, return_delay_days=(2, 5))
    lines = generate(demand, customers, slow, units=1000.0)
    lags = lines.drop_duplicates("cart_number")["recovery_lag_days"].value_counts(normalize=True)
    assert lags.sort_index().to_dict() == pytest.approx(dict.fromkeys(range(1, 8), 1 / 7), abs=0.02)
    delays = lines["restock_delay_days"].value_counts(normalize=True)
    assert delays.sort_index().to_dict() == pytest.approx(
        dict.fromkeys(range(2, 6), 0.25), abs=0.02
    )


@pytest.mark.parametrize("is_digital", [True, False])
def test_a_location_does_not_depend_on_what_it_is_computed_with(
    demand, customers, shape, is_digital
):
    group = make_group(demand, is_digital)
    assortment = demand.Assortment(np.arange(PRODUCTS) + 1, CATEGORIES, PRICE_TIERS)
    locations = {11: 40.0, 12: 600.0, 99: 0.0, 98: 1.5}
    tables = [
        make_table(key, demand_weight=1_000_000 * (1 + (np.arange(PRODUCTS) + key) % 7))
        for key in locations
    ]

    def lines_of(*numbers):
        units = [list(locations.values())[n] for n in numbers]
        some = [tables[n] for n in numbers]
        return demand.generate(some, units, group, customers, assortment, shape)

    assert lines_of(0, 1, 2, 3).equals(pa.concat_tables([lines_of(n) for n in range(4)]))


def test_customers_are_those_whom_the_location_serves(demand, customers, shape):
    keys = set(generate(demand, customers, shape)["customer_key"])
    assert keys <= set(customers.version_key[customers.members[True][11]])
    # A location without customers of its own serves anybody.
    assert len(set(generate(demand, customers, shape, location=99)["customer_key"])) > len(keys)


@pytest.mark.parametrize("loyalty", [0.0, 1.0])
def test_every_customer_of_a_location_comes(demand, customers, shape, loyalty):
    lines = generate(demand, customers, replace(shape, category_loyalty=loyalty), units=300.0)
    members = customers.members[True][11]
    assert set(lines["customer_key"]) == set(customers.version_key[members])


def test_surviving_units_meet_the_plan(demand, customers, shape):
    """Requested x survival is the plan; promotions double the 28th, weekly shocks average out."""
    survival = 1 - 0.68 * (1 - 0.14)
    for is_digital, location in ((True, 11), (False, 1)):
        lines = generate(demand, customers, shape, is_digital, location, units=3000.0)
        units = lines["quantity_requested"].sum() * (survival if is_digital else 1.0)
        assert units / (3000 * 31) == pytest.approx(1, abs=0.2)


@settings(deadline=None)
@given(
    mean=st.floats(0, 1),
    index=st.lists(st.floats(0.1, 5), min_size=1, max_size=8),
    data=st.data(),
)
def test_rates_with_mean_have_the_mean_and_the_proportions(demand, mean, index, data):
    size = len(index)
    weights = data.draw(st.lists(st.floats(0.1, 10), min_size=size, max_size=size))
    rates = demand.rates_with_mean(mean, index, weights)
    assert np.average(rates, weights=weights) == pytest.approx(mean, abs=1e-9)
    assert ((rates >= 0) & (rates <= 1)).all()
    below_one = rates < 1 - 1e-9
    scale = (rates / index)[below_one]
    assert scale == pytest.approx(np.full(len(scale), scale.mean() if len(scale) else 0), abs=1e-9)


def test_requested_units_are_the_plan_however_often_a_product_is_in_a_cart(
    demand, customers, shape
):
    """With few products many carts pick one twice: its line asks for both, up to three units."""
    calm = replace(without_shocks(demand, shape), traffic_noise=0.0, same_category_share=0.9)
    popular = np.where(np.arange(PRODUCTS) % 10 == 0, 50, 1) * 1_000_000
    promotion_days = pa.array([[]] * PRODUCTS, make_table()["promotion_days"].type)
    table = make_table(
        1, demand_weight=popular, planned_weight=popular, promotion_days=promotion_days
    )
    # Each asks for one unit, and a cart has three lines at most.
    group = replace(make_group(demand, False), quantity_cdf=np.ones(3))
    lines = generate(demand, customers, calm, units=3000.0, group=group, table=table)
    assert lines["quantity_requested"].max() == 3
    assert lines["quantity_requested"].sum() / (3000 * 30) == pytest.approx(1, abs=0.02)
    # Lines of the most units cannot grow.
    most = replace(group, quantity_cdf=np.array([0.0, 0.0, 1.0]))
    lines = generate(demand, customers, calm, units=300.0, group=most, table=table)
    assert set(lines["quantity_requested"]) == {3}


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.9])
def test_share_returned_is_the_rate_of_the_month(demand, customers, shape, rate):
    """Whatever the return rates of its products are relative to each other."""
    # The popular ones come back most.
    table = make_table(1, return_rate_index=np.where(np.arange(PRODUCTS) % 5 == 4, 2.5, 0.5))
    group = replace(make_group(demand, False), return_rate={MONTH: rate})
    lines = generate(demand, customers, shape, units=6000.0, group=group, table=table)
    assert lines["return_lag_days"].notna().mean() == pytest.approx(rate, abs=0.004)


def test_carts_come_while_the_store_is_open(demand, customers, shape):
    """A format that opens at 6 on one kind of day and at noon on the other."""
    open_hours = np.zeros((1, 2, 24))
    open_hours[0, 0, 12:14] = open_hours[0, 1, 6:10] = 1
    group = replace(
        make_group(demand, False),
        hour_cdf=demand.cumulative(open_hours),
        location_format={1: 0},
        day_kind={MONTH * 100 + day: int(day == 28) for day in range(1, 31)},
    )
    lines = generate(demand, customers, shape, location=1, units=400.0, group=group)
    hours = (lines["time_key"] // 100).groupby(lines["date_key"] == MONTH * 100 + 28).unique()
    assert [sorted(of_kind) for of_kind in hours] == [[12, 13], [6, 7, 8, 9]]


def test_nothing_is_brought_back_or_restocked_while_stores_are_closed(demand, customers, shape):
    """It is on the next open day, as often as before; lags of 1 to 3 days, delays of 1 to 3."""
    first = int(np.datetime64("2025-11-01").astype(int))
    closed = first + np.array([9, 10, 26])
    group = make_group(demand, False)
    usual = generate(demand, customers, shape, location=1, units=800.0, group=group)
    lines = generate(
        *(demand, customers, shape),
        location=1,
        units=800.0,
        group=replace(group, closed_days=closed),
    )
    sold = first + lines["date_key"] % 100 - 1
    returned = sold + lines["return_lag_days"]
    meant = sold + usual["return_lag_days"]
    assert meant.isin(closed).sum() > 100
    assert not returned.isin(closed).any()
    moved = meant.replace(
        {closed[0]: closed[1] + 1, closed[1]: closed[1] + 1, closed[2]: closed[2] + 1}
    )
    assert returned.equals(moved)
    restocked = returned + lines["restock_delay_days"]
    assert set(lines["restock_delay_days"].dropna()) == {1, 2, 3}
    assert not restocked.isin(closed[2:]).any()


def test_gifts_come_back_after_their_holiday(demand, customers, shape):
    """Of what is bought on two days and comes back, 40%; the rest as ever, and no more of it."""
    first = int(np.datetime64("2025-11-01").astype(int))
    gifts = {first + 9: (0.4, first + 40), first + 10: (0.4, first + 40)}
    group = replace(make_group(demand, True), gift_cdf=np.array([0.25, 0.25, 1]))
    usual = generate(demand, customers, shape, units=3000.0, group=group)
    lines = generate(demand, customers, shape, units=3000.0, group=replace(group, gifts=gifts))
    day = lines["date_key"] % 100 - 1
    assert lines["return_lag_days"].isna().equals(usual["return_lag_days"].isna())
    assert lines.loc[~day.isin([9, 10])].equals(usual.loc[~day.isin([9, 10])])
    come_back = day.isin([9, 10]) & lines["return_lag_days"].notna()
    lags, day = lines.loc[come_back, "return_lag_days"], day[come_back]
    after = (lags + day - 40)[lags > 3]
    assert after.size / lags.size == pytest.approx(0.4, abs=0.04)
    assert set(after) == {1, 3}
    assert (after == 1).mean() == pytest.approx(0.25, abs=0.06)
    assert lags[lags <= 3].value_counts(normalize=True).sort_index().tolist() == pytest.approx(
        [0.25, 0.5, 0.25], abs=0.06
    )


def test_more_lines_than_ids_have_room_for_are_refused(demand, customers, shape, monkeypatch):
    lines = generate(demand, customers, shape, units=500.0)
    most = int(lines.groupby("date_key").size().max())
    monkeypatch.setattr(demand, "LINES_OF_A_DAY", most)
    generate(demand, customers, shape, units=500.0)
    monkeypatch.setattr(demand, "LINES_OF_A_DAY", most - 1)
    with pytest.raises(ValueError, match=f"{most:,} cart lines on a day"):
        generate(demand, customers, shape, units=500.0)


def test_return_rate_holds_over_the_lines_sold_in_stores_and_online(demand, shape):
    rates = pd.DataFrame({"channel_group": ["store", "digital"], "return_rate_index": [0.5, 2.0]})
    planned = pd.DataFrame(
        {
            "channel_group": ["store", "digital"] * 2,
            "month_key": [MONTH, MONTH, 202512, 202512],
            "planned_units": [100, 100, 300, 100],
        }
    )
    shape = replace(shape, return_rate=0.2)
    by_month = demand.return_rates_by_month(rates, planned, shape)
    # Of 40% of the online units 0.22 + 0.78 x 0.04 are bought, of the rest 0.32 + 0.68 x 0.14.
    bought_online = 0.4 * 0.2512 / 0.4152 + 0.6
    for month, store, digital in ((MONTH, 100, 100), (202512, 300, 100)):
        got = by_month["store", month], by_month["digital", month]
        assert got[1] == pytest.approx(4 * got[0])
        assert np.average(got, weights=[store, bought_online * digital]) == pytest.approx(0.2)


def test_average_abandonment_is_the_variable_as_segments_change(demand, customers, shape):
    """All customers go from segment 0 to segment 1 on a Monday, the 10th."""
    unchanged, changed = with_change(customers, "2025-11-10", np.ones(30, int))
    whole = generate(demand, changed, shape, units=2000.0)
    carts = whole.drop_duplicates("cart_number")
    for before in (True, False):
        rates = carts.loc[(carts["date_key"] < 20251110) == before, "base_abandonment_rate"]
        assert rates.mean() == pytest.approx(shape.cart_abandonment_base_rate, abs=0.003)
    # A window that ends before the change does not know of it.
    part = generate(demand, unchanged, shape, units=2000.0, days=range(1, 9))
    assert whole[whole["date_key"] <= 20251108].reset_index(drop=True).equals(part)


def test_shorter_window_is_a_prefix(demand, customers, shape):
    whole = generate(demand, customers, shape)
    part = generate(demand, customers, shape, days=range(1, 12))
    assert len(part) > 50
    assert whole[whole["date_key"] <= 20251111].reset_index(drop=True).equals(part)


@pytest.mark.parametrize("is_digital", [True, False])
def test_days_that_are_generated_apart_are_those_of_the_whole_month(
    demand, customers, shape, is_digital
):
    """From Wednesday the 5th on. Some change their segment on the 13th, unknown to a world before.

    Who visits, and in the weeks how many carts are left, is said by the first simulated day of the
    month or week, whichever days are new.
    """
    before, after = with_change(customers, "2025-11-13", np.arange(30) % 3 % 2)
    before, after = (
        replace(some, segment_frequency=np.array([1.0, 9.0])) for some in (before, after)
    )
    group = make_group(demand, is_digital, range(5, 31), device_abandonment=(0.5, 1.0, 1.2))
    assortment = demand.Assortment(np.arange(PRODUCTS) + 1, CATEGORIES, PRICE_TIERS)
    tables = [make_table(location) for location in (11, 12, 99)]

    def lines(first, last):
        """Those of the days of the month from the first to the last one, which ends the world."""
        traffic = {key: index for key, index in group.traffic.items() if key % 100 <= last}
        known = after if last >= 13 else before
        return demand.generate(
            *(tables, [90.0, 40.0, 300.0], replace(group, traffic=traffic)),
            *(known, assortment, shape, MONTH * 100 + first),
        ).to_pandas()

    whole = lines(1, 30)
    assert set(whole["customer_key"] % 2) == {0, 1}
    for cuts in ([12], [13], [9, 14, 28], range(5, 30)):
        starts, ends = [1, *(cut + 1 for cut in cuts)], [*cuts, 30]
        parts = pd.concat([lines(*days) for days in zip(starts, ends, strict=True)])
        by_block = parts.sort_values(["location_key", "cart_line_id"], ignore_index=True)
        pd.testing.assert_frame_equal(by_block, whole, check_exact=True)


def test_a_month_before_the_days_asked_for_has_no_lines(demand, customers, shape):
    assortment = demand.Assortment(np.arange(PRODUCTS) + 1, CATEGORIES, PRICE_TIERS)
    group = make_group(demand, True)
    some = [make_table()], [40.0], group, customers, assortment, shape
    assert demand.generate(*some, from_date_key=MONTH * 100 + 31).num_rows == 0
    assert demand.generate(*some, from_date_key=MONTH * 100 + 30).num_rows > 0


@pytest.mark.parametrize(
    ("is_incremental", "closed", "first"),
    [
        (False, None, "2025-10-03"),
        (True, None, "2025-10-03"),
        (True, "2025-11-30", "2025-12-01"),
        # The table is gone: all its days are made again.
        (False, "2025-11-30", "2025-10-03"),
    ],
)
def test_first_new_day_follows_the_closed_one(demand, is_incremental, closed, first):
    closed_date = closed and date.fromisoformat(closed)
    world = SimpleNamespace(first_date=date(2025, 10, 3), closed_date=closed_date)
    assert demand.first_new_day(world, is_incremental) == date.fromisoformat(first)


@pytest.mark.parametrize("days", [range(1, 28), range(29, 31)])
def test_promotion_outside_of_the_window_plays_no_part(demand, customers, shape, days):
    """It is on the 28th: the day after the last one, or before the first."""
    lines = generate(demand, customers, shape, days=days)
    assert len(lines) > 0
    assert (lines["promotion_key"] == 0).all()
    assert (lines["discount_amount"] == 0).all()


def test_seed_and_location_change_the_draws(demand, customers, shape):
    base = generate(demand, customers, shape)
    for other in (
        generate(demand, customers, replace(shape, random_seed=43)),
        generate(demand, customers, shape, location=12),
    ):
        assert not set(base["allocation_draw"]) & set(other["allocation_draw"])


@pytest.mark.parametrize("location", [11, 99])
def test_loyal_customers_like_the_category_of_the_main_product(demand, customers, shape, location):
    """Also where passers-by are served: their numbers give their categories, 0 to 3."""
    everybody = replace(customers, members={True: {11: np.array([4, 0, 1, 5, 2, 7, 3])}})
    loyal = generate(demand, everybody, replace(shape, category_loyalty=1.0), location=location)
    main = loyal.drop_duplicates("cart_number")
    assert ((main["customer_key"] - 1) % 4 == (main["product_key"] - 1) // 10).all()
    free = generate(demand, everybody, replace(shape, category_loyalty=0.0), location=location)
    main = free.drop_duplicates("cart_number")
    assert ((main["customer_key"] - 1) % 4 == (main["product_key"] - 1) // 10).mean() < 0.5


def test_loyal_customers_take_their_preferred_channel(demand, customers, shape):
    loyal = generate(demand, customers, replace(shape, channel_loyalty=1.0), location=99)
    assert (loyal["channel_key"] == 1 + 2 * ((loyal["customer_key"] - 1) % 2)).all()
    free = generate(demand, customers, replace(shape, channel_loyalty=0.0), units=200.0)
    share = (free.drop_duplicates("cart_number")["channel_key"] == 1).mean()
    assert share == pytest.approx(0.6, abs=0.03)


def test_share_of_further_lines_in_the_category_of_the_main_product(demand, customers, shape):
    """Chance adds a quarter of the rest, the share of a category in the plan."""
    for share, expected in ((1.0, 1.0), (0.0, 0.25)):
        similar = replace(shape, same_category_share=share)
        lines = generate(demand, customers, similar, is_digital=False, location=1, units=500.0)
        category = (lines["product_key"] - 1) // 10
        of_cart = category.groupby(lines["cart_number"])
        is_further = of_cart.cumcount() > 0
        same = (category == of_cart.transform("first"))[is_further]
        assert same.mean() == pytest.approx(expected, abs=0.05)


def test_a_product_is_wanted_from_its_launch_to_its_last_day(demand, customers, shape):
    tenth = int(np.datetime64("2025-11-10").astype(int))
    table = make_table(
        launch_day=np.where(np.arange(PRODUCTS) % 2, tenth, 0),
        last_day=np.where(np.arange(PRODUCTS) % 2, 10**6, tenth),
    )
    lines = generate(demand, customers, shape, units=200.0, table=table)
    is_new = (lines["product_key"] - 1) % 2 == 1
    assert lines.loc[is_new, "date_key"].min() == 20251110
    assert lines.loc[~is_new, "date_key"].max() == 20251110


def test_carts_follow_traffic_and_start_at_quarter_hours(demand, customers, shape):
    group = make_group(demand, True)
    group.traffic[MONTH * 100 + 5] = 3.0
    group.traffic[MONTH * 100 + 6] = 0.0
    lines = generate(demand, customers, shape, units=500.0, group=group)
    per_day = lines.groupby("date_key").size()
    assert per_day[20251105] > 2 * per_day[20251104]
    assert 20251106 not in per_day
    assert set(lines["time_key"] % 100) == {0, 15, 30, 45}
    assert set(lines["time_key"] // 100) == set(range(24))


def test_promotion_moves_demand_to_its_products(demand, customers, shape):
    lines = generate(demand, customers, shape, units=1000.0)
    per_day = lines.groupby("date_key").size()
    assert per_day[20251128] > 1.5 * per_day.drop(20251128).mean()


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0, 2.5, 17.0, 140.0, 450.0, 500.0])
def test_poisson_quantile_is_the_inverse_cdf(demand, mean):
    """Just below and above each step of the distribution function, the tails apart."""
    terms = (math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(800))
    cdf = np.array(list(itertools.accumulate(terms)))
    count = np.flatnonzero((cdf > 1e-8) & (cdf < 1 - 1e-8))
    assert demand.poisson_quantile(mean, cdf[count] - 1e-9).tolist() == count.tolist()
    assert demand.poisson_quantile(mean, cdf[count] + 1e-9).tolist() == (count + 1).tolist()
    assert demand.poisson_quantile(mean, 0.0) <= count[0]


def test_poisson_quantile_of_large_means_is_normal(demand):
    """Means on both sides of 500, where the approximation begins; 1.96 sigma is the 97.5th part."""
    mean = np.array([499.0, 501.0, 601.0, 5000.0])
    assert demand.poisson_quantile(mean, 0.5) == pytest.approx(mean, abs=1)
    assert demand.poisson_quantile(mean, 0.975) == pytest.approx(mean + 1.96 * mean**0.5, abs=2)
    assert demand.poisson_quantile(mean, 0.0).min() > 300


def test_poisson_quantile_of_an_array_is_that_of_its_elements(demand):
    mean, draw = np.meshgrid([0.0, 0.3, 7.0, 480.0, 900.0], [0.0, 0.01, 0.5, 0.999, 1 - 2**-53])
    got = demand.poisson_quantile(mean, draw)
    pairs = zip(mean.ravel(), draw.ravel(), strict=True)
    assert got.ravel().tolist() == [demand.poisson_quantile(*pair) for pair in pairs]
    assert (got[:, 0] == 0).all()


def test_pick_within_never_picks_what_weighs_nothing(demand):
    """All rows of four weights with all of their parts, at both ends of the draws and between."""
    weights = np.array(list(itertools.product((0, 1, 5), repeat=4)))
    parts = list(itertools.combinations(range(5), 2))
    cases = itertools.product(range(len(weights)), parts, (0.0, 0.3, 0.5, 1 - 2**-53))
    row, part, draws = map(np.array, zip(*cases, strict=True))
    start, stop = part.T
    got = demand.pick_within(demand.with_zero(weights), row, start, stop, draws)
    assert ((start <= got) & (got < stop)).all()
    sums = np.insert(np.cumsum(weights, axis=1), 0, 0, axis=1)
    has_weight = sums[row, stop] > sums[row, start]
    assert (weights[row, got] > 0)[has_weight].all()


def test_pick_within_follows_the_weights(demand):
    draws = (np.arange(1000) + 0.5) / 1000
    sums = demand.with_zero(np.array([[9, 9, 9, 9], [5, 0, 3, 2]]))
    got = demand.pick_within(sums, np.ones(1000, int), 0, 4, draws)
    assert np.bincount(got, minlength=4).tolist() == [500, 0, 300, 200]


def test_uniforms_are_those_of_a_generator_for_each_block(demand):
    locations, days, sizes = [7, 7, 3], [20_000, 20_001, 20_000], [5, 0, 6]
    expected = [
        np.random.Generator(np.random.Philox(key=[42, 2], counter=[0, 0, location, day])).random(9)
        for location, day in zip(locations, days, strict=True)
    ]
    got = demand.uniforms(42, 2, locations, days, sizes, skip=3)
    parts = [draws[3 : 3 + size] for draws, size in zip(expected, sizes, strict=True)]
    assert got.tolist() == np.concatenate(parts).tolist()


def test_demand_follows_its_level_and_the_shocks_of_product_and_location(demand, shape):
    """Level 3 in the second week, and 2 on average: a half more than planned, then less."""
    table = make_table(
        month_level=np.full(PRODUCTS, 2.0),
        monday_levels=pa.array([[1, 3, 1, 1, 1, 1.0]] * PRODUCTS),
    )
    other = table.set_column(0, "location_key", pa.array(np.full(PRODUCTS, 12)))
    order = np.arange(PRODUCTS)[::-1]
    place = [table, other], order, order, PRODUCTS
    calm = demand.demand_factors(*place, without_shocks(demand, shape))
    assert calm[1, :, 7].tolist() == [0.5, 1.5, 0.5, 0.5, 0.5, 0.5]
    factors = demand.demand_factors(*place, shape)
    shocks = factors / calm
    assert (shocks[0] != shocks[1]).all()
    # What happens to a product happens in both places, what happens in one does not.
    none = demand.Component(0.0, 0.0)
    everywhere = demand.demand_factors(*place, replace(shape, store_shock=none))
    assert everywhere[0].tolist() == everywhere[1].tolist()
    here = demand.demand_factors(*place, replace(shape, product_shock=none))
    assert shocks == pytest.approx((everywhere / calm) * (here / calm))


def test_days_between_two_mondays_are_on_the_way(demand):
    levels = np.array([[1.0], [8.0], [1.0]])
    monday = int(np.datetime64("2025-11-03").astype(int))
    days = monday + np.arange(14)
    found = demand.on_days(levels, int(demand.week_of(monday)), days)
    assert found[:, 0] == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8, 7, 6, 5, 4, 3, 2])


def test_weeks_of_abandonment_start_on_monday(demand, customers, shape):
    days = np.arange("2025-11-03", "2025-11-17", dtype="datetime64[D]").astype(np.int64)
    # Everybody goes from segment 0 to segment 1 on Monday the 10th.
    _, changed = with_change(customers, "2025-11-10", np.ones(30, int))
    month = SimpleNamespace(days=days, first_day=int(days[0]))
    rates = demand.base_rates_by_day(
        *(make_group(demand, True), changed, all_alike(), month, np.ones(2) / 2, shape)
    )
    assert (rates[:7] == rates[0]).all()
    assert (rates[7:] == rates[7]).all()
    assert (rates[0] != rates[7]).all()


def test_a_week_has_the_rates_of_its_first_simulated_day_in_the_month(demand, customers, shape):
    """Everybody goes from segment 0 to segment 1 on Tuesday the 11th."""
    _, changed = with_change(customers, "2025-11-11", np.ones(30, int))

    def rates(first_day, days):
        monday = int(np.datetime64("2025-11-10").astype(int))
        month = SimpleNamespace(days=monday + np.array(days), first_day=monday + first_day)
        group = make_group(demand, True)
        found = demand.base_rates_by_day(group, changed, all_alike(), month, np.ones(2) / 2, shape)
        return found[:, 0, 0].tolist()

    before, after = rates(0, [0, 7])
    assert before != after
    assert rates(0, [4, 5, 6, 7]) == [before] * 3 + [after]
    assert rates(2, [2, 4, 5, 6, 7]) == [after] * 5


def test_some_buy_even_if_all_carts_are_abandoned(demand, shape):
    nobody = replace(shape, cart_abandonment_base_rate=1.0, cart_recovery_rate=0.0)
    assert demand.share_not_abandoned(nobody) == 0.05
    assert demand.share_not_abandoned(shape) == pytest.approx(1 - 0.68 * 0.86)
    assert demand.share_not_abandoned(shape, 0.1) == pytest.approx(1 - 0.78 * 0.96)


def test_first_of_equals(demand):
    for keys in itertools.product(range(4), repeat=4):
        got = demand.first_of_equals(np.array(keys), 4)
        assert got.tolist() == [keys.index(key) for key in keys]
    # Equal keys are looked for in one cart only.
    assert demand.first_of_equals(np.array([1, 2, 1]), 2).tolist() == [0, 1, 2]


def test_members_of_a_location_are_sorted_by_category(demand):
    location, category = np.array([5, 3, 5, 5, 3]), np.array([1, 0, 0, 1, 0])
    members = demand.members_by_location(location, category)
    assert {key: found.tolist() for key, found in members.items()} == {3: [1, 4], 5: [2, 0, 3]}


def test_no_customers_have_no_location(demand):
    nobody = np.array([], np.int64)
    assert demand.members_by_location(nobody, nobody) == {}


def test_customers_and_their_versions_are_those_of_the_dimension(demand):
    """Customer 0 has two versions, the customers 1 and 2 one; only the first tells about visits."""
    names = list(demand.PREFERENCES)
    versions = pa.table(
        {
            "version": [1, 2, 1, 1, 1],
            "customer_key": [1, 5, 2, 3, 4],
            "segment": ["loyal", "new", "new", "loyal", "new"],
            "effective_date": pa.array([10, 20, 0, 1, 2], pa.date32()),
            "visit_frequency_draw": [0.5, 0.9, 0.0, 0.75, 0.5],
            "preferred_category": ["shoes", "bags", "bags", "tops", "hats"],
            "preferred_channel": [names[0], names[1], names[1], names[0], names[0]],
            "fulfillment_location_id": [11, 12, 12, 11, 11],
            "nearest_store_id": [1, 2, 1, 2, 2],
        }
    )
    segments = pd.DataFrame(
        {
            "segment": ["loyal", "new"],
            "visit_frequency_index": [2.0, 1.0],
            "base_abandonment_index": [0.9, 1.1],
            "budget_index": [1.0, 1.5],
            "luxury_index": [3.0, 0.5],
        }
    )
    found = demand.customers_from(
        versions, segments, demand.Assortment(np.arange(1), CATEGORIES, PRICE_TIERS)
    )
    assert found.frequency == pytest.approx([math.log(2), 0, math.log(4), math.log(2)])
    # There are no hats: who prefers them takes the category that comes next.
    assert found.preferred_category.tolist() == [2, 0, 3, 2]
    assert found.preferred_channel.tolist() == [0, 1, 0, 0]
    members = {
        is_digital: {location: who.tolist() for location, who in of_location.items()}
        for is_digital, of_location in found.members.items()
    }
    assert members == {True: {11: [0, 3, 2], 12: [1]}, False: {1: [1, 0], 2: [3, 2]}}
    assert found.first_version.tolist() == [0, 2, 3, 4]
    assert found.version_order.tolist() == [10, 20, 2**20, 2 * 2**20 + 1, 3 * 2**20 + 2]
    assert found.version_key.tolist() == [1, 5, 2, 3, 4]
    assert found.segment.tolist() == [0, 1, 1, 0, 1]
    assert found.segment_frequency.tolist() == [2.0, 1.0]
    assert found.segment_abandonment.tolist() == [0.9, 1.1]
    assert found.tier_preference.tolist() == [[1.0, 3.0], [1.5, 0.5]]


def test_version_in_force(demand, customers):
    # Customer 0 changes on day 100, customer 1 never.
    order = np.array([0, 100, 2**20])
    two = replace(
        customers, version_order=order, first_version=np.array([0, 2]), version_key=np.arange(3)
    )
    customer, day = np.array([0, 0, 0, 1, 1]), np.array([99, 100, 500, 500, -1])
    assert demand.version_of(two, customer, day).tolist() == [0, 1, 1, 2, 2]


def test_customers_weigh_as_often_as_they_visit(demand, customers):
    """As they and their segments on the first day do; by category of what they prefer."""
    changed = replace(customers, segment=np.where(np.arange(30) < 10, 0, 1))
    members, weight, segment = demand.customers_at(changed, 12, True, 20_000)
    assert sorted(members.tolist()) == list(range(1, 30, 2))
    assert (np.diff(members % 4) >= 0).all()
    assert segment.tolist() == (members >= 10).tolist()
    assert weight.tolist() == ((1 + members % 3) * (1 + (members >= 10))).tolist()
    everybody, _, _ = demand.customers_at(changed, 99, True, 20_000)
    assert sorted(everybody.tolist()) == list(range(30))
    assert (np.diff(everybody % 4) >= 0).all()


def test_channel_shares_are_those_of_the_carts(demand, customers, shape):
    """Half of the customers prefer the web, half the app, with weights 1 to 3."""
    group = make_group(demand, True)
    weight = customers.frequency
    shares = demand.channel_shares(group, customers.preferred_channel, weight, 0.5)
    web = weight[customers.preferred_channel == 0].sum() / weight.sum()
    assert shares == pytest.approx([0.6 + 0.5 * (web - 0.6), 0.4 + 0.5 * (0.6 - web)])


def test_customers_whose_channels_are_not_offered_take_any(demand, customers, shape):
    """Some prefer the app, of which there is no channel."""
    group = replace(
        make_group(demand, True), preferred_channels={0: np.array([0]), 1: np.array([], int)}
    )
    preferred = customers.preferred_channel
    shares = demand.channel_shares(group, preferred, np.where(preferred == 0, 3.0, 1.0), 0.5)
    # Three in four prefer the web, and half of the time that decides.
    assert shares == pytest.approx([0.6 + 0.75 * 0.5 * 0.4, 0.4 - 0.75 * 0.5 * 0.4])
    draw = {"channel": np.array([0.5, 0.7] * 2), "channel_is_preferred": np.zeros(4)}
    channel = demand.pick_channels(group, np.array([0, 0, 1, 1]), draw, shape)
    assert channel.tolist() == [0, 0, 0, 1]


def test_abandonment_rates_follow_their_indexes(demand, customers, shape):
    """In proportion to the indexes of segment and device, with the variable as their mean."""
    group = replace(
        make_group(demand, True, device_abandonment=(0.5, 1.0, 1.2)),
        device_cdf=np.array([[0.2, 0.5, 1.0], [0.0, 0.9, 1.0]]),
    )
    month = SimpleNamespace(days=np.array([20_000]), first_day=20_000)
    rates = demand.base_rates_by_day(
        *(group, customers, all_alike(), month),
        *(np.ones(2) / 2, replace(shape, channel_loyalty=0.0)),
    )
    # 60% of the carts come through the first channel, half of them from the second segment.
    mean_index = 0.6 * (0.2 * 0.5 + 0.3 + 0.5 * 1.2) + 0.4 * (0.9 + 0.1 * 1.2)
    expected = 0.68 / mean_index * np.outer([1.1, 0.9], [0.5, 1.0, 1.2])
    assert rates[0].tolist() == np.round(expected, 4).tolist()


@pytest.fixture
def days_of_carts(demand, shape):
    """Returns a function: (50 locations, 30 days) carts relative to the plan of so many a day."""
    calm = without_shocks(demand, shape)
    group = make_group(demand, False)
    group.traffic[MONTH * 100 + 6] = 3.0
    promotion_days = pa.array([[]] * PRODUCTS, make_table()["promotion_days"].type)
    tables = [make_table(key, promotion_days=promotion_days) for key in range(1, 51)]
    assortment = demand.Assortment(np.arange(PRODUCTS) + 1, CATEGORIES, PRICE_TIERS)

    def relative(carts, noise):
        # 1.25 units a line, and 1.7 lines a cart.
        month = demand.month_of(tables, [carts * 1.25 * 1.7] * 50, group, assortment, calm)
        counts = demand.cart_counts(month, group, replace(shape, traffic_noise=noise))
        return counts.reshape(50, 30) / (carts * np.where(np.arange(30) == 5, 3, 1))

    return relative


def test_traffic_noise_is_the_deviation_of_a_day_from_its_index(days_of_carts):
    """Of so many carts that their number by itself deviates by a hundredth; down to 30%."""
    counts = days_of_carts(10_000, noise=0.2)
    assert counts.mean() == pytest.approx(1, abs=0.02)
    assert counts.std() == pytest.approx(0.2, abs=0.02)
    assert days_of_carts(10_000, noise=2.0).min() == pytest.approx(0.3, abs=0.03)


def test_number_of_carts_varies_on_its_own(days_of_carts):
    """A hundred carts deviate by 10, as their traffic does; together by the root of the sum."""
    counts = np.delete(days_of_carts(100, noise=0.1), 5, axis=1)
    assert counts.var() == pytest.approx(0.1**2 + 0.1**2, rel=0.12)


def test_a_month_without_simulated_days_has_no_lines(demand, customers, shape):
    group = make_group(demand, True, days=())
    group.traffic[20251201] = 1.0
    lines = generate(demand, customers, shape, group=group)
    assert list(lines) == demand.OUTPUT_SCHEMA.names
    assert len(lines) == 0


def test_one_product_is_enough(demand, customers, shape):
    """Of one category: every cart has a line of it."""
    one = make_table().slice(3, 1)
    lines = generate(demand, customers, shape, table=one)
    assert set(lines["product_key"]) == {4}
    assert lines["cart_number"].is_unique
    assert len(lines) > 100


def seeds_of_groups(demand, store, digital):
    """Rows of the seeds that groups_from reads, in no order."""
    devices = {f"{name}_weight": np.nan for name in demand.DEVICES}
    web = {"desktop_weight": 1, "mobile_weight": 1, "tablet_weight": 2}
    app = {"desktop_weight": 0, "mobile_weight": 3, "tablet_weight": 1}
    return {
        "return_rates": [
            store | {"return_rate_index": 0.5},
            digital | {"return_rate_index": 2.0},
        ],
        "web_funnel": [
            {"device_type": "tablet", "base_abandonment_index": 0.9},
            {"device_type": "desktop", "base_abandonment_index": 1.1},
            {"device_type": "mobile", "base_abandonment_index": 1.0},
        ],
        "units_per_line": [{"quantity": 2, "weight": 1}, {"quantity": 1, "weight": 3}],
        "channels": [
            digital | {"channel_key": 3, "channel_category": "mobile_app", "weight": 1} | app,
            store | {"channel_key": 2, "channel_category": "store", "weight": 5} | devices,
            digital | {"channel_key": 1, "channel_category": "web", "weight": 3} | web,
        ],
        "demand_by_hour": [
            digital | {"hour": 1, "weight": 3},
            store | {"hour": 1, "weight": 1},
            store | {"hour": 0, "weight": 1},
            digital | {"hour": 0, "weight": 1},
        ],
        "basket_sizes": [
            digital | {"items_count": 2, "weight": 4},
            store | {"items_count": 1, "weight": 1},
            digital | {"items_count": 1, "weight": 1},
        ],
        "return_lags": [
            digital | {"lag_days": 3, "weight": 3},
            store | {"lag_days": 1, "weight": 1},
            digital | {"lag_days": 1, "weight": 1},
        ],
    } | seeds_of_places(demand)


def seeds_of_places(demand):
    """Rows of the seeds of opening hours and gifts, and of int_holiday_calendar, in no order."""
    return {
        "opening_hours": [
            {
                "store_format": of,
                "day_kind": kind,
                "opens_hour": 0,
                "closes_hour": 1 + (of == "outlet"),
            }
            for of in demand.STORE_FORMATS
            for kind in demand.DAY_KINDS
        ],
        "int_holiday_calendar": [
            named("Christmas Day", date(2025, 12, 25), "closed"),
            named("Christmas Day", date(2024, 12, 25), "closed"),
            named("Boxing Day", date(2025, 12, 26), None),
        ],
        "gift_seasons": [
            {
                "holiday_name": "Christmas Day",
                "channel_group": "store",
                "days_before_from": 24,
                "days_before_to": 25,
                "gift_share": 0.5,
            }
        ],
        "gift_return_days": [
            {"days_after_holiday": 3, "weight": 1},
            {"days_after_holiday": 1, "weight": 3},
        ],
    }


def named(name, day, kind):
    """A row of int_holiday_calendar."""
    return {"holiday_name": name, "holiday_date": day, "day_kind": kind, "precedence": 1}


def test_groups_are_those_of_the_seeds(demand, shape):
    """Rows of the seeds come in any order; a lag without a row does not occur."""
    store, digital = {"channel_group": "store"}, {"channel_group": "digital"}
    seeds = seeds_of_groups(demand, store, digital)
    planned = pd.DataFrame(
        [
            store | {"month_key": MONTH, "planned_units": 300},
            digital | {"month_key": MONTH, "planned_units": 100},
        ]
    )
    traffic = pd.DataFrame(
        [
            digital | {"date_key": 20251102, "demand_index": 1.5, "day_kind": "ordinary"},
            store | {"date_key": 20251101, "demand_index": 0.5, "day_kind": "eve"},
            digital | {"date_key": 20251101, "demand_index": 0.8, "day_kind": "ordinary"},
        ]
    )
    groups = demand.groups_from(
        lambda name: pd.DataFrame(seeds[name]), traffic, shape, planned, {7: 1}
    )
    online, shop = groups["digital"], groups["store"]
    assert (online.is_digital, shop.is_digital) == (True, False)
    assert online.traffic == {20251101: 0.8, 20251102: 1.5}
    assert shop.traffic == {20251101: 0.5}
    assert (online.channel_key.tolist(), shop.channel_key.tolist()) == ([1, 3], [2])
    assert (online.channel_cdf.tolist(), shop.channel_cdf.tolist()) == ([0.75, 1], [1])
    assert online.device_cdf.tolist() == [[0.25, 0.5, 1], [0, 0.75, 1]]
    assert online.device_abandonment.tolist() == [1.1, 1.0, 0.9]
    assert (shop.device_cdf, shop.device_abandonment) == (None, None)
    places = [
        {number: at.tolist() for number, at in group.preferred_channels.items()}
        for group in (online, shop)
    ]
    assert places == [{0: [0], 1: [1], 2: [], 3: []}, {0: [], 1: [], 2: [], 3: [0]}]
    assert online.hour_cdf.tolist() == [[[0.25, 1]]]
    assert shop.hour_cdf.tolist() == [[[1, 1]] * 4, [[1, 1]] * 4, [[0.5, 1]] * 4]
    assert (online.location_format, shop.location_format) == ({}, {7: 1})
    assert (online.day_kind, shop.day_kind) == ({}, {20251101: 2})
    christmas = [int(np.datetime64(f"{year}-12-25").astype(int)) for year in (2024, 2025)]
    assert online.gifts == {}
    assert shop.gifts == {day - n: (0.5, day) for day in christmas for n in (24, 25)}
    assert shop.gift_cdf.tolist() == [0.75, 0.75, 1]
    assert (online.closed_days.tolist(), shop.closed_days.tolist()) == ([], christmas)
    assert (online.items_cdf.tolist(), shop.items_cdf.tolist()) == ([0.2, 1], [1])
    assert (online.lag_cdf.tolist(), shop.lag_cdf.tolist()) == ([0.25, 0.25, 1], [1])
    assert online.quantity_cdf.tolist() == shop.quantity_cdf.tolist() == [0.75, 1]
    rates = demand.return_rates_by_month(pd.DataFrame(seeds["return_rates"]), planned, shape)
    assert online.return_rate == {MONTH: rates["digital", MONTH]}
    assert shop.return_rate == {MONTH: rates["store", MONTH]}


def test_tier_shares_are_those_of_the_plan(demand, customers, shape):
    """Products of the first tier weigh 1 and 2, of the second 5 and, unplanned, 1."""
    table = make_table(planned_weight=[1, 5, 2, 0] * 10)
    assortment = demand.Assortment(np.arange(PRODUCTS) + 1, CATEGORIES, PRICE_TIERS)
    month = demand.month_of([table], [1.0], make_group(demand, True), assortment, shape)
    assert month.tier_shares(customers) == pytest.approx(np.array([[3 / 9, 6 / 9]]))


def test_abandonment_differs_by_device_and_keeps_its_mean(demand, customers, shape):
    lines = generate(demand, customers, shape, units=2000.0, device_abandonment=(0.9, 1.2, 1.0))
    carts = lines.drop_duplicates("cart_number")
    rates = carts.groupby("device_number")["base_abandonment_rate"].unique()
    assert all(len(rate) == 1 for rate in rates)  # location 11 has one segment
    assert rates[2][0] / rates[1][0] == pytest.approx(1.2 / 0.9, rel=1e-3)
    assert rates[3][0] / rates[1][0] == pytest.approx(1.0 / 0.9, rel=1e-3)
    assert carts["base_abandonment_rate"].mean() == pytest.approx(0.68, abs=0.01)


def test_a_price_tier_is_bought_by_the_segments_that_like_it(demand, customers, shape):
    """Everybody shops at one store; only the second segment buys the second tier."""
    everybody = replace(
        customers,
        preferred_category=np.zeros(30, int),
        members={True: {11: np.arange(30)}, False: {1: np.arange(30)}},
        tier_preference=np.array([[1.0, 0.0], [1.0, 1.0]]),
    )
    lines = generate(demand, everybody, shape, units=400.0)
    main = lines.drop_duplicates("cart_number")
    is_second_tier = (main["product_key"] - 1) % 2 == 1
    is_second_segment = (main["customer_key"] - 1) % 2 == 1
    assert is_second_tier.sum() > 100
    assert is_second_segment[is_second_tier].all()
    assert 0.1 < is_second_segment[~is_second_tier].mean() < 0.9


def test_segment_shares_follow_the_price_tiers(demand):
    """Two segments with weights 3 and 1; the second is twice as fond of the second tier."""
    preference = np.array([[1.0, 1.0], [1.0, 2.0]])
    shares = demand.segment_shares(
        np.array([0, 0, 1]), np.array([1.0, 2.0, 1.0]), preference, np.array([0.5, 0.5])
    )
    assert shares == pytest.approx([0.5 * 0.75 + 0.5 * 0.6, 0.5 * 0.25 + 0.5 * 0.4])


def make_stream(batch_rows):
    """Batches of three groups of 4, 1 and 5 rows."""
    sizes = {(1, 202511): 4, (1, 202512): 1, (2, 202511): 5}
    rows = [
        {"location_key": location, "month_key": month, "stream_position": n, "product_key": n}
        for (location, month), size in sizes.items()
        for n in range(1, size + 1)
    ]
    return pa.Table.from_pylist(rows).to_batches(batch_rows)


@pytest.mark.parametrize("batch_rows", range(1, 11))
def test_stream_is_split_into_groups(demand, batch_rows):
    groups = list(demand.split_groups(iter(make_stream(batch_rows))))
    assert [group["product_key"].to_pylist() for group in groups] == [
        [1, 2, 3, 4],
        [1],
        [1, 2, 3, 4, 5],
    ]


# Of the last row of a group the stream does not know.
@pytest.mark.parametrize("lost", [0, 1, 2, 5, 6, 7, 8])
def test_incomplete_stream_is_refused(demand, lost):
    batches = make_stream(1)
    del batches[lost]
    with pytest.raises(ValueError, match="must arrive"):
        list(demand.split_groups(iter(batches)))


def test_unsorted_stream_is_refused(demand):
    with pytest.raises(ValueError, match="must arrive"):
        list(demand.split_groups(iter(make_stream(1)[::-1])))


def test_batches_without_rows_are_left_out(demand):
    """Wherever they come, and when nothing else does."""
    batches = make_stream(2)
    empty = batches[0].slice(0, 0)
    spread = [empty, *(part for batch in batches for part in (batch, empty))]
    groups = [group["product_key"].to_pylist() for group in demand.split_groups(iter(spread))]
    assert groups == [[1, 2, 3, 4], [1], [1, 2, 3, 4, 5]]
    assert list(demand.split_groups(iter([empty]))) == []


def test_locations_of_one_product_are_joined(demand):
    """A table has a row at least."""
    tables = [make_table(key).slice(3, 1) for key in range(1, 6)]
    # A product and 31 units each.
    batches = demand.joined(iter(tables), dict.fromkeys(range(1, 6), 1.0), most=64)
    keys = [[table["location_key"][0].as_py() for table in batch] for batch in batches]
    assert keys == [[1, 2], [3, 4], [5]]


def test_a_row_out_of_order_within_a_batch_is_refused(demand):
    """Rows of a batch are checked one by one: one that is out of order among many is seen."""
    rows = pa.Table.from_batches(make_stream(10))
    for order in ([0, 2, 1, 3, *range(4, 10)], [0, 1, 1, *range(2, 10)], [*range(7), 8, 9]):
        wrong = rows.take(pa.array(order)).combine_chunks().to_batches()
        with pytest.raises(ValueError, match="must arrive"):
            list(demand.split_groups(iter(wrong)))


def test_locations_are_joined_by_month_price_zone_and_products(demand):
    """Tables of 40 products and 310 units a month: two fit in 700, and a large one stays alone."""
    others = make_table(6, product_key=pa.array(np.arange(PRODUCTS) + 2, pa.int32()))
    december = make_table(5, month_key=np.full(PRODUCTS, 202512))
    digital = make_table(4, price_zone=["digital"] * PRODUCTS)
    tables = [*map(make_table, (1, 2, 3)), others, digital, december, make_table(7), make_table(8)]
    daily_units = dict.fromkeys(range(1, 9), 10.0) | {7: 10_000.0}
    batches = demand.joined(iter(tables), daily_units, most=700)
    keys = [[table["location_key"][0].as_py() for table in batch] for batch in batches]
    assert keys == [[1, 2], [3], [6], [4], [5], [7], [8]]
    assert list(demand.joined(iter([]), {})) == []
