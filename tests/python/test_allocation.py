"""int_allocation against the naive simulator, on random small worlds and on named situations."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive_simulator import replay, to_date, to_key

MODEL = "models/allocation/int_allocation.py"
LOCATION = 3


@pytest.fixture(scope="module")
def allocation(load_model):
    return load_model(MODEL)


def make_calendar(start, days, review_period=5, lead_time=3, offset=0):
    rows = []
    for n in range(days):
        day = start + timedelta(days=n)
        phase = (day.toordinal() + offset) % review_period
        rows.append(
            {
                "date_key": to_key(day),
                "is_review_day": phase == 0,
                "is_receipt_day": phase == lead_time % review_period,
                "is_peak_season": day.month in (11, 12),
                "lead_time_days": lead_time,
            }
        )
    return rows


def make_plan(start, days, products, level=8, opening=5, in_transit=0, failed=()):
    months = sorted({to_key(start + timedelta(days=n)) // 100 for n in range(days)})
    return [
        {
            "month_key": month,
            "product_key": product,
            "order_up_to_level": level,
            "opening_available": opening,
            "opening_in_transit": in_transit,
            "planned_daily_demand": month % 100 / product,
            "reorder_point": month % 100 + product,
            "reorder_quantity": 2 * product,
            "failed_order_days": [to_date(k).day for k in failed if k // 100 == month],
        }
        for month in months
        for product in products
    ]


def make_line(line_id, day, product=1, quantity=1, **changes):
    return {
        "cart_line_id": line_id,
        "cart_number": line_id,
        "product_key": product,
        "date_key": to_key(day),
        "quantity_requested": quantity,
        "is_digital": False,
        "base_abandonment_rate": 0.0,
        "abandonment_draw": 0.99,
        "allocation_draw": line_id / 1e6,
        "return_lag_days": None,
        "restock_delay_days": None,
        "recovery_draw": 0.99,
        "recovery_lag_days": 2,
        "recovery_allocation_draw": 0.5,
        "customer_key": 100 + line_id % 3,
        "channel_key": 1 + line_id % 2,
        "time_key": 1215,
        "promotion_key": line_id % 2,
        "price_cents": 1000 + line_id,
        "discount_cents": 10 * (line_id % 2),
        "device_number": None,
    } | changes


def stream(allocation, plan, adjustments, lines, batch_rows=7):
    """The sorted union that the model builds, cut into small batches."""
    rows = [
        {
            "stream_kind": allocation.PLAN,
            "date_key": row["month_key"] * 100,
            "cart_line_id": row["product_key"],
            "packed": [float(row[name]) for name in allocation.PLAN_FIELDS]
            + [float(day) for day in row["failed_order_days"]],
        }
        for row in plan
    ]
    rows += [
        {
            "stream_kind": allocation.ADJUSTMENT,
            "date_key": row["date_key"] // 100 * 100,
            "cart_line_id": row["date_key"],
            "packed": [float(row[name]) for name in allocation.ADJUSTMENT_FIELDS],
        }
        for row in adjustments
    ]
    rows += [dict(row, stream_kind=allocation.CART_LINE) for row in lines]
    rows.sort(
        key=lambda r: (r["date_key"] // 100, r["stream_kind"], r["date_key"], r["cart_line_id"])
    )
    types = {"packed": pa.list_(pa.float64()), "stream_kind": pa.int32()}
    types |= dict.fromkeys(("location_key", "stream_position"), pa.int32())
    types |= {name: pa.from_numpy_dtype(kind) for name, kind in allocation.LINE_FIELDS.items()}
    types |= dict.fromkeys(allocation.SMALL_FIELDS, pa.int16())
    rows = [
        dict.fromkeys(types) | row | {"location_key": LOCATION, "stream_position": position}
        for position, row in enumerate(rows, start=1)
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(types)).to_batches(batch_rows)


def play(allocation, calendar, plan, adjustments, lines, rules):
    """The model's answer in the naive simulator's form."""
    supply_days = allocation.Calendar(
        first_day=int(allocation.day_numbers(calendar[0]["date_key"])),
        is_review=np.array([day["is_review_day"] for day in calendar]),
        is_receipt=np.array([day["is_receipt_day"] for day in calendar]),
        is_peak=np.array([day["is_peak_season"] for day in calendar]),
        lead_time_days=calendar[0]["lead_time_days"],
    )
    batches = stream(allocation, plan, adjustments, lines)
    emitted = list(allocation.simulate(iter(batches), {LOCATION: supply_days}, rules))
    rows = pa.Table.from_batches(emitted, schema=allocation.OUTPUT_SCHEMA).to_pylist()
    outcomes, carts, snapshots, events = {}, {}, {}, []
    for row in rows:
        record_kind, product = row["record_kind"], row["product_key"]
        assert row["location_key"] == LOCATION
        fields = {name: row[name] for name in ("date_key", *allocation.RECORDS[record_kind])}
        beside = row.keys() - fields - {"record_kind", "location_key", "product_key"}
        assert all(row[name] is None for name in beside)
        if record_kind == allocation.LINE_OUTCOME:
            found, key = outcomes, (fields.pop("cart_line_id"), fields.pop("attempt"))
            fields["product_key"] = product
        elif record_kind == allocation.CART_OUTCOME:
            found, key = carts, (fields.pop("cart_number"), fields.pop("attempt"))
        elif record_kind == allocation.STOCK_DAY:
            found, key = snapshots, (product, fields.pop("date_key"))
            received = fields.pop("last_receipt_date")
            fields["last_receipt_date_key"] = received and to_key(received)
        else:
            events.append((product, *fields.values()))
            continue
        assert key not in found
        found[key] = fields
    return outcomes, carts, snapshots, events


@pytest.fixture(scope="module")
def compare(allocation):
    """Plays a world both ways, asserts that they agree, and returns the naive answer."""

    def run(calendar, plan, lines, adjustments=(), threshold=2, increase=0.25, recovery=0.5):
        rules = allocation.Rules(threshold, increase, recovery)
        arguments = (calendar, plan, list(adjustments), lines, rules)
        expected = replay(*arguments)
        got = play(allocation, *arguments)
        assert got[0] == expected[0]
        assert got[1] == expected[1]
        assert got[2] == expected[2]
        assert sorted(got[3]) == sorted(expected[3])
        return expected

    return run


# A grid of draws makes ties common.
draws = st.integers(0, 7).map(lambda n: n / 8)


@st.composite
def worlds(draw):
    start = date(2025, 10, 1) + timedelta(days=draw(st.integers(0, 80)))
    days = draw(st.integers(1, 45))
    review = draw(st.integers(1, 9))
    lead_time = draw(st.integers(1, review))
    calendar = make_calendar(start, days, review, lead_time, draw(st.integers(0, 8)))
    products = range(1, 1 + draw(st.integers(1, 4)))
    first_receipt = next((n for n, day in enumerate(calendar) if day["is_receipt_day"]), days)
    ordered_before = first_receipt < days and first_receipt < lead_time
    plan = make_plan(start, days, products)
    openings = {
        product: (
            draw(st.integers(0, 6)),
            draw(st.integers(0, 5)) if ordered_before else 0,
        )
        for product in products
    }
    for row in plan:
        row["opening_available"], row["opening_in_transit"] = openings[row["product_key"]]
        row["order_up_to_level"] = draw(st.integers(0, 12))
        row["failed_order_days"] = sorted(draw(st.sets(st.integers(1, 31), max_size=12)))
    adjustments = [
        {
            "date_key": to_key(start + timedelta(days=draw(st.integers(0, days - 1)))),
            "product_key": draw(st.sampled_from(products)),
            "adjusted_quantity": draw(st.integers(1, 3)),
            "is_damage": draw(st.booleans()),
            "write_off_lag_days": draw(st.integers(1, 6)),
        }
        for _ in range(draw(st.integers(0, 5)))
    ]
    # The grain of int_stock_adjustments: one of a kind for a product and day, shrinkage first.
    unique = {(row["date_key"], row["product_key"], row["is_damage"]): row for row in adjustments}
    adjustments = [unique[key] for key in sorted(unique)]
    lines = []
    for cart_number in range(1, 1 + draw(st.integers(0, 25))):
        cart = {
            "cart_number": cart_number,
            "is_digital": draw(st.booleans()),
            "abandonment_draw": draw(draws),
            "recovery_draw": draw(draws),
            "recovery_lag_days": draw(st.integers(1, 7)),
        }
        cart["base_abandonment_rate"] = draw(draws) if cart["is_digital"] else 0.0
        cart["device_number"] = draw(st.integers(1, 3)) if cart["is_digital"] else None
        cart["customer_key"] = draw(st.integers(1, 5))
        cart["channel_key"], cart["time_key"] = 4, 900
        day = start + timedelta(days=draw(st.integers(0, days - 1)))
        for product in draw(st.sets(st.sampled_from(products), min_size=1)):
            comes_back = draw(st.booleans())
            lines.append(
                make_line(
                    len(lines) + 1,
                    day,
                    product,
                    draw(st.integers(1, 3)),
                    allocation_draw=draw(draws),
                    recovery_allocation_draw=draw(draws),
                    return_lag_days=draw(st.integers(1, 9)) if comes_back else None,
                    restock_delay_days=draw(st.integers(1, 3)) if comes_back else None,
                    **cart,
                )
            )
    return {
        "calendar": calendar,
        "plan": plan,
        "lines": lines,
        "adjustments": adjustments,
        "threshold": draw(st.integers(0, 4)),
    }


@settings(max_examples=200, deadline=None)
@given(world=worlds())
def test_random_worlds_agree_line_by_line(compare, world):
    compare(**world)


START = date(2025, 11, 27)


def test_carts_compete_for_the_last_units(compare):
    lines = [
        make_line(1, START, quantity=2, allocation_draw=0.9),
        make_line(2, START, quantity=2, allocation_draw=0.1),
        make_line(3, START, quantity=2, allocation_draw=0.5),
    ]
    calendar, plan = make_calendar(START, 1), make_plan(START, 1, [1], opening=3)
    outcomes, _, snapshots, _ = compare(calendar, plan, lines)
    assert [outcomes[n, 1]["quantity_allocated"] for n in (1, 2, 3)] == [0, 2, 1]
    assert [outcomes[n, 1]["inventory_at_purchase"] for n in (1, 2, 3)] == [0, 3, 1]
    assert snapshots[1, to_key(START)]["stockout_duration_days"] == 1


def test_one_low_item_loses_the_whole_cart(compare):
    plan = make_plan(START, 1, [1, 2], opening=50)
    plan[0]["opening_available"] = 1
    cart = {
        "cart_number": 9,
        "is_digital": True,
        "base_abandonment_rate": 0.6,
        "abandonment_draw": 0.7,
    }
    lines = [make_line(1, START, 1, **cart), make_line(2, START, 2, **cart)]
    lines.append(make_line(3, START, 2, **(cart | {"cart_number": 10})))
    outcomes, _, _, _ = compare(make_calendar(START, 1), plan, lines)
    assert outcomes[1, 1]["is_abandoned"]
    assert outcomes[2, 1]["is_abandoned"]
    assert outcomes[2, 1]["inventory_constrained_items"] == 1
    assert outcomes[3, 1]["quantity_allocated"] == 1


def test_digital_units_are_reserved_and_ship_the_next_day(compare):
    lines = [make_line(1, START, quantity=3, is_digital=True)]
    calendar, plan = make_calendar(START, 2, offset=1), make_plan(START, 2, [1], opening=5)
    _, _, snapshots, _ = compare(calendar, plan, lines)
    first, second = (snapshots[1, to_key(START + timedelta(days=n))] for n in (0, 1))
    assert (first["quantity_available"], first["quantity_reserved"]) == (2, 3)
    assert (second["quantity_available"], second["quantity_reserved"]) == (2, 0)


def test_return_is_back_on_the_shelf_across_a_month_end(compare):
    lines = [make_line(1, START, quantity=2, return_lag_days=3, restock_delay_days=2)]
    plan = make_plan(START, 6, [1], opening=2, level=0)
    _, _, snapshots, _ = compare(make_calendar(START, 6), plan, lines)
    on_shelf = [snapshots[1, to_key(START + timedelta(days=n))] for n in range(6)]
    assert [day["quantity_available"] for day in on_shelf] == [0, 0, 0, 0, 0, 2]
    assert START + timedelta(days=5) == date(2025, 12, 2)


def test_nothing_is_sold_from_an_empty_shelf(compare):
    plan = make_plan(START, 1, [1], opening=0, level=0)
    outcomes, _, _, _ = compare(make_calendar(START, 1), plan, [make_line(1, START)])
    assert outcomes[1, 1]["quantity_allocated"] == 0
    assert outcomes[1, 1]["inventory_at_purchase"] == 0


def test_failed_order_prolongs_the_stockout(compare):
    calendar = make_calendar(START, 14)
    reviews = [day["date_key"] for day in calendar if day["is_review_day"]]
    durations = {}
    for failed in ((), reviews[:1]):
        plan = make_plan(START, 14, [1], opening=0, failed=failed)
        _, _, snapshots, events = compare(calendar, plan, [])
        durations[failed == ()] = max(day["stockout_duration_days"] for day in snapshots.values())
        assert any(event[2] == "failed_order" for event in events) == (failed != ())
    assert durations[False] == durations[True] + 5


@pytest.mark.parametrize(("start", "is_lost"), [(START, True), (date(2025, 10, 10), False)])
def test_capacity_exceeded_only_in_peak_season(compare, start, is_lost):
    cart = {"is_digital": True, "base_abandonment_rate": 0.6, "abandonment_draw": 0.7}
    lines = [make_line(n, start, quantity=3, **cart) for n in (1, 2)]
    plan = make_plan(start, 1, [1], opening=5)
    outcomes, _, _, _ = compare(make_calendar(start, 1), plan, lines)
    assert {outcome["capacity_exceeded_trigger"] for outcome in outcomes.values()} == {is_lost}
    assert {outcome["is_abandoned"] for outcome in outcomes.values()} == {is_lost}


def test_recovery_competes_on_its_own_day(compare):
    cart = {
        "is_digital": True,
        "base_abandonment_rate": 0.6,
        "abandonment_draw": 0.1,
        "recovery_draw": 0.3,
        "recovery_lag_days": 4,
    }
    lines = [make_line(1, START, **cart)]
    plan = make_plan(START, 7, [1], opening=9)
    outcomes, _, _, _ = compare(make_calendar(START, 7), plan, lines)
    again = outcomes[1, 2]
    assert again["date_key"] == 20251201
    assert (again["is_abandoned"], again["quantity_allocated"]) == (False, 1)


def test_unsorted_stream_is_refused(allocation):
    plan = make_plan(START, 10, [1])
    lines = [make_line(1, START), make_line(2, START)]
    batches = stream(allocation, plan, [], lines, batch_rows=1)
    rules = allocation.Rules(2, 0.25, 0.5)
    calendar = make_calendar(START, 10)
    supply_days = allocation.Calendar(
        first_day=int(allocation.day_numbers(calendar[0]["date_key"])),
        is_review=np.array([day["is_review_day"] for day in calendar]),
        is_receipt=np.array([day["is_receipt_day"] for day in calendar]),
        is_peak=np.array([day["is_peak_season"] for day in calendar]),
        lead_time_days=3,
    )
    first, second, third, fourth = batches
    for wrong in (
        batches[::-1],
        [second, first, third, fourth],
        [first, third, second, fourth],
        [first, second, fourth],
        batches[1:],
    ):
        with pytest.raises(ValueError, match="must arrive"):
            list(allocation.simulate(iter(wrong), {LOCATION: supply_days}, rules))


def test_date_keys_and_day_numbers_are_inverse(allocation):
    days = np.arange(10_000, 30_000)
    keys = allocation.date_keys(days)
    expected = [to_key(date(1970, 1, 1) + timedelta(days=int(day))) for day in days[::97]]
    assert keys[::97].tolist() == expected
    assert (allocation.day_numbers(keys) == days).all()
