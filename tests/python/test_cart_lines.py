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
COLORWAYS = 40
SIZES = 2
PRODUCTS = COLORWAYS * SIZES
CATEGORIES = ["bags", "bottoms", "shoes", "tops"]
CLASSES = 16
VISIT = pa.struct(
    [
        ("date_key", pa.int32()),
        ("customer_key", pa.int32()),
        ("segment", pa.int32()),
        ("shopper_class", pa.int32()),
        ("preferred_channel", pa.int32()),
        ("has_ios", pa.bool_()),
        ("device_draw", pa.float64()),
        ("basket_quantile", pa.float64()),
        ("build_tops", pa.float64()),
        ("build_bottoms", pa.float64()),
        ("build_shoes", pa.float64()),
    ]
)

# Draws of customer n of make_visits: multiples of n + 1, without the whole part.
STEPS = {
    "device_draw": 0.62,
    "basket_quantile": 0.37,
    "build_tops": 0.23,
    "build_bottoms": 0.71,
    "build_shoes": 0.41,
}


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
        channel_loyalty=0.5,
        low_units_share=0.4,
        expected_abandonment_increase=0.1,
        product_shock=demand.Component(0.5, 0.4),
        store_shock=demand.Component(0.5, 0.3),
        habits={
            "basket_loyalty": 0.8,
            "device_loyalty": 0.9,
            "build_tops_correlation": 0.85,
            "build_bottoms_correlation": 0.8,
            "build_shoes_correlation": 0.6,
            "size_accuracy": 0.95,
            "other_person_share": 0.12,
        },
        substitution_rate=0.5,
        waiting_rate=0.2,
        next_size_share=0.1,
    )


def without_shocks(demand, shape):
    """The shape of demand that stays at its level."""
    none = demand.Component(0.0, 0.0)
    return replace(shape, product_shock=none, store_shock=none)


def with_habits(shape, **habits):
    """The shape with some other habits."""
    return replace(shape, habits=shape.habits | habits)


@pytest.fixture(scope="module")
def shoppers(demand):
    """All classes like everything alike; two segments, and the rates of who is not known."""
    return demand.Shoppers(
        class_share=np.full(CLASSES, 1 / CLASSES),
        affinity=np.ones((COLORWAYS, CLASSES)),
        segment_share=np.array([0.5, 0.5]),
        store_segment_share=np.array([0.25, 0.75]),
        segment_abandonment=np.array([1.1, 0.9, 1.0]),
        segment_response=np.ones((3, 2)),
    )


def of_one_mind(shoppers):
    """Shoppers of whom each class likes every sixteenth colorway and nothing else."""
    likes = np.arange(COLORWAYS)[:, None] % CLASSES == np.arange(CLASSES)
    return replace(shoppers, affinity=likes.astype(float))


def make_group(demand, is_digital, days=range(1, 31), device_abandonment=(1.0, 1.0, 1.0)):
    return demand.Group(
        is_digital=is_digital,
        traffic={MONTH * 100 + day: 1.0 for day in days},
        channel_key=np.array([1, 3]),
        channel_cdf=np.array([0.6, 1.0]),
        device_cdf=np.array([[1.0, 1.0, 1.0], [0.0, 0.9, 1.0]]) if is_digital else None,
        device_abandonment=np.array(device_abandonment) if is_digital else None,
        preferred_channels={0: np.array([0]), 1: np.array([1])},
        app_channels=(),
        known_share=0.4,
        hour_cdf=demand.cumulative(np.ones((1, 1 if is_digital else 4, 24))),
        location_format={},
        day_kind={},
        items_cdf=demand.cumulative([5, 3, 2]),
        lag_cdf=demand.cumulative([1, 2, 1]),
        quantity_cdf=np.array([0.8, 0.95, 1.0]),
        return_rate={MONTH: 0.2},
        gifts={},
        gift_cdf=np.ones(1),
        closed_days=np.array([], int),
        special_days={},
        response_rates={MONTH: np.array([0.5, 0.2])},
        wait_cdf=demand.cumulative([1, 0, 2, 1]),
    )


def make_visits(location, per_day=5, days=range(1, 31)):
    """Visits of twenty customers of a location, a few of them each day, in no order."""
    numbers = [(day, (7 * day + 3 * place) % 20) for day in days for place in range(per_day)]
    return [
        {
            "date_key": MONTH * 100 + day,
            "customer_key": 100 * location + number,
            "segment": number % 2,
            "shopper_class": number % CLASSES,
            "preferred_channel": number // 2 % 2,
            "has_ios": number % 3 == 0,
        }
        | {name: (number + 1) * step % 1 for name, step in STEPS.items()}
        for day, number in reversed(numbers)
    ]


def make_table(location=11, visits=None, per_product=None, **changes):
    """One row per product, on promotion on the 28th, as the stream gives them: by product.

    changes: columns by colorway, whose sizes are the products; per_product: columns by product;
    visits: of the month, those of make_visits unless given.
    """
    number = np.arange(COLORWAYS)
    promoted = [
        {"day_of_month": 28, "promotion_key": 2519, "discount_cents": 500, "demand_uplift": 2.0}
    ]
    columns = {
        "location_key": np.full(COLORWAYS, location),
        "channel_group": ["any"] * COLORWAYS,
        "price_zone": ["any"] * COLORWAYS,
        "colorway_key": pa.array(number + 1, pa.int32()),
        "month_key": np.full(COLORWAYS, MONTH),
        "category_level_1": ["any"] * COLORWAYS,
        "category_level_2": [CATEGORIES[n // 10] for n in number],
        "gender": ["unisex"] * COLORWAYS,
        "size_ladder": ["alpha"] * COLORWAYS,
        "demand_weight": 1_000_000 * (1 + number % 5),
        "planned_weight": 1_000_000 * (1 + number % 5),
        "list_price_cents": 1999 + 100 * number,
        "return_rate_index": np.ones(COLORWAYS),
        "launch_day": np.zeros(COLORWAYS, int),
        "last_day": np.full(COLORWAYS, 10**6),
        "promotion_days": pa.array([promoted] * COLORWAYS),
        "month_level": np.ones(COLORWAYS),
        # Of six Mondays, from October 27 to December 1.
        "monday_levels": pa.array([[1.0] * 6] * COLORWAYS),
    }
    table = pa.table(columns | changes).take(pa.array(np.repeat(number, SIZES)))
    visits = make_visits(location) if visits is None else visits
    products = {
        "product_key": pa.array(np.arange(PRODUCTS) + 1, pa.int32()),
        "visits": pa.array([visits] + [None] * (PRODUCTS - 1), pa.list_(VISIT)),
    }
    for name, values in (products | (per_product or {})).items():
        table = table.drop_columns([name] if name in table.column_names else [])
        table = table.append_column(name, values if isinstance(values, pa.Array) else [values])
    return table


def colorway_of(lines):
    """Number of the colorway of each line, from 0."""
    return (lines["product_key"] - 1) // SIZES


def size_of(lines):
    """Number of the size of each line, from 0."""
    return (lines["product_key"] - 1) % SIZES


def assortment_of(demand):
    """Each colorway may be replaced by the three before and after it, as far as of its category."""
    own = np.arange(COLORWAYS)[:, None]
    other = own + np.array([-3, -2, -1, 1, 2, 3])
    return demand.Assortment(
        colorway_keys=np.arange(COLORWAYS) + 1,
        categories=CATEGORIES,
        category_response=np.ones((len(CATEGORIES), 2)),
        substitute=np.where(other // 10 == own // 10, other, -1),
        closeness=1.0 / np.abs(other - own),
    )


def generate(
    demand,
    shoppers,
    shape,
    is_digital=True,
    location=11,
    units=40.0,
    group=None,
    table=None,
    assortment=None,
    **of,
):
    """Lines of one location, as a pandas frame."""
    group = group or make_group(demand, is_digital, **of)
    tables = [table or make_table(location)]
    lines = demand.generate(
        tables, [units], group, shoppers, assortment or assortment_of(demand), shape
    )
    return lines.to_pandas()


@pytest.mark.parametrize("is_digital", [True, False])
def test_lines_are_well_formed(demand, shoppers, shape, is_digital):
    lines = generate(demand, shoppers, shape, is_digital, location=11 if is_digital else 1)
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
    assert (lines["unit_price"] * 100).round().equals(1999.0 + 100 * colorway_of(lines))


@pytest.mark.parametrize("is_digital", [True, False])
def test_a_location_does_not_depend_on_what_it_is_computed_with(
    demand, shoppers, shape, is_digital
):
    group, liked = make_group(demand, is_digital), of_one_mind(shoppers)
    locations = {11: 40.0, 12: 600.0, 99: 0.0, 98: 1.5}
    tables = [
        make_table(key, demand_weight=1_000_000 * (1 + (np.arange(COLORWAYS) + key) % 7))
        for key in locations
    ]

    def lines_of(*numbers):
        units = [list(locations.values())[n] for n in numbers]
        some = [tables[n] for n in numbers]
        return demand.generate(some, units, group, liked, assortment_of(demand), shape)

    assert lines_of(0, 1, 2, 3).equals(pa.concat_tables([lines_of(n) for n in range(4)]))


@pytest.mark.parametrize("is_digital", [True, False])
def test_days_that_are_generated_apart_are_those_of_the_whole_month(
    demand, shoppers, shape, is_digital
):
    """From Wednesday the 5th on: a run gets its own days of traffic and visits only."""
    group = make_group(demand, is_digital, range(5, 31), device_abandonment=(0.5, 1.0, 1.2))

    def lines(first, last):
        """Those of the days of the month from the first to the last one, which ends the world."""
        traffic = {key: index for key, index in group.traffic.items() if key % 100 <= last}
        tables = [
            make_table(key, make_visits(key, days=range(max(first, 5), last + 1)))
            for key in (11, 12, 99)
        ]
        return demand.generate(
            *(tables, [90.0, 40.0, 300.0], replace(group, traffic=traffic)),
            *(of_one_mind(shoppers), assortment_of(demand), shape, MONTH * 100 + first),
        ).to_pandas()

    whole = lines(1, 30)
    assert (whole["customer_key"] > 0).any()
    for cuts in ([12], [13], [9, 14, 28], range(5, 30)):
        starts, ends = [1, *(cut + 1 for cut in cuts)], [*cuts, 30]
        parts = pd.concat([lines(*days) for days in zip(starts, ends, strict=True)])
        by_block = parts.sort_values(["location_key", "cart_line_id"], ignore_index=True)
        pd.testing.assert_frame_equal(by_block, whole, check_exact=True)


def test_known_carts_are_those_of_the_visits(demand, shoppers, shape):
    """One cart a visit, of nobody else; all other carts are of nobody known."""
    carts = generate(demand, shoppers, shape).drop_duplicates("cart_number")
    known = carts[carts["customer_key"] != 0]
    visits = {(visit["date_key"], visit["customer_key"]) for visit in make_visits(11)}
    assert set(zip(known["date_key"], known["customer_key"], strict=True)) == visits
    assert len(known) == len(visits) < len(carts)
    nobody = generate(demand, shoppers, shape, table=make_table(visits=[]))
    assert set(nobody["customer_key"]) == {0}


def test_of_more_visits_than_carts_some_fill_none(demand, shoppers, shape):
    """Two carts a day, and visits of five: all carts are of visitors of the day."""
    carts = generate(demand, shoppers, shape, units=2.0).drop_duplicates("cart_number")
    visits = {(visit["date_key"], visit["customer_key"]) for visit in make_visits(11)}
    of_carts = list(zip(carts["date_key"], carts["customer_key"], strict=True))
    assert len(set(of_carts) & visits) < len(visits)
    counts = carts.groupby("date_key")["customer_key"].agg(lambda keys: (keys != 0).sum())
    assert (counts == carts.groupby("date_key").size().clip(upper=5)).all()


def test_no_customer_always_comes_too_late_for_a_cart(demand, shoppers, shape):
    """Of twenty who come on half of the days, each finds one of the few carts as often."""
    every = make_visits(11, per_day=20)
    chosen = np.random.default_rng(7).random(len(every)) < 0.5
    visits = [visit for visit, comes in zip(every, chosen, strict=True) if comes]
    rows = []
    for location in range(11, 31):
        table = make_table(location, visits)
        lines = generate(demand, shoppers, shape, location=location, units=4.0, table=table)
        rows.append(lines.drop_duplicates("cart_number"))
    carts = pd.concat(rows)["customer_key"].value_counts()
    came = pd.Series([visit["customer_key"] for visit in visits]).value_counts()
    served = carts[came.index] / came
    assert served.mean() < 0.8 * 20
    assert served.to_numpy() == pytest.approx(np.full(20, served.mean()), rel=0.5)


def naive_visits(block, draws, visit_blocks, blocks):
    """What visit_of_carts gives, cart by cart."""
    found = [-1] * len(block)
    for number in range(blocks):
        own = [n for n, of in enumerate(visit_blocks) if of == number]
        carts = sorted((n for n, of in enumerate(block) if of == number), key=lambda n: draws[n])
        for cart, visit in zip(carts, own, strict=False):
            found[cart] = visit
    return found


@given(
    st.lists(st.tuples(st.integers(0, 3), st.floats(0, 1, exclude_max=True)), max_size=12),
    st.lists(st.integers(0, 3), max_size=8),
)
def test_visits_go_to_the_carts_with_the_lowest_draws(demand, carts, visit_blocks):
    carts.sort(key=lambda cart: cart[0])
    block = np.array([block for block, _ in carts], int)
    draws = np.array([draw for _, draw in carts], float)
    visits = SimpleNamespace(block=np.sort(np.array(visit_blocks, int)))
    found = demand.visit_of_carts(block, draws, visits, 4)
    assert found.tolist() == naive_visits(block.tolist(), draws, visits.block.tolist(), 4)


def test_visits_come_in_any_order(demand, shoppers, shape):
    visits = make_visits(11)
    lines = generate(demand, shoppers, shape)
    for order in (visits[::-1], visits[::2] + visits[1::2]):
        other = generate(demand, shoppers, shape, table=make_table(visits=order))
        pd.testing.assert_frame_equal(other, lines)


def test_what_all_want_is_what_is_planned_whatever_the_classes(demand):
    """Summed over the classes, by loops; days on which nothing is wanted apart."""

    @settings(deadline=None)
    @given(st.integers(0, 2**32))
    def holds(seed):
        rng = np.random.default_rng(seed)
        classes, colorways, blocks = rng.integers(1, 6), rng.integers(1, 9), rng.integers(1, 5)
        wanted = rng.integers(0, 4, (blocks, colorways)).astype(float)
        liked = rng.random((colorways, classes)) ** 3 + 1e-3
        class_of = liked / liked.sum(axis=1, keepdims=True)
        month = SimpleNamespace(wanted_weight=wanted, class_of=class_of)
        class_shares, shares = demand.class_sums_of(month)
        for block in range(blocks):
            if wanted[block].sum():
                own = class_shares[block * classes : (block + 1) * classes] - block
                total = np.zeros(colorways)
                for number, weight in enumerate(np.diff(own, prepend=0.0)):
                    row = block * classes + number
                    of_class = shares[row * colorways : (row + 1) * colorways] - row
                    total += weight * np.diff(of_class, prepend=0.0)
                assert total == pytest.approx(wanted[block] / wanted[block].sum(), abs=1e-9)

    holds()


@pytest.mark.parametrize("same", [0.0, 0.5, 1.0])
def test_demand_of_a_colorway_is_the_plan_for_all_lines_of_carts(demand, shoppers, shape, same):
    """Main lines and further ones, whatever the classes like and the basket holds."""
    calm = replace(without_shocks(demand, shape), same_category_share=same)
    liked = replace(
        shoppers,
        affinity=(1 + np.arange(COLORWAYS * CLASSES) * 7 % 11).reshape(COLORWAYS, CLASSES) / 6.0,
    )
    table = make_table(1, [], promotion_days=pa.array([[]] * COLORWAYS, promotion_type()))
    # Each asks for one unit, so that the units count how often something is put in.
    group = replace(make_group(demand, False), quantity_cdf=np.ones(3))
    lines = generate(demand, liked, calm, units=6000.0, group=group, table=table)
    units = lines["quantity_requested"].groupby(colorway_of(lines)).sum()
    planned = 1 + np.arange(COLORWAYS) % 5
    assert (units / units.sum()).tolist() == pytest.approx(
        (planned / planned.sum()).tolist(), rel=0.1
    )


def promotion_type():
    """Type of a list of promoted days."""
    return make_table()["promotion_days"].type


def test_a_class_of_shoppers_buys_what_it_likes(demand, shoppers, shape):
    """Known or not: all free choices of a basket are of one class; that of a visit is given."""
    free = replace(shape, same_category_share=0.0)
    lines = generate(demand, of_one_mind(shoppers), free, units=300.0)
    of_class = colorway_of(lines) % CLASSES
    assert (of_class.groupby(lines["cart_number"]).nunique() == 1).all()
    known = lines["customer_key"] > 0
    assert (of_class == lines["customer_key"] % 100 % CLASSES)[known].all()
    assert set(of_class[~known]) == set(range(CLASSES))


def test_classes_share_the_demand_of_a_colorway_by_number_and_liking(demand, shoppers, shape):
    share = np.arange(1, CLASSES + 1) / 136
    affinity = 1 + (np.arange(COLORWAYS)[:, None] * np.arange(CLASSES)) % 5
    some = replace(shoppers, class_share=share, affinity=affinity.astype(float))
    month = demand.month_of(
        *([make_table()], [1.0], make_group(demand, True), some, assortment_of(demand), shape)
    )
    for colorway, of_class in enumerate(month.class_of):  # all of one category are in order
        weights = [share[n] * affinity[colorway, n] for n in range(CLASSES)]
        assert of_class == pytest.approx(np.array(weights) / sum(weights))


def test_share_of_further_lines_in_the_section_of_the_main_product(demand, shoppers, shape):
    """A section is a category and gender. Chance adds its share in the plan: a twelfth or so."""
    gender = np.array(["women", "men", "unisex"])[np.arange(COLORWAYS) % 3]
    table = make_table(1, gender=gender.tolist(), demand_weight=np.full(COLORWAYS, 1_000_000))
    for share, expected in ((1.0, 1.0), (0.0, 0.085)):
        similar = replace(without_shocks(demand, shape), same_category_share=share)
        lines = generate(*(demand, shoppers, similar, False), 1, units=500.0, table=table)
        colorway = colorway_of(lines)
        section = colorway // 10 * 3 + colorway % 3
        of_cart = section.groupby(lines["cart_number"])
        is_further = of_cart.cumcount() > 0
        same = (section == of_cart.transform("first"))[is_further]
        assert same.mean() == pytest.approx(expected, abs=0.03)


def test_sizes_are_shared_out_by_their_demand(demand, shoppers, shape):
    """Over all shoppers three of four ask for the second size, in every ladder."""
    weight = pa.array(np.tile([1_000_000, 3_000_000], COLORWAYS))
    ladder = np.array(["alpha", "waist", "shoe"])[np.arange(COLORWAYS) % 3].tolist()
    table = make_table(1, [], {"demand_weight": weight}, size_ladder=ladder)
    lines = generate(demand, shoppers, shape, False, location=1, units=3000.0, table=table)
    shares = size_of(lines).groupby(colorway_of(lines) % 3).mean()
    assert shares.tolist() == pytest.approx([0.75] * 3, abs=0.02)


def test_products_of_a_person_go_together_in_size(demand, shoppers, shape):
    """Two sizes each: of one body part in a basket always, of two parts more than by chance."""
    sure = with_habits(replace(shape, same_category_share=0.0), size_accuracy=1.0)
    ladder = np.array(["alpha", "waist"])[np.arange(COLORWAYS) % 2].tolist()
    table = make_table(1, [], size_ladder=ladder)
    some = demand, shoppers

    def sizes_of_pairs(shape):
        """Whether two lines of a basket are of one part, and of one size."""
        lines = generate(*some, shape, False, 1, units=2000.0, table=table)
        lines = lines.assign(size=size_of(lines), part=colorway_of(lines) % 2)
        pairs = lines.merge(lines, on="cart_number").query("product_key_x < product_key_y")
        return pairs["part_x"] == pairs["part_y"], pairs["size_x"] == pairs["size_y"]

    one_part, one_size = sizes_of_pairs(with_habits(sure, other_person_share=0.0))
    assert one_size[one_part].all()
    # Orthant probability of normals with correlation .85 x .8.
    expected = 0.5 + math.asin(0.85 * 0.8) / math.pi
    assert one_size[~one_part].mean() == pytest.approx(expected, abs=0.03)
    one_part, one_size = sizes_of_pairs(with_habits(sure, other_person_share=1.0))
    assert one_size[one_part].mean() == pytest.approx(0.5, abs=0.04)


def test_a_customer_keeps_the_own_size_from_basket_to_basket(demand, shoppers, shape):
    """By the quantile of the body, half have each of two sizes; men buy for women any size."""
    sure = with_habits(shape, size_accuracy=1.0, other_person_share=0.0)
    gender = np.array(["men", "unisex"])[np.arange(COLORWAYS) % 2].tolist()
    lines = generate(demand, shoppers, sure, table=make_table(gender=gender), units=100.0)
    number = lines["customer_key"] % 100
    fits = ((number + 1) * STEPS["build_tops"] % 1 >= 0.5).astype(int)
    is_own = (lines["customer_key"] > 0) & ((number % CLASSES >= 8) | (colorway_of(lines) % 2 == 1))
    assert (size_of(lines) == fits)[is_own].all()
    others = (lines["customer_key"] > 0) & ~is_own
    assert 0.3 < (size_of(lines) == fits)[others].mean() < 0.7


def test_sizes_of_colorways_are_tables_of_their_products(demand):
    keys, cdf = demand.size_tables(
        np.array([4, 7, 9, 12, 15, 20]), np.array([1, 1, 2, 5, 0, 9]), np.array([0, 3, 4])
    )
    assert keys.tolist() == [[4, 7, 9], [12, 0, 0], [15, 20, 0]]
    assert cdf.tolist() == [[0.25, 0.5, 1], [1, 1, 1], [0.1, 1, 1]]
    last = demand.pick_rows(cdf, np.arange(3), np.full(3, 1 - 2**-53))
    assert (keys[np.arange(3), last] > 0).all()


def test_ladders_of_sizes_are_of_parts_of_the_body(demand):
    ladders = ["alpha_women", "waist", "women_shoes", "one_size", "numeric"]
    levels = ["apparel", "apparel", "footwear", "footwear", "apparel"]
    assert demand.body_parts(ladders, levels).tolist() == [0, 1, 2, 2, 1]


def test_uniforms_that_are_like_quantiles(demand):
    """They stay uniforms, with the correlation of normals; alike or unlike at the ends."""
    rng = np.random.default_rng(5)
    quantiles, draws = rng.random((2, 100_000))
    near = demand.like(quantiles, draws, 0.8)
    assert np.histogram(near, 10, (0, 1))[0] / 1e5 == pytest.approx(np.full(10, 0.1), abs=0.005)
    normals = demand.normal_quantile(quantiles), demand.normal_quantile(near)
    assert np.corrcoef(*normals)[0, 1] == pytest.approx(0.8, abs=0.01)
    assert demand.like(quantiles, draws, 1.0) == pytest.approx(quantiles, abs=1e-6)
    assert demand.like(quantiles, draws, 0.0) == pytest.approx(draws, abs=1e-6)


def test_baskets_of_a_customer_are_of_one_size(demand, shoppers, shape):
    """Who fills large baskets does so again; together all fill them as the seed says."""
    loyal = with_habits(shape, basket_loyalty=1.0)
    lines = generate(demand, shoppers, loyal)
    items = lines.groupby("cart_number")["customer_key"].agg(["first", "size"])
    known = items[items["first"] > 0]
    # Half of the quantiles ask for one product; some take it twice, which is one line.
    quantile = (known["first"] % 100 + 1) * STEPS["basket_quantile"] % 1
    assert (known["size"] <= 1 + (quantile >= 0.5) + (quantile >= 0.8)).all()
    assert known["size"][quantile >= 0.8].mean() > 2.5


def group_with_apps(demand):
    """Channels 1 (web), 3 (app of an iPhone) and 4 (app of another phone)."""
    return replace(
        make_group(demand, True),
        channel_key=np.array([1, 3, 4]),
        channel_cdf=np.array([0.5, 0.7, 1.0]),
        device_cdf=np.array([[0.5, 0.8, 1.0], [0.0, 0.9, 1.0], [0.0, 0.8, 1.0]]),
        preferred_channels={0: np.array([0]), 1: np.array([1, 2]), 2: np.array([], int)},
        app_channels=(1, 2),
    )


@pytest.mark.parametrize("loyalty", [0.0, 1.0])
def test_loyal_customers_take_their_preferred_channel(demand, shoppers, shape, loyalty):
    """As often as the variable says; else any. Whichever, an app is that of the own phone."""
    lines = generate(
        *(demand, shoppers, replace(shape, channel_loyalty=loyalty)),
        group=group_with_apps(demand),
        units=300.0,
    )
    carts = lines.drop_duplicates("cart_number")
    known = carts[carts["customer_key"] > 0]
    number, is_web = known["customer_key"] % 100, known["channel_key"] == 1
    if loyalty:
        assert (is_web == (number // 2 % 2 == 0)).all()
    else:
        assert is_web.mean() == pytest.approx(0.5, abs=0.12)
    assert (known["channel_key"] == np.where(number % 3 == 0, 3, 4))[~is_web].all()
    shares = carts[carts["customer_key"] == 0]["channel_key"].value_counts(normalize=True)
    assert shares[[1, 3, 4]].tolist() == pytest.approx([0.5, 0.2, 0.3], abs=0.03)


def test_customers_whose_channels_are_not_offered_take_any(demand, shoppers, shape):
    visits = [visit | {"preferred_channel": 2} for visit in make_visits(11, per_day=20)]
    lines = generate(
        *(demand, shoppers, replace(shape, channel_loyalty=1.0)),
        group=group_with_apps(demand),
        table=make_table(visits=visits),
    )
    carts = lines.query("customer_key > 0").drop_duplicates("cart_number")
    assert (carts["channel_key"] == 1).mean() == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("loyalty", [0.0, 1.0])
def test_customers_use_their_own_device(demand, shoppers, shape, loyalty):
    """That of their draw in the channel; on others' devices they are as all are."""
    lines = generate(
        *(demand, shoppers, with_habits(shape, device_loyalty=loyalty)),
        group=group_with_apps(demand),
        table=make_table(visits=make_visits(11, per_day=20)),
    )
    carts = lines.query("customer_key > 0").drop_duplicates("cart_number")
    own = carts.groupby(["customer_key", "channel_key"])["device_number"]
    assert (own.nunique() == 1).all() == bool(loyalty)
    if loyalty:
        number = carts["customer_key"] % 100
        draw = (number + 1) * STEPS["device_draw"] % 1
        on_web = carts["channel_key"] == 1
        expected = 1 + (draw >= 0.5).astype(int) + (draw >= 0.8)
        assert (carts["device_number"] == expected)[on_web].all()


def test_abandonment_rates_follow_their_indexes(demand, shoppers, shape):
    """In proportion to the indexes of segment and device, with the variable as their mean."""
    group = replace(
        make_group(demand, True, device_abandonment=(0.5, 1.0, 1.2)),
        device_cdf=np.array([[0.2, 0.5, 1.0], [0.0, 0.9, 1.0]]),
    )
    rates = demand.base_rates(group, replace(shoppers, segment_share=np.array([0.75, 0.25])), shape)
    # Of the carts 40% are of known customers, and 60% come through the first channel.
    of_segment = 0.4 * (0.75 * 1.1 + 0.25 * 0.9) + 0.6 * 1.0
    of_device = 0.6 * (0.2 * 0.5 + 0.3 + 0.5 * 1.2) + 0.4 * (0.9 + 0.1 * 1.2)
    expected = 0.68 / of_segment / of_device * np.outer([1.1, 0.9, 1.0], [0.5, 1.0, 1.2])
    assert rates.tolist() == np.round(expected, 4).tolist()


def test_abandonment_differs_by_device_and_keeps_its_mean(demand, shoppers, shape):
    """Of carts of whom 40% are known, half in each segment."""
    lines = generate(
        *(demand, shoppers, shape),
        units=42.5,  # make 48 carts a day
        device_abandonment=(0.9, 1.2, 1.0),
        table=make_table(visits=make_visits(11, per_day=19)),
    )
    carts = lines.drop_duplicates("cart_number")
    unknown = carts[carts["customer_key"] == 0]
    rates = unknown.groupby("device_number")["base_abandonment_rate"].unique()
    assert all(len(rate) == 1 for rate in rates)
    assert rates[2][0] / rates[1][0] == pytest.approx(1.2 / 0.9, rel=1e-3)
    assert rates[3][0] / rates[1][0] == pytest.approx(1.0 / 0.9, rel=1e-3)
    assert carts["base_abandonment_rate"].mean() == pytest.approx(0.68, abs=0.01)
    known = carts[carts["customer_key"] > 0].query("device_number == 1")
    of_segment = known.groupby(known["customer_key"] % 2)["base_abandonment_rate"].unique()
    assert [rate.tolist() for rate in of_segment] == [
        pytest.approx([index * rates[1][0]], abs=1e-4) for index in (1.1, 0.9)
    ]


def test_requested_units_are_the_plan_however_often_a_product_is_in_a_cart(demand, shoppers, shape):
    """With few products many carts pick one twice: its line asks for both, up to three units."""
    calm = replace(without_shocks(demand, shape), traffic_noise=0.0, same_category_share=0.9)
    popular = np.where(np.arange(COLORWAYS) % 10 == 0, 50, 1) * 1_000_000
    table = make_table(
        1,
        demand_weight=popular,
        planned_weight=popular,
        promotion_days=pa.array([[]] * COLORWAYS, promotion_type()),
    )
    # Each asks for one unit, and a cart has three lines at most.
    group = replace(make_group(demand, False), quantity_cdf=np.ones(3))
    lines = generate(demand, shoppers, calm, units=3000.0, group=group, table=table)
    assert lines["quantity_requested"].max() == 3
    assert lines["quantity_requested"].sum() / (3000 * 30) == pytest.approx(1, abs=0.02)
    # Lines of the most units cannot grow.
    most = replace(group, quantity_cdf=np.array([0.0, 0.0, 1.0]))
    lines = generate(demand, shoppers, calm, units=300.0, group=most, table=table)
    assert set(lines["quantity_requested"]) == {3}


def test_a_product_is_wanted_from_its_launch_to_its_last_day(demand, shoppers, shape):
    tenth = int(np.datetime64("2025-11-10").astype(int))
    table = make_table(
        launch_day=np.where(np.arange(COLORWAYS) % 2, tenth, 0),
        last_day=np.where(np.arange(COLORWAYS) % 2, 10**6, tenth),
    )
    lines = generate(demand, shoppers, shape, units=200.0, table=table)
    is_new = colorway_of(lines) % 2 == 1
    assert lines.loc[is_new, "date_key"].min() == 20251110
    assert lines.loc[~is_new, "date_key"].max() == 20251110


def naive_pick(weights, draw):
    """Index by weights of a draw: the first whose cumulative share is above it."""
    total, reached = weights.sum(), 0.0
    for index, weight in enumerate(weights):
        reached += weight
        if weight and draw < reached / total:
            return index
    return max(np.flatnonzero(weights))


def test_pick_in_rows_is_the_inverse_cdf_of_each_row(demand):
    """Whole weights with zeros at both ends and between, draws between the steps and last ones."""
    weights = np.array([row for row in itertools.product((0, 1, 5), repeat=4) if any(row)], float)
    shares = demand.row_shares(weights)
    draws = np.array([0.0, 0.05, 0.17, 0.33, 0.49, 0.71, 0.93, 1 - 2**-53])
    row, draw = np.repeat(np.arange(len(weights)), len(draws)), np.tile(draws, len(weights))
    found = demand.pick_in_rows(shares, row, draw, 4)
    expected = [naive_pick(weights[n], each) for n, each in zip(row, draw, strict=True)]
    assert found.tolist() == expected
    assert (weights[row, found] > 0).all()


def test_rows_without_weight_leave_the_others_alone(demand):
    weights = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 0.0], [3.0, 0.0]])
    shares = demand.row_shares(weights)
    assert (np.diff(shares) >= 0).all()
    row = np.array([0, 1, 2, 3, 1, 3])
    draw = np.array([0.5, 0.0, 0.0, 0.0, 1 - 2**-53, 1 - 2**-53])
    found = demand.pick_in_rows(shares, row, draw, 2)
    assert found[[1, 3, 4, 5]].tolist() == [1, 0, 1, 0]
    assert ((found >= 0) & (found < 2)).all()


@pytest.fixture
def days_of_carts(demand, shoppers, shape):
    """Returns a function: (50 locations, 30 days) carts relative to the plan of so many a day."""
    calm = without_shocks(demand, shape)
    group = make_group(demand, False)
    group.traffic[MONTH * 100 + 6] = 3.0
    promotion_days = pa.array([[]] * COLORWAYS, promotion_type())
    tables = [make_table(key, [], promotion_days=promotion_days) for key in range(1, 51)]
    units = 1.25 * 1.7  # of a line, and lines of a cart

    def relative(carts, noise):
        month = demand.month_of(
            *(tables, [carts * units] * 50, group, shoppers, assortment_of(demand), calm)
        )
        counts = demand.cart_counts(month, group, replace(shape, traffic_noise=noise))
        return counts.reshape(50, 30) / (carts * np.where(np.arange(30) == 5, 3, 1))

    return relative


def test_demand_follows_its_level_and_the_shocks_of_product_and_location(demand, shape):
    """Level 3 in the second week, and 2 on average: a half more than planned, then less."""
    table = make_table(
        month_level=np.full(COLORWAYS, 2.0),
        monday_levels=pa.array([[1, 3, 1, 1, 1, 1.0]] * COLORWAYS),
    ).take(pa.array(np.arange(0, PRODUCTS, SIZES)))
    other = table.set_column(0, "location_key", pa.array(np.full(COLORWAYS, 12)))
    order = np.arange(COLORWAYS)[::-1]
    place = [table, other], order, order, COLORWAYS
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


def test_one_product_is_enough(demand, shoppers, shape):
    """Of one category: every cart has a line of it."""
    one = make_table().slice(0, 1)
    lines = generate(demand, shoppers, shape, table=one)
    assert set(lines["product_key"]) == {1}
    assert lines["cart_number"].is_unique
    assert len(lines) > 100


def test_shoppers_are_those_of_the_seeds(demand):
    """Rows of the seeds come in any order; who discloses no gender is one or the other."""
    genders = pd.DataFrame({"value": ["male", "undisclosed", "female"], "weight": [400, 200, 600]})
    tastes = pd.DataFrame(
        {"taste_number": [1, 0], "female_weight": [300, 700], "male_weight": [900, 100]}
    )
    affinities = pd.DataFrame(
        [
            (colorway, number, 10.0 * colorway + number)
            for colorway in (2, 1)
            for number in (3, 0, 2, 1)
        ],
        columns=["colorway_key", "shopper_class", "affinity"],
    )
    segments = pd.DataFrame(
        {
            "segment": ["vip", "new", "regular"],
            "segment_rank": [2, 0, 1],
            "base_abandonment_index": [0.8, 1.2, 1.0],
        }
    )
    habits = {"guest_abandonment_index": 1.1, "first_order_share": 0.2}
    seeds = affinities, genders, tastes, segments
    orders = {1: (30, 0), 2: (10, 80)}
    responses = responses_of(segment={"vip": (0.8, 2), "unknown": (0.9, 0.5), "regular": (3, 1)})
    found = demand.shoppers_from(*seeds, orders, habits, responses)
    women, men = 700 / 1200, 500 / 1200
    assert found.class_share.tolist() == pytest.approx(
        [women * 0.7, women * 0.3, men * 0.1, men * 0.9]
    )
    assert found.affinity.tolist() == [[10, 11, 12, 13], [20, 21, 22, 23]]
    # First orders are of new customers.
    assert found.segment_share.tolist() == pytest.approx([0.2, 0.6, 0.2])
    assert found.store_segment_share.tolist() == pytest.approx([0.2, 0.0, 0.8])
    assert found.segment_abandonment.tolist() == [1.2, 1.0, 0.8, 1.1]
    # Without a row of its own a segment does as others do.
    assert found.segment_response.tolist() == [[1, 1], [3, 1], [0.8, 2], [0.9, 0.5]]
    # Where nobody orders online all are as likely.
    nobody = demand.shoppers_from(*seeds, {1: (0, 7)}, habits, responses)
    assert nobody.segment_share.tolist() == [1 / 3] * 3
    assert nobody.store_segment_share.tolist() == pytest.approx([0.2, 0.8, 0.0])


def responses_of(**groupings):
    """Rows of the seed shortage_responses: by grouping a dict of value -> its two indexes."""
    rows = [
        (grouping, value, *indexes)
        for grouping, values in groupings.items()
        for value, indexes in values.items()
    ]
    names = ["grouping", "value", "substitution_index", "waiting_index"]
    return pd.DataFrame(rows, columns=names)


def test_the_assortment_is_that_of_the_tables(demand):
    """Their rows come in any order; keys have gaps, and not every colorway has a substitute."""
    colorways = pd.DataFrame(
        {"colorway_key": [9, 2, 7, 4], "category_level_2": ["tops", "bags", "tops", "tops"]}
    )
    substitutes = pd.DataFrame(
        [(9, 7, 0.5), (4, 9, 0.25), (9, 4, 3.0), (7, 9, 1.0)],
        columns=["colorway_key", "substitute_colorway_key", "closeness"],
    )
    found = demand.assortment_from(
        colorways, substitutes, responses_of(category={"tops": (1.5, 0.5), "hats": (2, 2)})
    )
    assert found.colorway_keys.tolist() == [2, 4, 7, 9]
    assert found.categories == ["bags", "tops"]
    assert found.category_response.tolist() == [[1, 1], [1.5, 0.5]]
    assert found.substitute.tolist() == [[-1, -1], [3, -1], [3, -1], [1, 2]]
    assert found.closeness.tolist() == [[0, 0], [0.25, 0], [1, 0], [3, 0.5]]
    alone = demand.assortment_from(colorways, substitutes[:0], responses_of(category={}))
    assert alone.substitute.tolist() == [[-1]] * 4


@pytest.mark.parametrize("is_digital", [True, False])
def test_ids_begin_with_day_and_location_and_count_from_zero(demand, shoppers, shape, is_digital):
    location = 11 if is_digital else 9_999
    lines = generate(demand, shoppers, shape, is_digital, location, units=200.0)
    for name in ("cart_line_id", "cart_number"):
        block, number = np.divmod(lines[name], 1_000_000)
        assert (block == lines["date_key"].astype("int64") * 10_000 + location).all()
        of_day = number.groupby(lines["date_key"])
        assert (of_day.min() == 0).all()
        assert of_day.max().equals(of_day.nunique() - 1)


def test_all_recovery_lags_and_restock_delays_occur(demand, shoppers, shape):
    """A recovered cart is back within a week; a return is for sale again after 2 to 5 days."""
    slow = replace(shape, return_delay_days=(2, 5))
    lines = generate(demand, shoppers, slow, units=1000.0)
    lags = lines.drop_duplicates("cart_number")["recovery_lag_days"].value_counts(normalize=True)
    assert lags.sort_index().to_dict() == pytest.approx(dict.fromkeys(range(1, 8), 1 / 7), abs=0.02)
    delays = lines["restock_delay_days"].value_counts(normalize=True)
    assert delays.sort_index().to_dict() == pytest.approx(
        dict.fromkeys(range(2, 6), 0.25), abs=0.02
    )


def test_surviving_units_meet_the_plan(demand, shoppers, shape):
    """Requested x survival is the plan; promotions double the 28th, weekly shocks average out."""
    survival = 1 - 0.68 * (1 - 0.14)
    for is_digital, location in ((True, 11), (False, 1)):
        lines = generate(demand, shoppers, shape, is_digital, location, units=3000.0)
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


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.9])
def test_share_returned_is_the_rate_of_the_month(demand, shoppers, shape, rate):
    """Whatever the return rates of its products are relative to each other."""
    # The popular ones come back most.
    table = make_table(1, return_rate_index=np.where(np.arange(COLORWAYS) % 5 == 4, 2.5, 0.5))
    group = replace(make_group(demand, False), return_rate={MONTH: rate})
    lines = generate(demand, shoppers, shape, units=6000.0, group=group, table=table)
    assert lines["return_lag_days"].notna().mean() == pytest.approx(rate, abs=0.004)


def test_carts_come_while_the_store_is_open(demand, shoppers, shape):
    """A format that opens at 6 on one kind of day and at noon on the other."""
    open_hours = np.zeros((1, 2, 24))
    open_hours[0, 0, 12:14] = open_hours[0, 1, 6:10] = 1
    group = replace(
        make_group(demand, False),
        hour_cdf=demand.cumulative(open_hours),
        location_format={1: 0},
        day_kind={MONTH * 100 + day: int(day == 28) for day in range(1, 31)},
    )
    lines = generate(demand, shoppers, shape, location=1, units=400.0, group=group)
    hours = (lines["time_key"] // 100).groupby(lines["date_key"] == MONTH * 100 + 28).unique()
    assert [sorted(of_kind) for of_kind in hours] == [[12, 13], [6, 7, 8, 9]]


def test_who_waits_comes_again_when_the_store_is_open_at_that_hour(demand, shoppers, shape):
    """Open from noon to four, to two on Sundays and at six on one day, when others never are."""
    first = int(np.datetime64("2025-11-01").astype(int))  # a Saturday
    open_hours = np.zeros((1, 4, 24))
    open_hours[0, [0, 2], 12:16] = open_hours[0, 1, 12:14] = open_hours[0, 3, 6:16] = 1
    closed, special = first + np.array([4, 11, 32]), 14
    group = replace(
        make_group(demand, False),
        hour_cdf=demand.cumulative(open_hours),
        day_kind={MONTH * 100 + day: int(day % 7 == 2) for day in range(1, 31)}
        | {MONTH * 100 + special + 1: 3},
        closed_days=closed,
        special_days={first + special: 3},
        response_rates={MONTH: np.array([0.0, 1.0])},
        wait_cdf=demand.cumulative([1, 0, 2, 1, 0, 0, 0, 0]),
    )
    lines = generate(demand, shoppers, shape, location=1, units=800.0, group=group)
    hour, waits = lines["time_key"] // 100, lines["shortage_response"] == "wait"
    at = first + lines["date_key"] % 100 - 1 + lines["wait_lag_days"]
    assert not at.isin(closed).any()
    assert (hour[(at - first) % 7 == 1] < 14).all()
    # Nobody waits who came at six: on no other day of the eight is the store open then.
    assert (hour >= 12)[waits].all()
    assert (~waits).sum() > 10
    assert (hour[~waits] < 12).all()
    # Where the drawn day is open it stays.
    usual = replace(group, closed_days=closed[:0], hour_cdf=demand.cumulative(np.ones((1, 4, 24))))
    usual = generate(demand, shoppers, shape, location=1, units=800.0, group=usual)
    assert set(usual["wait_lag_days"]) == {1, 3, 4}
    assert lines.loc[waits, "wait_lag_days"].between(1, 8).all()


def test_nothing_is_brought_back_or_restocked_while_stores_are_closed(demand, shoppers, shape):
    """It is on the next open day, as often as before; lags of 1 to 3 days, delays of 1 to 3."""
    first = int(np.datetime64("2025-11-01").astype(int))
    closed = first + np.array([9, 10, 26])
    group = make_group(demand, False)
    usual = generate(demand, shoppers, shape, location=1, units=800.0, group=group)
    lines = generate(
        *(demand, shoppers, shape),
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


def test_gifts_come_back_after_their_holiday(demand, shoppers, shape):
    """Of what is bought on two days and comes back, 40%; the rest as ever, and no more of it."""
    first = int(np.datetime64("2025-11-01").astype(int))
    gifts = {first + 9: (0.4, first + 40), first + 10: (0.4, first + 40)}
    group = replace(make_group(demand, True), gift_cdf=np.array([0.25, 0.25, 1]))
    usual = generate(demand, shoppers, shape, units=3000.0, group=group)
    lines = generate(demand, shoppers, shape, units=3000.0, group=replace(group, gifts=gifts))
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


def test_more_lines_than_ids_have_room_for_are_refused(demand, shoppers, shape, monkeypatch):
    lines = generate(demand, shoppers, shape, units=500.0)
    most = int(lines.groupby("date_key").size().max())
    monkeypatch.setattr(demand, "LINES_OF_A_DAY", most)
    generate(demand, shoppers, shape, units=500.0)
    monkeypatch.setattr(demand, "LINES_OF_A_DAY", most - 1)
    with pytest.raises(ValueError, match=f"{most:,} cart lines on a day"):
        generate(demand, shoppers, shape, units=500.0)


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


def test_shorter_window_is_a_prefix(demand, shoppers, shape):
    whole = generate(demand, shoppers, shape)
    part = generate(demand, shoppers, shape, days=range(1, 12))
    assert len(part) > 50
    assert whole[whole["date_key"] <= 20251111].reset_index(drop=True).equals(part)


def test_a_month_before_the_days_asked_for_has_no_lines(demand, shoppers, shape):
    assortment = assortment_of(demand)
    group = make_group(demand, True)
    some = [make_table()], [40.0], group, shoppers, assortment, shape
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
def test_promotion_outside_of_the_window_plays_no_part(demand, shoppers, shape, days):
    """It is on the 28th: the day after the last one, or before the first."""
    lines = generate(demand, shoppers, shape, days=days)
    assert len(lines) > 0
    assert (lines["promotion_key"] == 0).all()
    assert (lines["discount_amount"] == 0).all()


def test_seed_and_location_change_the_draws(demand, shoppers, shape):
    base = generate(demand, shoppers, shape)
    for other in (
        generate(demand, shoppers, replace(shape, random_seed=43)),
        generate(demand, shoppers, shape, location=12),
    ):
        assert not set(base["allocation_draw"]) & set(other["allocation_draw"])


def test_carts_follow_traffic_and_start_at_quarter_hours(demand, shoppers, shape):
    group = make_group(demand, True)
    group.traffic[MONTH * 100 + 5] = 3.0
    group.traffic[MONTH * 100 + 6] = 0.0
    lines = generate(demand, shoppers, shape, units=500.0, group=group)
    per_day = lines.groupby("date_key").size()
    assert per_day[20251105] > 2 * per_day[20251104]
    assert 20251106 not in per_day
    assert set(lines["time_key"] % 100) == {0, 15, 30, 45}
    assert set(lines["time_key"] // 100) == set(range(24))


def test_promotion_moves_demand_to_its_products(demand, shoppers, shape):
    lines = generate(demand, shoppers, shape, units=1000.0)
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


def test_days_between_two_mondays_are_on_the_way(demand):
    levels = np.array([[1.0], [8.0], [1.0]])
    monday = int(np.datetime64("2025-11-03").astype(int))
    days = monday + np.arange(14)
    found = demand.on_days(levels, int(demand.week_of(monday)), days)
    assert found[:, 0] == pytest.approx([1, 2, 3, 4, 5, 6, 7, 8, 7, 6, 5, 4, 3, 2])


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


def test_a_month_without_simulated_days_has_no_lines(demand, shoppers, shape):
    group = make_group(demand, True, days=())
    group.traffic[20251201] = 1.0
    lines = generate(demand, shoppers, shape, group=group)
    assert list(lines) == demand.OUTPUT_SCHEMA.names
    assert len(lines) == 0


def channel(key, code, category, weight):
    """Columns of a row of the seed channels."""
    return {
        "channel_key": key,
        "channel_code": code,
        "channel_category": category,
        "weight": weight,
    }


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
        "known_shares": [digital | {"known_share": 0.4}, store | {"known_share": 0.3}],
        "web_funnel": [
            {"device_type": "tablet", "base_abandonment_index": 0.9},
            {"device_type": "desktop", "base_abandonment_index": 1.1},
            {"device_type": "mobile", "base_abandonment_index": 1.0},
        ],
        "units_per_line": [{"quantity": 2, "weight": 1}, {"quantity": 1, "weight": 3}],
        "channels": [
            digital | channel(3, "APP_IOS", "mobile_app", 1) | app,
            store | channel(2, "STORE", "store", 5) | devices,
            digital | channel(1, "WEB", "web", 3) | web,
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
        "waiting_lags": [
            store | {"lag_days": 2, "weight": 1},
            digital | {"lag_days": 3, "weight": 1},
            digital | {"lag_days": 1, "weight": 1},
        ],
        "shortage_responses": responses_of(
            channel_group={"digital": (1.0, 3.0), "store": (0.5, 1.0)}
        ),
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
    assert (online.known_share, shop.known_share) == (0.4, 0.3)
    assert (online.app_channels, shop.app_channels) == ((), ())  # one of two apps is none
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
    assert (online.wait_cdf.tolist(), shop.wait_cdf.tolist()) == ([0.5, 0.5, 1], [0, 1])
    # Three of four units are wanted in stores. Over both the rates are .5 and .2; online all of the
    # rest wait, and would be more.
    assert online.response_rates[MONTH].tolist() == pytest.approx([0.8, 0.2])
    assert shop.response_rates[MONTH].tolist() == pytest.approx([0.4, 0.2])


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
    """Tables of 80 products and 310 units a month: two fit in 800, and a large one stays alone."""
    keys = pa.array(np.arange(PRODUCTS) + 2, pa.int32())
    others = make_table(6, per_product={"product_key": keys})
    december = make_table(5, month_key=np.full(COLORWAYS, 202512))
    digital = make_table(4, price_zone=["digital"] * COLORWAYS)
    tables = [*map(make_table, (1, 2, 3)), others, digital, december, make_table(7), make_table(8)]
    daily_units = dict.fromkeys(range(1, 9), 10.0) | {7: 10_000.0}
    batches = demand.joined(iter(tables), daily_units, most=800)
    keys = [[table["location_key"][0].as_py() for table in batch] for batch in batches]
    assert keys == [[1, 2], [3], [6], [4], [5], [7], [8]]
    assert list(demand.joined(iter([]), {})) == []


# What shoppers do about an empty shelf.

RESPONSE_COLUMNS = [
    "shortage_response",
    "substitute_product_key",
    "substitute_unit_price",
    "substitute_discount_amount",
    "substitute_promotion_key",
    "wait_lag_days",
]


def with_rates(group, substitution, waiting):
    """The group with other shares of lines with a substitute, and that are waited for."""
    return replace(group, response_rates={MONTH: np.array([substitution, waiting])})


def mixed_table(location=11, **changes):
    """Two genders in every category, in turn, so that keys are not in the order of sections."""
    gender = np.array(["women", "men"])[np.arange(COLORWAYS) % 2].tolist()
    return make_table(location, **({"gender": gender} | changes))


def mixed_assortment(demand):
    """Of the same category and gender are every second colorway; the nearest come first to mind."""
    assortment = assortment_of(demand)
    own = np.arange(COLORWAYS)[:, None]
    other = own + np.array([-6, -4, -2, 2, 4, 6])
    return replace(
        assortment,
        substitute=np.where(other // 10 == own // 10, other, -1),
        closeness=2.0 / np.abs(other - own),
    )


def test_what_is_done_about_an_empty_shelf_changes_no_first_choice(demand, shoppers, shape):
    """At a rate of 0 nobody does it; at others all other columns stay as they are, to the bit."""
    group = make_group(demand, True)
    chosen = {
        rates: generate(demand, shoppers, shape, units=200.0, group=with_rates(group, *rates))
        for rates in ((0.0, 0.0), (0.5, 0.2), (1.0, 0.0), (0.0, 1.0))
    }
    first = chosen[0.0, 0.0].drop(columns=RESPONSE_COLUMNS)
    for lines in chosen.values():
        pd.testing.assert_frame_equal(lines.drop(columns=RESPONSE_COLUMNS), first, check_exact=True)
        of_response = lines[RESPONSE_COLUMNS[1:]].notna()
        takes = lines["shortage_response"] == "substitute"
        assert of_response.drop(columns="wait_lag_days").eq(takes, axis=0).all(axis=None)
        assert of_response["wait_lag_days"].equals(lines["shortage_response"] == "wait")
    seen = {rates: set(lines["shortage_response"]) for rates, lines in chosen.items()}
    assert seen[0.0, 0.0] == {"leave"}
    assert seen[0.5, 0.2] == {"substitute", "wait", "leave"}
    assert seen[1.0, 0.0] == {"substitute", "leave"}  # of what there is no substitute for
    assert seen[0.0, 1.0] == {"wait"}


def test_at_a_higher_rate_more_take_a_substitute(demand, shoppers, shape):
    """One draw a line, in carts of one: more take a substitute, and who did takes the same."""
    group = replace(make_group(demand, True), items_cdf=np.ones(1))
    few, more = (
        generate(demand, shoppers, shape, units=200.0, group=with_rates(group, rate, 0.2))
        for rate in (0.3, 0.4)
    )
    takes = few["shortage_response"] == "substitute"
    assert (more["shortage_response"] == "substitute")[takes].all()
    names = ["substitute_product_key", "substitute_unit_price"]
    assert more.loc[takes, names].equals(few.loc[takes, names])
    both = (few["wait_lag_days"].notna()) & (more["wait_lag_days"].notna())
    assert both.any()
    assert more.loc[both, "wait_lag_days"].equals(few.loc[both, "wait_lag_days"])


@given(
    st.lists(st.tuples(*[st.floats(0.1, 5)] * 3), min_size=1, max_size=8),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_rates_of_responses_have_their_means_and_leave_room(demand, rows, substitution, share):
    """Both means are met, the sum is at most 1, and nobody does what has a mean of 0."""
    weights, *index = np.array(rows).T
    means = substitution, share * (1 - substitution)
    rates = demand.rates_of_responses(means, np.stack(index, axis=1), weights)
    for rate, mean, own in zip(rates, means, index, strict=True):
        assert np.average(rate, weights=weights) == pytest.approx(mean, abs=1e-9)
        assert (rate >= 0).all()
        if not mean:
            assert (rate == 0).all()
        free = sum(rates) < 1 - 1e-9
        scale = (rate / own)[free]
        assert scale == pytest.approx(np.full(len(scale), scale.mean() if len(scale) else 0))
    assert sum(rates).max() <= 1 + 1e-9


def test_rates_with_mean_at_most_a_limit_of_each(demand):
    """Rows of their own: the second cannot have the mean, and so has the limits."""
    most = np.array([[0.2, 0.9, 0.9], [0.1, 0.1, 0.4]])
    rates = demand.rates_with_mean(0.5, [1.0, 1.0, 2.0], np.ones((2, 3)), most)
    assert rates == pytest.approx(np.array([[0.2, 1.3 / 3, 2.6 / 3], [0.1, 0.1, 0.4]]))


@pytest.mark.parametrize("is_digital", [True, False])
def test_responses_follow_the_indexes_of_category_and_segment(demand, shoppers, shape, is_digital):
    """In proportion to both, with the mean of the group over all that is wanted on the day."""
    some = replace(
        shoppers,
        segment_response=np.array([[1.0, 0.5], [0.8, 2.0], [1.2, 1.0]]),
        segment_share=np.array([0.9, 0.1]),
        store_segment_share=np.array([0.1, 0.9]),
    )
    assortment = replace(
        assortment_of(demand),
        category_response=np.array([[0.5, 2.0], [1.0, 1.0], [1.5, 0.5], [1.0, 1.0]]),
    )
    group = replace(with_rates(make_group(demand, is_digital), 0.4, 0.1), known_share=0.5)
    month = demand.month_of([make_table()], [10.0], group, some, assortment, shape)
    rates = demand.response_rates(month, group, some, assortment)
    wanted = np.add.reduceat(month.wanted_weight, [0, 10, 20, 30], axis=1)
    known = [0.9, 0.1] if is_digital else [0.1, 0.9]
    of_segment = np.append(0.5 * np.array(known), 0.5)
    for number, (rate, mean) in enumerate(zip(rates, (0.4, 0.1), strict=True)):
        for day in range(30):
            weights = np.outer(wanted[day], of_segment)
            assert np.average(rate[day], weights=weights) == pytest.approx(mean)
            index = np.outer(
                assortment.category_response[:, number], some.segment_response[:, number]
            )
            assert rate[day] / index == pytest.approx(
                np.full((4, 3), rate[day, 0, 0] / index[0, 0])
            )


def test_shares_of_responses_are_the_rates(demand, shoppers, shape):
    """Of lines by category, and by segment of the shopper."""
    some = replace(shoppers, segment_response=np.array([[1.0, 0.5], [0.6, 2.0], [1.2, 1.0]]))
    assortment = replace(
        assortment_of(demand),
        category_response=np.array([[0.5, 2.0], [1.0, 1.0], [1.5, 0.5], [1.0, 1.0]]),
    )
    group = replace(with_rates(make_group(demand, False), 0.4, 0.2), items_cdf=np.ones(1))
    tables = [make_table(1, make_visits(1, per_day=200))]
    month = demand.month_of(tables, [3000.0], group, some, assortment, shape)
    rates = np.mean(demand.response_rates(month, group, some, assortment), axis=1)
    lines = generate(
        *(demand, some, shape, False, 1),
        units=3000.0,
        group=group,
        table=tables[0],
        assortment=assortment,
    )
    # Carts of one line each, so that no substitute is in the cart already.
    assert lines["cart_number"].is_unique
    category = colorway_of(lines) // 10
    segment = np.where(lines["customer_key"] == 0, 2, lines["customer_key"] % 2)
    for rate, name in zip(rates, ("substitute", "wait"), strict=True):
        expected = rate[category, segment]
        answers = lines["shortage_response"] == name
        for by in (category, segment):
            assert answers.groupby(by).mean().to_numpy() == pytest.approx(
                pd.Series(expected).groupby(np.asarray(by)).mean().to_numpy(), abs=0.02
            )


@pytest.fixture(scope="module")
def with_substitutes(demand, shoppers, shape):
    """Lines of a month, and those of them with a substitute: own and other colorway as numbers.

    Some colorways are sold from the 10th on, others until then; all are on promotion on the 3rd
    and 28th, each on one of its own.
    """
    number = np.arange(COLORWAYS)
    promoted = [
        [
            {
                "day_of_month": day,
                "promotion_key": int(100 * day + n),
                "discount_cents": int(10 * n + day),
                "demand_uplift": 1.0,
            }
            for day in (3, 28)
        ]
        for n in number
    ]
    tenth = int(np.datetime64("2025-11-10").astype(int))
    table = mixed_table(
        promotion_days=pa.array(promoted, promotion_type()),
        launch_day=np.where(number % 10 == 4, tenth, 0),
        last_day=np.where(number % 10 == 7, tenth, 10**6),
    )
    lines = generate(
        *(demand, shoppers, shape),
        units=300.0,
        group=with_rates(make_group(demand, True), 0.8, 0.1),
        table=table,
        assortment=mixed_assortment(demand),
    )
    takes = lines[lines["shortage_response"] == "substitute"].astype(
        {"substitute_product_key": int, "substitute_promotion_key": int}
    )
    other = (takes["substitute_product_key"] - 1) // SIZES
    return lines, takes.assign(own=colorway_of(takes), other=other)


def test_a_substitute_is_like_what_is_wanted_and_on_sale(with_substitutes):
    """Of one category, gender and size, or the next size of the colorway; never in the cart."""
    lines, takes = with_substitutes
    own, other = takes["own"], takes["other"]
    assert len(takes) > 0.6 * len(lines)
    assert (own // 10 == other // 10).all()
    assert (own % 2 == other % 2).all()
    size = (takes["substitute_product_key"] - 1) % SIZES
    assert ((size == size_of(takes)) == (own != other)).all()
    assert (own == other).mean() == pytest.approx(0.1, abs=0.03)
    # Nothing is in a cart twice, whatever has run out.
    instead = takes[["cart_number", "substitute_product_key"]]
    asked = pd.concat(
        [
            lines[["cart_number", "product_key"]],
            instead.set_axis(["cart_number", "product_key"], axis=1),
        ]
    )
    assert not asked.duplicated().any()
    assert takes.loc[other % 10 == 4, "date_key"].min() == 20251110
    assert takes.loc[other % 10 == 7, "date_key"].max() == 20251110


def test_a_substitute_costs_what_it_costs_on_the_day(with_substitutes):
    _, takes = with_substitutes
    other, day = takes["other"], takes["date_key"] % 100
    is_promoted = day.isin([3, 28])
    assert is_promoted.any()
    assert (takes["substitute_promotion_key"] == np.where(is_promoted, 100 * day + other, 0)).all()
    cents = takes[["substitute_unit_price", "substitute_discount_amount"]] * 100
    assert (cents["substitute_unit_price"].round() == 1999 + 100 * other).all()
    expected = np.where(is_promoted, 10 * other + day, 0)
    assert (cents["substitute_discount_amount"].round() == expected).all()


def naive_substitute(month, substitutes, taker, draw, next_size_share):
    """What pick_substitutes finds for a taker (colorway, size, block, class), or (-1, None)."""
    colorway, size, block, shopper_class = taker
    run = [key for key in month.size_key[colorway] if key]
    candidates, weights = substitutes.colorway[colorway], []
    for other, closeness in zip(candidates, substitutes.closeness[colorway], strict=True):
        on_sale = other >= 0 and month.wanted_weight[block][other] > 0
        weights.append(closeness * substitutes.affinity[other][shopper_class] if on_sale else 0.0)
    if (draw["next_size"] < next_size_share or not sum(weights)) and len(run) > 1:
        larger, smaller = size + 1, size - 1
        wants_larger = draw["substitute"] < 0.5
        if larger >= len(run):
            return colorway, smaller
        return colorway, larger if wants_larger or smaller < 0 else smaller
    if not sum(weights):
        return -1, None
    found = candidates[naive_pick(np.array(weights), draw["substitute"])]
    return found, min(size, sum(key > 0 for key in month.size_key[found]) - 1)


def test_substitutes_are_those_that_are_found_one_by_one(demand):
    """Runs of one to three sizes, and weights, demand and draws with zeros and equal values."""

    @settings(deadline=None)
    @given(st.integers(0, 2**32))
    def holds(seed):
        rng = np.random.default_rng(seed)
        colorways, lines, blocks, classes = 7, 60, 3, 4
        runs = rng.integers(1, 4, colorways)
        month = SimpleNamespace(
            size_key=np.where(np.arange(3) < runs[:, None], 1 + rng.integers(0, 99), 0),
            wanted_weight=rng.integers(0, 3, (blocks, colorways)).astype(float),
        )
        substitutes = demand.Substitutes(
            colorway=rng.integers(-1, colorways, (colorways, 5)),
            closeness=rng.integers(0, 3, (colorways, 5)) / 2,
            affinity=rng.integers(0, 4, (colorways, classes)).astype(float),
        )
        product = rng.integers(0, colorways, lines)
        takers = demand.Takers(
            product=product,
            size=rng.integers(0, runs[product]),
            block=np.sort(rng.integers(0, blocks, lines)),
            shopper_class=rng.integers(0, classes, lines),
            draw={name: rng.integers(0, 64, lines) / 64 for name in demand.SHORTAGE_DRAWS},
        )
        found = demand.pick_substitutes(month, substitutes, takers, 0.25)
        columns = takers.product, takers.size, takers.block, takers.shopper_class
        for n, taker in enumerate(zip(*columns, strict=True)):
            draw = {name: draws[n] for name, draws in takers.draw.items()}
            expected = naive_substitute(month, substitutes, taker, draw, 0.25)
            assert found[0][n] == expected[0]
            if expected[0] >= 0:
                assert found[1][n] == expected[1]

    holds()


def test_the_last_draw_finds_a_substitute_that_weighs_something(demand):
    """Weights whose sum is rounded, and the last of them are 0."""
    month = SimpleNamespace(size_key=np.ones((5, 1), int), wanted_weight=np.ones((1, 5)))
    substitutes = demand.Substitutes(
        colorway=np.array([[1, 2, 3, 4]]),
        closeness=np.array([[0.1, 0.7, 0.3, 0.4]]),
        affinity=np.array([[1.0], [1.0], [1.0], [1.0], [0.0]]),
    )
    zero, draw = np.zeros(1, int), {"next_size": np.ones(1), "substitute": np.array([1 - 2**-53])}
    takers = demand.Takers(product=zero, size=zero, block=zero, shopper_class=zero, draw=draw)
    assert demand.pick_substitutes(month, substitutes, takers, 0.1)[0].tolist() == [3]


def test_near_substitutes_to_the_taste_are_taken_more_often(demand, shoppers, shape):
    """Of colorway 15 the shares are closeness times affinity, of those that come into question."""
    liked = replace(
        shoppers, affinity=1 + (np.arange(COLORWAYS)[:, None] * 3 + np.arange(CLASSES)) % 4 * 1.0
    )
    group = replace(with_rates(make_group(demand, False), 1.0, 0.0), items_cdf=np.ones(1))
    calm = replace(without_shocks(demand, shape), next_size_share=0.0)
    table = make_table(1, [], demand_weight=np.where(np.arange(COLORWAYS) == 15, 10**8, 10**6))
    lines = generate(demand, liked, calm, False, 1, units=2000.0, group=group, table=table)
    lines = lines[colorway_of(lines) == 15]
    found = (lines["substitute_product_key"].astype(int) - 1) // SIZES
    of_class = liked.affinity[15] / liked.affinity[15].sum()
    weights = liked.affinity[[12, 13, 14, 16, 17, 18]] / np.array([[3, 2, 1, 1, 2, 3]]).T
    expected = (weights / weights.sum(axis=0)) @ of_class
    shares = found.value_counts(normalize=True).sort_index()
    assert shares.index.tolist() == [12, 13, 14, 16, 17, 18]
    assert shares.tolist() == pytest.approx(expected.tolist(), abs=0.015)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=6))
def test_found_nearby_is_what_is_in_the_cart(demand, pairs):
    keys, instead = (list(values) for values in zip(*pairs, strict=True))
    found = demand.found_nearby(np.array(instead), np.array(keys), 6)
    # What a line asks for is no reason to refuse its own substitute: it is never that.
    expected = [
        key in keys[:n] + keys[n + 1 :] or key in instead[:n] for n, key in enumerate(instead)
    ]
    assert found.tolist() == expected


@pytest.mark.parametrize("waits", [[1, 0, 2, 1], [0] * 13 + [1]])
def test_lags_of_waiting_are_those_of_the_seed(demand, shoppers, shape, waits):
    """Lines of a cart come back together."""
    group = replace(
        with_rates(make_group(demand, True), 0.0, 0.8), wait_cdf=demand.cumulative(waits)
    )
    lines = generate(demand, shoppers, shape, units=500.0, group=group)
    lines = lines.dropna(subset="wait_lag_days")
    of_cart = lines.groupby("cart_number")["wait_lag_days"]
    assert (of_cart.nunique() == 1).all()
    shares = of_cart.first().astype(int).value_counts(normalize=True)
    expected = {n + 1: weight / sum(waits) for n, weight in enumerate(waits) if weight}
    assert shares.to_dict() == pytest.approx(expected, abs=0.02)


def test_responses_depend_on_the_location_and_day_alone(demand, shoppers, shape):
    """Not on locations that are computed together, nor on the days that are."""
    group, assortment = with_rates(make_group(demand, True), 0.5, 0.2), mixed_assortment(demand)
    liked = replace(
        shoppers, affinity=1 + (np.arange(COLORWAYS)[:, None] + np.arange(CLASSES)) % 3 * 1.0
    )
    locations = {11: 40.0, 12: 300.0, 99: 0.0}

    def lines_of(keys, first=1, last=30):
        traffic = {key: index for key, index in group.traffic.items() if key % 100 <= last}
        tables = [mixed_table(key, visits=make_visits(key)) for key in keys]
        return demand.generate(
            *(tables, [locations[key] for key in keys], replace(group, traffic=traffic)),
            *(liked, assortment, shape, MONTH * 100 + first),
        ).to_pandas()

    whole = lines_of([11, 12, 99])
    assert set(whole["shortage_response"]) == {"substitute", "wait", "leave"}
    alone = pd.concat([lines_of([key]) for key in locations], ignore_index=True)
    pd.testing.assert_frame_equal(alone, whole, check_exact=True)
    parts = pd.concat([lines_of([11, 12, 99], *days) for days in ((1, 9), (10, 10), (11, 30))])
    by_block = parts.sort_values(["location_key", "cart_line_id"], ignore_index=True)
    pd.testing.assert_frame_equal(by_block, whole, check_exact=True)
