"""int_allocation against the naive simulator, on random small worlds and on named situations."""

import itertools
import os
from collections import defaultdict
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dbt.adapters.embedded import engines
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive_simulator import replay, to_date, to_key
from pyarrow import parquet

# How many random worlds are played; `make soak` asks for thousands, of other seeds.
SIMULATIONS = int(os.environ.get("STOCKTRUE_SIMULATIONS", "200"))
MODEL = "models/allocation/int_allocation.py"
LOCATION = 3


@pytest.fixture(scope="module")
def allocation(load_model):
    return load_model(MODEL)


def make_calendar(start, days, review_period=5, lead_time=3, offset=0, closed=()):
    """closed: days from the start on which nothing is delivered."""
    closed, rows = {start + timedelta(days=n) for n in closed}, []

    def arrival(ordered_on):
        day = ordered_on + timedelta(days=lead_time)
        while day in closed:
            day += timedelta(days=1)
        return day

    for n in range(days):
        day = start + timedelta(days=n)
        phase = (day.toordinal() + offset) % review_period
        before = [day - timedelta(days=ago) for ago in range(lead_time + len(closed) + 1)]
        reviews = [d for d in before if (d.toordinal() + offset) % review_period == 0]
        rows.append(
            {
                "date_key": to_key(day),
                "is_review_day": phase == 0,
                "is_receipt_day": day in map(arrival, reviews),
                "is_peak_season": day.month in (11, 12),
                "lead_time_days": lead_time,
                "days_since_review": phase,
                "review_period_days": review_period,
                "arrival_date": arrival(day),
            }
        )
    return rows


def make_plan(start, days, products, level=8, opening=5, in_transit=0, failed=()):
    """Of products that have been ranged since ten days before the start."""
    months = sorted({to_key(start + timedelta(days=n)) // 100 for n in range(days)})
    return [
        {
            "month_key": month,
            "product_key": product,
            "ranged_from_date_key": to_key(start - timedelta(days=10)),
            "liquidation_date_key": 99991231,
            "order_up_to_level": level,
            "opening_available": opening if month == months[0] else None,
            "opening_in_transit": in_transit if month == months[0] else None,
            "planned_daily_demand": month % 100 / product,
            "reorder_point": month % 100 + product,
            "reorder_quantity": 2 * product,
            "pack_units": 1,
            "minimum_order_units": 1,
            "last_order_date_key": 99991231,
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
        "price_cents": 1000 + line_id % 1000,
        "discount_cents": 10 * (line_id % 2),
        "device_number": None,
        "shortage_response": "leave",
        "substitute_product_key": None,
        "substitute_price_cents": None,
        "substitute_discount_cents": None,
        "substitute_promotion_key": None,
        "wait_lag_days": None,
    } | changes


def state_rows(allocation, location, answers, closed):
    """What the stream has of a location's state at the end of a day: kind, rows, what sorts them.

    answers: of the naive simulator, which here stand for the tables that hold them.
    """
    _, plan, adjustments, lines = location
    outcomes, carts, snapshots, events = answers
    first_month = min(row["month_key"] for row in plan)
    stock = [
        day | {"product_key": product, "last_receipt_day": day_number(day["last_receipt_date_key"])}
        for (product, date_key), day in snapshots.items()
        if date_key == closed
    ]
    ordered = [
        {"product_key": product, "date_key": date_key, "lag_days": 0, "quantity": quantity}
        for product, date_key, kind, quantity, _ in events
        if kind == "order" and date_key <= closed
    ]
    sold = [
        line
        | {"lag_days": line["return_lag_days"] + line["restock_delay_days"]}
        | {"quantity": line["quantity_allocated"]}
        for line in outcomes.values()
        if line["quantity_allocated"] and line["return_lag_days"] and line["date_key"] <= closed
    ]
    damaged = [
        row | {"lag_days": row["write_off_lag_days"], "quantity": quantity}
        for row in adjustments
        for product, date_key, kind, quantity, _ in events
        if (product, date_key, kind) == (row["product_key"], row["date_key"], "damage")
        and row["is_damage"]
        and date_key <= closed
    ]
    waiting = []
    for line in lines:
        for attempt in (1, 2):
            played = outcomes.get((line["cart_line_id"], attempt))
            if played is None or played["date_key"] > closed:
                continue
            cart = carts[line["cart_number"], attempt]
            lag = line["recovery_lag_days"] if cart["is_recovery_due"] else played["wait_lag_days"]
            due_day = day_number(played["date_key"]) + (lag or 0)
            if due_day > day_number(closed):
                is_left = cart["is_recovery_due"]
                missing = played["quantity_requested"] - played["quantity_allocated"]
                again = {"attempt": 2 if is_left else 4, "first_attempt": 2 if is_left else attempt}
                waiting.append(line | again | {"due_day": due_day, "units": missing})
    opening = [row for row in plan if row["month_key"] == first_month and row["opening_in_transit"]]
    return (
        (allocation.STOCK, stock, position_order),
        (allocation.OPENING_ORDER, opening, position_order),
        (allocation.DUE_ORDER, ordered, position_order),
        (allocation.DUE_RETURN, sold, position_order),
        (allocation.DUE_WRITE_OFF, damaged, position_order),
        (allocation.WAITING_LINE, waiting, lambda row: row["cart_line_id"]),
    )


def day_number(date_key):
    return (to_date(date_key) - date(1970, 1, 1)).days if date_key else -1


def stream_table(allocation, locations, location_batches=1, closed=None, answers=None):
    """The sorted union that the model builds.

    locations: dict of location_key -> (calendar, plan, adjustments, lines). closed: the last day
    before those to be played, whose state the answers of the naive simulator tell, by location.
    """
    rows = []
    for location_key, (calendar, plan, adjustments, lines) in locations.items():
        rows_of = [
            (allocation.PLAN, plan, position_order),
            (allocation.ADJUSTMENT, adjustments, lambda row: row["date_key"]),
            (allocation.CART_LINE, lines, lambda row: row["cart_line_id"]),
        ]
        if closed:
            months = {day["date_key"] // 100 for day in calendar if day["date_key"] > closed}
            rows_of = [
                (kind, [row for row in kind_rows if is_of(row, months, closed)], order)
                for kind, kind_rows, order in rows_of
            ]
            rows_of += state_rows(
                allocation, locations[location_key], answers[location_key], closed
            )
        for kind, kind_rows, order in rows_of:
            for row in kind_rows:
                row = row | {"stream_kind": kind, "location_key": location_key}
                row["location_batch"] = location_key % location_batches
                rows.append(row | {"cart_line_id": order(row)})
    for row in rows:
        pack(allocation, row)
    rows.sort(
        key=lambda row: (
            row["location_batch"],
            row["date_key"] // 100,
            row["stream_kind"],
            row["cart_line_id"],
        )
    )
    positions = defaultdict(itertools.count)
    for row in rows:
        row["stream_position"] = next(positions[row["location_batch"]]) + 1
    types = {"packed": pa.list_(pa.float64()), "stream_kind": pa.int32()}
    types |= dict.fromkeys(("location_key", "location_batch", "stream_position"), pa.int32())
    fields = {*types, "date_key", "cart_line_id"}
    types |= {name: pa.from_numpy_dtype(kind) for name, kind in allocation.LINE_FIELDS.items()}
    types |= dict.fromkeys(allocation.SMALL_FIELDS, pa.int16())
    rows = [
        {name: row.get(name) for name in (types if is_line(allocation, row) else fields)}
        for row in rows
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(types))


def is_line(allocation, row):
    return row["stream_kind"] in (allocation.WAITING_LINE, allocation.CART_LINE)


def is_of(row, months, closed):
    """Whether a row is of the days after one, or of a month of theirs."""
    return row["month_key"] in months if "month_key" in row else row["date_key"] > closed


def pack(allocation, row):
    """Give a row of the stream its packed column and the day of its month."""
    kind, row["packed"] = row["stream_kind"], None
    if fields := allocation.PACKED_FIELDS.get(kind):
        values = [row[name] for name in fields]
        row["packed"] = [None if value is None else float(value) for value in values]
    if kind == allocation.PLAN:
        row["date_key"] = row["month_key"] * 100
        row["packed"] += [float(day) for day in row["failed_order_days"]]
    elif kind == allocation.ADJUSTMENT:
        row["date_key"] = row["date_key"] // 100 * 100
    elif row["packed"] and kind != allocation.WAITING_LINE:
        row["date_key"] = 0


def stream(allocation, locations, location_batches=1, batch_rows=7, **state):
    """Small batches of it (see stream_table)."""
    return stream_table(allocation, locations, location_batches, **state).to_batches(batch_rows)


def position_order(row):
    return row["location_key"] << 32 | row["product_key"]


def calendar_of(allocation, locations):
    days = [
        day | {"location_key": location_key}
        for location_key, (calendar, _, _, _) in locations.items()
        for day in calendar
    ]
    return allocation.calendar_from_rows(pd.DataFrame(days))


def play(allocation, locations, rules, location_batches=1, closed=None, answers=None):
    """The model's answers by location in the naive simulator's form; see stream for the others."""
    batches = stream(allocation, locations, location_batches, closed=closed, answers=answers)
    calendar = calendar_of(allocation, locations)
    closed_day = day_number(closed) if closed else None
    emitted = list(allocation.simulate(iter(batches), calendar, rules, closed_day))
    rows = pa.Table.from_batches(emitted, schema=allocation.OUTPUT_SCHEMA).to_pylist()
    answers = {location_key: ({}, {}, {}, []) for location_key in locations}
    for row in rows:
        record_kind, product = row["record_kind"], row["product_key"]
        outcomes, carts, snapshots, events = answers[row["location_key"]]
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
    return answers


@pytest.fixture(scope="module")
def compare_locations(allocation):
    """Plays locations both ways, asserts that they agree, and returns the naive answers."""

    def run(locations, location_batches=1, threshold=2, increase=0.25, recovery=0.5):
        rules = allocation.Rules(threshold, increase, recovery)
        got = play(allocation, locations, rules, location_batches)
        answers = {}
        for location_key, arguments in locations.items():
            answers[location_key] = expected = replay(*arguments, rules)
            assert got[location_key][:3] == expected[:3]
            assert sorted(got[location_key][3]) == sorted(expected[3])
        return answers

    return run


@pytest.fixture(scope="module")
def compare(compare_locations):
    """Does the same with one location."""

    def run(calendar, plan, lines, adjustments=(), **settings):
        location = (calendar, plan, list(adjustments), lines)
        return compare_locations({LOCATION: location}, **settings)[LOCATION]

    return run


# A grid of draws makes ties common.
draws = st.integers(0, 7).map(lambda n: n / 8)
RESPONSES = ("substitute", "wait", "leave")


def drawn_lines(draw, location_key, start, days, launched, most_carts):
    """Lines of a location; launched: day of each product from which it may be wanted."""
    lines = []
    # Often on a few days, so that they compete.
    first_day = draw(st.just(0) | st.integers(0, days - 1))
    last_day = min(first_day + draw(st.integers(0, 2) | st.just(days)), days - 1)
    for cart in range(draw(st.integers(0, most_carts))):
        day = start + timedelta(days=draw(st.integers(first_day, last_day)))
        # As in int_cart_lines, numbers begin with the day and the location.
        block = (to_key(day) * 10 + location_key) * 1000
        cart = {
            "cart_number": block + cart,
            "is_digital": draw(st.booleans()),
            "abandonment_draw": draw(draws),
            "recovery_draw": draw(draws),
            "recovery_lag_days": draw(st.integers(1, 7)),
        }
        wait_lag_days = draw(st.integers(1, 14))
        usual = draw(st.sampled_from(RESPONSES))
        cart["base_abandonment_rate"] = draw(draws) if cart["is_digital"] else 0.0
        cart["device_number"] = draw(st.integers(1, 3)) if cart["is_digital"] else None
        cart["customer_key"] = draw(st.integers(1, 5))
        cart["channel_key"], cart["time_key"] = 4, draw(st.sampled_from([900, 1200, 1215]))
        on_shelf = [p for p, from_day in launched.items() if from_day <= day]
        for product in draw(st.sets(st.sampled_from(on_shelf), min_size=1)) if on_shelf else ():
            comes_back = draw(st.booleans())
            response = draw(st.just(usual) | st.sampled_from(RESPONSES))
            others = sorted(launched.keys() - {product})
            if response == "substitute" and others:
                chosen = {
                    "substitute_product_key": draw(st.sampled_from(others)),
                    "substitute_price_cents": draw(st.integers(500, 900)),
                    "substitute_discount_cents": draw(st.integers(0, 90)),
                    "substitute_promotion_key": draw(st.integers(0, 3)),
                }
            elif response == "wait":
                chosen = {"wait_lag_days": wait_lag_days}
            else:
                response, chosen = "leave", {}
            lines.append(
                make_line(
                    block + len(lines) + 1,
                    day,
                    product,
                    draw(st.integers(1, 3)),
                    allocation_draw=draw(draws),
                    recovery_allocation_draw=draw(draws),
                    return_lag_days=draw(st.integers(1, 9)) if comes_back else None,
                    restock_delay_days=draw(st.integers(1, 3)) if comes_back else None,
                    shortage_response=response,
                    **chosen,
                    **cart,
                )
            )
    return lines


@st.composite
def location_worlds(draw, location_key, start, days, most_carts):
    """Calendar, plan, adjustments and lines of a location."""
    review = draw(st.integers(1, 9))
    lead_time = draw(st.integers(1, review))
    closed = draw(st.sets(st.integers(-2, days + 9), max_size=3))
    calendar = make_calendar(start, days, review, lead_time, draw(st.integers(0, 8)), closed)
    products = sorted(draw(st.sets(st.integers(1, 5), min_size=1, max_size=4)))
    first_receipt = next((n for n, day in enumerate(calendar) if day["is_receipt_day"]), days)
    openings, packs = {}, {}
    for product in products:
        # Some are launched in these days, some on the shelf or ordered before, some never here.
        ranged_after = draw(st.just(-10) | st.integers(-2, days + lead_time + 2))
        while ranged_after in closed:
            ranged_after -= 1
        available = draw(st.integers(0, 6)) if ranged_after < 0 else 0
        first_due = first_receipt if ranged_after < 0 else ranged_after
        # Some are liquidated in these days.
        earliest = max(ranged_after + 1, 0)
        liquidated_after = draw(st.none() | st.integers(earliest, earliest + days + 9))
        in_transit = draw(st.integers(0, 5)) if first_due < lead_time else 0
        packs[product] = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        openings[product] = ranged_after, available, in_transit, liquidated_after
    plan = make_plan(start, days, products)
    for row in plan:
        ranged_after, available, in_transit, liquidated_after = openings[row["product_key"]]
        if liquidated_after is not None:
            row["last_order_date_key"] = to_key(start + timedelta(days=liquidated_after - 5))
            row["liquidation_date_key"] = to_key(start + timedelta(days=liquidated_after))
        row["ranged_from_date_key"] = to_key(start + timedelta(days=ranged_after))
        if row["month_key"] == to_key(start) // 100:
            row["opening_available"], row["opening_in_transit"] = available, in_transit
        row["order_up_to_level"] = draw(st.integers(0, 12))
        row["pack_units"], minimum_packs = packs[row["product_key"]]
        row["minimum_order_units"] = row["pack_units"] * minimum_packs
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
    # One of a kind for a product and day, shrinkage first, as in int_stock_adjustments.
    unique = {(row["date_key"], row["product_key"], row["is_damage"]): row for row in adjustments}
    # What is damaged is written off by the day of the liquidation at the latest.
    liquidated = {row["product_key"]: row["liquidation_date_key"] for row in plan}
    unique = {
        key: row
        for key, row in unique.items()
        if to_key(to_date(row["date_key"]) + timedelta(days=row["write_off_lag_days"]))
        <= liquidated[row["product_key"]]
    }
    adjustments = [unique[key] for key in sorted(unique)]
    launched = {p: start + timedelta(days=opening[0]) for p, opening in openings.items()}
    lines = drawn_lines(draw, location_key, start, days, launched, most_carts)
    return calendar, plan, adjustments, lines


@st.composite
def worlds(draw):
    start = date(2025, 10, 1) + timedelta(days=draw(st.integers(0, 80)))
    days = draw(st.integers(1, 45))
    location_keys = sorted(draw(st.sets(st.integers(1, 9), min_size=1, max_size=3)))
    most_carts = 25 // len(location_keys)
    return {
        "locations": {
            key: draw(location_worlds(key, start, days, most_carts)) for key in location_keys
        },
        "location_batches": draw(st.integers(1, 3)),
        "threshold": draw(st.integers(0, 4)),
    }


@settings(max_examples=SIMULATIONS, deadline=None)
@given(world=worlds())
def test_random_worlds_agree_line_by_line(compare_locations, world):
    compare_locations(**world)


def later(answers, closed):
    """What of a location's answers is of days after one."""
    *by_key, events = answers
    snapshots = {key: day for key, day in by_key[2].items() if key[1] > closed}
    outcomes, carts = (
        {key: row for key, row in rows.items() if row["date_key"] > closed} for rows in by_key[:2]
    )
    return outcomes, carts, snapshots, sorted(event for event in events if event[1] > closed)


def contents(simulator):
    """What a simulator goes on with, in a form that can be compared."""
    agendas = ("due_orders", "due_returns", "due_write_offs", "due_lines")
    due = {name: due_by_day(getattr(simulator, name)) for name in agendas}
    names = ("available", "damaged", "in_transit", "stockout_days", "last_receipt")
    stock = {name: getattr(simulator, name).tolist() for name in names}
    waiting = simulator.waiting_lines
    return due, stock, simulator.day, [] if waiting is None else waiting.to_pylist()


def due_by_day(agenda):
    """Sorted rows for each day, those of no units left out: they change nothing."""
    found = defaultdict(list)
    for day, parts in agenda.parts.items():
        rows = [row for part in parts for row in zip(*(c.tolist() for c in part), strict=True)]
        if rows := sorted(row for row in rows if row[1]):
            found[day] = rows
    return found


@settings(max_examples=max(SIMULATIONS // 4, 1), deadline=None)
@given(world=worlds(), days_closed=st.integers(1, 44))
def test_appended_days_are_those_of_one_run(allocation, world, days_closed):
    """Whatever the last day before them is, also in the middle of a month."""
    locations, rules = world["locations"], allocation.Rules(world["threshold"], 0.25, 0.5)
    calendar = next(iter(locations.values()))[0]
    assume(days_closed < len(calendar))
    closed = calendar[days_closed - 1]["date_key"]
    answers = {key: replay(*location, rules) for key, location in locations.items()}
    got = play(allocation, locations, rules, world["location_batches"], closed, answers)
    for key, expected in answers.items():
        assert (*got[key][:3], sorted(got[key][3])) == later(expected, closed)


@settings(max_examples=30, deadline=None)
@given(world=worlds())
def test_state_read_back_is_that_at_the_end_of_a_run(allocation, world):
    locations, rules = world["locations"], allocation.Rules(world["threshold"], 0.25, 0.5)
    calendar = calendar_of(allocation, locations)
    played = []

    class Recorded(allocation.Simulator):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            played.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allocation, "Simulator", Recorded)
        list(allocation.simulate(iter(stream(allocation, locations)), calendar, rules))
    (run,) = played
    answers = {key: replay(*location, rules) for key, location in locations.items()}
    closed = max(day["date_key"] for days, *_ in locations.values() for day in days)
    rows = allocation.by_kind(stream_table(allocation, locations, closed=closed, answers=answers))
    state = allocation.state_from_rows(rows, calendar, day_number(closed))
    assert contents(allocation.Simulator(run.plan, calendar, rules, state)) == contents(run)


class TablesOfSail:
    """What a Python model gets from dbt: tables of locations, as files that the engine reads."""

    def __init__(self, session, folder, rules):
        self.session, self.folder = session, folder
        self.this, self.is_incremental = "allocated", True
        self.config = {
            "low_inventory_threshold": rules.low_inventory_threshold,
            "cart_abandonment_increase": rules.cart_abandonment_increase,
            "cart_recovery_rate": rules.cart_recovery_rate,
            "return_delay_days": [1, 3],
        }

    def write(self, name, table):
        parquet.write_table(table, self.folder / f"{name}.parquet")

    def ref(self, name):
        return self.session.read.parquet(str(self.folder / f"{name}.parquet"))

    def close(self, date_key, allocated):
        """Let the days after one be those to be played, where these rows are there already."""
        days = {"closed_date": pa.array([to_date(date_key)], pa.date32())}
        self.write("int_simulated_days", pa.table(days))
        self.write(self.this, allocated)
        self.ref(self.this).createOrReplaceTempView(self.this)


def write_inputs(allocation, tables, locations):
    """Write the tables of locations, none of which is as in a first build."""
    names = ("int_supply_calendar", "int_replenishment_plan", "int_stock_adjustments")
    rows = {name: [] for name in (*names, "int_cart_lines")}
    for location_key, location in locations.items():
        for name, own_rows in zip(rows, location, strict=True):
            rows[name] += [row | {"location_key": location_key} for row in own_rows]
    for line in rows["int_cart_lines"]:
        line["unit_price"] = line["price_cents"] / 100
        line["discount_amount"] = line["discount_cents"] / 100
        if line["substitute_product_key"]:
            line["substitute_unit_price"] = line["substitute_price_cents"] / 100
            line["substitute_discount_amount"] = line["substitute_discount_cents"] / 100
    fields = allocation.PLAN_FIELDS | allocation.ADJUSTMENT_FIELDS | allocation.LINE_FIELDS
    types = {name: pa.from_numpy_dtype(kind) for name, kind in fields.items()}
    types |= {"month_key": pa.int32(), "failed_order_days": pa.list_(pa.int32())}
    money = ("unit_price", "discount_amount")
    money += tuple(f"substitute_{name}" for name in money)
    types |= dict.fromkeys(money, pa.float64())
    days = ("is_review_day", "is_receipt_day", "is_peak_season")
    lengths = ("lead_time_days", "days_since_review", "review_period_days")
    types |= dict.fromkeys(lengths, pa.int32()) | dict.fromkeys(days, pa.bool_())
    types |= {"arrival_date": pa.date32()}
    columns = (
        ("date_key", *lengths, "arrival_date", *days),
        (*allocation.PLAN_FIELDS, "month_key", "failed_order_days"),
        tuple(allocation.ADJUSTMENT_FIELDS),
        (*allocation.LINE_FIELDS, *money),
    )
    for name, of_table in zip(rows, columns, strict=True):
        schema = {"location_key": pa.int32()} | {column: types[column] for column in of_table}
        tables.write(name, pa.Table.from_pylist(rows[name], pa.schema(schema)))
    # The longest that are drawn.
    tables.write("int_longest_return", pa.table({"longest_return_days": [9]}))
    tables.write("supply_schedule", pa.table({"write_off_lag_days": [6, 1]}))
    tables.write("int_simulated_days", pa.table({"closed_date": pa.nulls(1, pa.date32())}))


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


def test_lines_are_served_in_order_of_the_time_of_day(compare):
    """A cart that came back takes part with its own time; draws decide within a quarter hour."""
    lost = {"is_digital": True, "base_abandonment_rate": 0.6, "abandonment_draw": 0.1}
    lost |= {"recovery_draw": 0.3, "recovery_lag_days": 1, "recovery_allocation_draw": 0.9}
    next_day = START + timedelta(days=1)
    lines = [
        make_line(1, START, time_key=1130, **lost),
        make_line(2, next_day, time_key=2345, allocation_draw=0.1),
        make_line(3, next_day, time_key=900, allocation_draw=0.8),
        make_line(4, next_day, time_key=1130, allocation_draw=0.2),
        make_line(5, next_day, time_key=1145, allocation_draw=0.0),
    ]
    plan = make_plan(START, 2, [1], opening=4, level=0)
    outcomes, _, _, _ = compare(make_calendar(START, 2), plan, lines)
    served = [outcomes[key] for key in ((3, 1), (4, 1), (1, 2), (5, 1), (2, 1))]
    assert [line["inventory_at_purchase"] for line in served] == [4, 3, 2, 1, 0]
    assert outcomes[1, 2]["time_key"] == 1130


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


def test_peak_season_is_that_of_the_location(compare_locations):
    """Of two that are played together one is in its peak season."""
    locations = {
        key: (make_calendar(START, 1), make_plan(START, 1, [1], opening=5), [], lines)
        for key, lines in (
            (2, [make_line(n, START, quantity=3) for n in (1, 2)]),
            (5, [make_line(n, START, quantity=3) for n in (3, 4)]),
        )
    }
    locations[5][0][0]["is_peak_season"] = False
    answers = compare_locations(locations)
    exceeded = {
        key: {cart["capacity_exceeded_trigger"] for cart in carts.values()}
        for key, (_, carts, _, _) in answers.items()
    }
    assert exceeded == {2: {True}, 5: {False}}


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


@pytest.mark.parametrize(("opening", "is_back"), [(1, False), (9, True)])
def test_no_cart_comes_back_where_low_stock_keeps_more_away_than_come(compare, opening, is_back):
    """Low stock takes 25 points off a recovery rate of 10%: not even the least draw comes back."""
    cart = {"is_digital": True, "base_abandonment_rate": 0.6, "abandonment_draw": 0.1}
    cart |= {"recovery_draw": 0.0}
    plan = make_plan(START, 4, [1], opening=opening, level=0)
    lines = [make_line(1, START, **cart)]
    _, carts, _, _ = compare(make_calendar(START, 4), plan, lines, recovery=0.1)
    assert carts[1, 1]["is_recovery_due"] == is_back
    assert ((1, 2) in carts) == is_back


def test_returns_of_a_product_due_on_one_day_all_come_back(compare):
    after = [
        {"return_lag_days": wait - 2, "restock_delay_days": 2, "quantity": 2} for wait in (5, 5, 4)
    ]
    lines = [make_line(n, START, **after[n - 1]) for n in (1, 2)]
    lines.append(make_line(3, START + timedelta(days=1), **after[2]))
    plan = make_plan(START, 6, [1], opening=6, level=0)
    _, _, snapshots, _ = compare(make_calendar(START, 6), plan, lines)
    assert snapshots[1, to_key(START + timedelta(days=4))]["quantity_available"] == 0
    assert snapshots[1, to_key(START + timedelta(days=5))]["quantity_available"] == 6


SUBSTITUTE = {
    "shortage_response": "substitute",
    "substitute_product_key": 2,
    "substitute_price_cents": 700,
    "substitute_discount_cents": 70,
    "substitute_promotion_key": 3,
}
WAITS = {"shortage_response": "wait", "wait_lag_days": 3}


def test_substitutes_are_what_nobody_chose_first_in_order_of_time(compare):
    """Two units of the second product are left by who chose it; the earlier shopper has them."""
    lines = [
        make_line(1, START, 1, 2, time_key=1600, **SUBSTITUTE),
        make_line(2, START, 1, 3, time_key=900, **SUBSTITUTE),
        make_line(3, START, 2, 1, time_key=2000),
    ]
    plan = make_plan(START, 1, [1, 2], opening=3, level=0)
    outcomes, carts, _, _ = compare(make_calendar(START, 1), plan, lines)
    # All three of the first product go to the earlier shopper.
    assert (1, 2) not in outcomes
    assert outcomes[1, 1]["quantity_allocated"] == 0
    assert outcomes[1, 1]["substitute_product_key"] == 2
    assert outcomes[1, 1]["quantity_substituted"] == 2
    substitute = outcomes[1, 3]
    assert substitute["product_key"] == 2
    assert (substitute["inventory_at_purchase"], substitute["quantity_allocated"]) == (2, 2)
    assert (substitute["price_cents"], substitute["promotion_key"]) == (700, 3)
    # The cart asks for two units, and for two more instead of them.
    assert (carts[1, 1]["items_count"], carts[1, 1]["units_requested"]) == (2, 4)
    assert carts[1, 1]["units_allocated"] == 2
    assert carts[1, 1]["order_cents"] == 2 * (700 - 70)


def test_a_substitute_that_is_out_too_ends_it(compare):
    lines = [make_line(1, START, 1, 1, **SUBSTITUTE), make_line(2, START, 2, 1)]
    plan = make_plan(START, 5, [1, 2], opening=0, level=0)
    outcomes, carts, _, _ = compare(make_calendar(START, 5), plan, lines)
    assert outcomes[1, 3]["quantity_allocated"] == 0
    assert (carts[1, 1]["items_count"], carts[1, 1]["units_requested"]) == (1, 1)
    assert set(outcomes) == {(1, 1), (1, 3), (2, 1)}


@pytest.mark.parametrize(("lag", "finds"), [(3, 0), (5, 2)])
def test_who_waits_asks_again_once_and_finds_what_came(compare, lag, finds):
    """A delivery comes on the fifth day; who comes before finds nothing and has no cart."""
    line = make_line(1, START, 1, 3, **WAITS | {"wait_lag_days": lag})
    plan = make_plan(START, 9, [1], opening=1, level=0, in_transit=2)
    calendar = make_calendar(START, 9, 5, 4, -START.toordinal())
    assert [day["is_receipt_day"] for day in calendar].index(True) == 4
    outcomes, carts, _, _ = compare(calendar, plan, [line])
    assert outcomes[1, 1]["wait_lag_days"] == lag
    again = outcomes[1, 4]
    assert again["date_key"] == to_key(START + timedelta(days=lag))
    assert (again["quantity_requested"], again["quantity_allocated"]) == (2, finds)
    assert ((1, 4) in carts) == bool(finds)
    if finds:
        assert (carts[1, 4]["units_requested"], carts[1, 4]["units_allocated"]) == (2, 2)
    assert (1, 3) not in outcomes


def test_a_cart_that_was_left_may_come_back_short_and_wait(compare):
    """Its wait begins on the day on which it came back; the visit tells which attempt it was."""
    cart = {"is_digital": True, "base_abandonment_rate": 0.6, "abandonment_draw": 0.1}
    cart |= {"recovery_draw": 0.0, "recovery_lag_days": 2}
    plan = make_plan(START, 9, [1], opening=0, level=0, in_transit=2)
    line = make_line(1, START, 1, **cart, **WAITS)
    calendar = make_calendar(START, 9, 5, 4, -START.toordinal())
    outcomes, carts, _, _ = compare(calendar, plan, [line], threshold=0)
    assert outcomes[1, 1]["wait_lag_days"] is None
    assert outcomes[1, 2]["wait_lag_days"] == 3
    assert (outcomes[1, 4]["first_attempt"], outcomes[1, 4]["quantity_allocated"]) == (2, 1)
    assert outcomes[1, 4]["date_key"] == to_key(START + timedelta(days=5))
    assert not carts[1, 4]["is_abandoned"]


def test_nobody_is_served_more_than_was_wanted(allocation):
    """First, by a substitute or later: all from what was wanted, and each from a shelf."""

    @settings(max_examples=60, deadline=None)
    @given(world=worlds())
    def check(world):
        rules = allocation.Rules(world["threshold"], 0.25, 0.5)
        wanted = {}
        for location in world["locations"].values():
            wanted |= {line["cart_line_id"]: line for line in location[3]}
        for outcomes, *_ in play(allocation, world["locations"], rules).values():
            got = defaultdict(int)
            for (line, attempt), outcome in outcomes.items():
                got[line] += outcome["quantity_allocated"]
                left = outcome["inventory_at_purchase"]
                assert outcome["quantity_allocated"] <= (left or 0)
                if attempt == 3:
                    assert outcome["product_key"] == wanted[line]["substitute_product_key"]
                    first = outcomes[line, outcome["first_attempt"]]
                    assert first["quantity_substituted"] == outcome["quantity_allocated"]
                    assert first["inventory_at_purchase"] <= first["quantity_allocated"]
            assert all(units <= wanted[line]["quantity_requested"] for line, units in got.items())

    check()


def shops(days=40):
    """Two locations with other products, calendars and lead times; some months without lines."""
    lost = {
        "is_digital": True,
        "base_abandonment_rate": 0.6,
        "abandonment_draw": 0.1,
        "recovery_draw": 0.3,
        "recovery_lag_days": 6,
    }
    december = START + timedelta(days=20)
    return {
        2: (
            make_calendar(START, days, review_period=4, lead_time=2),
            make_plan(START, days, [1, 4], opening=3),
            [],
            # The second cart comes back in a month without other lines here.
            [make_line(1, START, 4, 2), make_line(3, START, 1, **lost)],
        ),
        5: (
            make_calendar(START, days, review_period=7, lead_time=3, offset=1),
            make_plan(START, days, [2, 4, 7], opening=6, failed=[20251204]),
            [],
            [make_line(5, december, 4, 3), make_line(6, december, 7, 9)],
        ),
    }


def test_locations_played_together_are_as_alone(allocation, compare_locations):
    locations = shops()
    expected = compare_locations(locations)
    assert {key[1] for key in expected[2][1]} == {1, 2}
    for location_key, location in locations.items():
        alone = compare_locations({location_key: location})
        assert alone[location_key] == expected[location_key]
    assert compare_locations(locations, location_batches=2) == expected


def test_rows_leave_in_batches_of_a_fixed_size(allocation, compare_locations, monkeypatch):
    monkeypatch.setattr(allocation, "BATCH_ROWS", 8)
    locations = shops()
    for location_key, (_, _, _, lines) in locations.items():
        lines += [make_line(n - 10 * location_key, START, 4) for n in range(10)]
    compare_locations(locations)
    batches = stream(allocation, locations)
    calendar, rules = calendar_of(allocation, locations), allocation.Rules(2, 0.25, 0.5)
    emitted = list(allocation.simulate(iter(batches), calendar, rules))
    assert max(batch.num_rows for batch in emitted) == 8
    in_full_batches = {batch["record_kind"][0].as_py() for batch in emitted if batch.num_rows == 8}
    assert in_full_batches == set(allocation.RECORDS)


@pytest.mark.parametrize(
    ("positions", "locations", "batches"),
    [(0, 5, 1), (300, 5, 1), (100_000, 50, 5), (100_001, 50, 6), (130_000, 13, 7), (10**8, 9, 9)],
)
def test_batches_are_of_whole_locations(allocation, monkeypatch, positions, locations, batches):
    monkeypatch.setattr(allocation, "POSITIONS_IN_BATCH", 20_000)
    assert allocation.count_batches(positions, locations, days=7) == batches


@pytest.mark.parametrize(("days", "batches"), [(1, 2), (6, 2), (7, 9)])
def test_more_locations_are_played_together_on_few_days(allocation, days, batches):
    assert allocation.count_batches(100_000, 50, days) == batches


def test_positions_that_change_between_months_are_refused(allocation):
    location = shops()[2]
    plan = [row for row in location[1] if (row["month_key"], row["product_key"]) != (202512, 4)]
    with pytest.raises(ValueError, match="same locations and products"):
        play(allocation, {2: (location[0], plan, [], [])}, allocation.Rules(2, 0.25, 0.5))


def test_what_is_left_of_a_product_is_liquidated(compare):
    """With what comes later: an order and a return. The eve is the last day that is listed."""
    liquidated = START + timedelta(days=6)
    plan = make_plan(START, 12, [1, 2], level=9, opening=7)
    for row in plan:
        if row["product_key"] == 1:
            row["liquidation_date_key"] = to_key(liquidated)
    offset = -(START.toordinal() + 4) % 5
    calendar = make_calendar(START, 12, lead_time=3, offset=offset)
    assert [n for n, day in enumerate(calendar) if day["is_review_day"]] == [4, 9]
    sold = {"return_lag_days": 7, "restock_delay_days": 2}
    damage = {"product_key": 1, "adjusted_quantity": 1, "is_damage": True}
    damage |= {"date_key": to_key(START), "write_off_lag_days": 6}
    _, _, snapshots, events = compare(calendar, plan, [make_line(1, START, **sold)], [damage])
    listed = [date_key for product, date_key in snapshots if product == 1]
    assert max(listed) == to_key(liquidated - timedelta(days=1))
    assert len(listed) == 6
    left = [
        (date_key, quantity)
        for p, date_key, kind, quantity, _ in events
        if (p, kind) == (1, "liquidation")
    ]
    assert left == [(20251203, 5), (20251204, 4), (20251206, 1)]
    assert (1, 20251203, "write_off", 1, 20251127) in events
    assert not [event for event in events if event[0] == 2 and event[2] == "liquidation"]
    assert max(date_key for p, date_key, kind, *_ in events if (p, kind) == (1, "order")) < to_key(
        liquidated
    )


def test_launch_delivery_is_ordered_in_time_and_opens_the_shelf(compare):
    """A product comes in December: nothing of it is listed, reviewed or damaged before."""
    days, launch = 20, date(2025, 12, 9)
    calendar = make_calendar(START, days, 6, 4, offset=(4 - launch.toordinal()) % 6)
    plan = make_plan(START, days, [1], level=6, opening=9)
    plan += [
        row | {"ranged_from_date_key": to_key(launch)}
        for row in make_plan(START, days, [2], level=6, opening=0)
    ]
    adjustment = {"product_key": 2, "adjusted_quantity": 1, "is_damage": False}
    adjustment |= {"date_key": to_key(START), "write_off_lag_days": 1}
    lines = [make_line(1, START, 1), make_line(2, launch, 2, 4)]
    _, _, snapshots, events = compare(calendar, plan, lines, [adjustment])
    listed = sorted(date_key for product, date_key in snapshots if product == 2)
    assert listed[0] == to_key(launch)
    assert len(listed) == (START + timedelta(days=days) - launch).days
    assert (2, 20251205, "order", 6, 20251205) in events
    assert (2, 20251209, "receipt", 6, 20251205) in events
    assert snapshots[2, to_key(launch)]["quantity_available"] == 2


def test_launch_delivery_that_was_ordered_before_the_first_day_is_in_transit(compare):
    plan = make_plan(START, 9, [1, 2], opening=0, in_transit=5)
    plan = [row | {"ranged_from_date_key": 20251129 - row["product_key"]} for row in plan]
    _, _, snapshots, events = compare(make_calendar(START, 9, 9, 4), plan, [])
    assert (1, 20251128, "receipt", 5, 20251124) in events
    assert (2, 20251127, "receipt", 5, 20251123) in events
    assert min(date_key for _, date_key in snapshots) == 20251127
    assert snapshots[1, 20251128]["quantity_available"] == 5


def test_nothing_arrives_without_a_receipt_day(compare):
    """What was ordered before the first day is still on its way on the last one."""
    calendar = make_calendar(START, 3, review_period=9, lead_time=7, offset=3)
    assert not any(day["is_receipt_day"] for day in calendar)
    plan = make_plan(START, 3, [1], opening=0, in_transit=4, level=0)
    _, _, snapshots, events = compare(calendar, plan, [])
    assert events == []
    assert snapshots[1, to_key(START)]["quantity_in_transit"] == 4


def test_unsorted_stream_is_refused(allocation):
    lines = [make_line(1, START), make_line(2, START)]
    locations = {
        key: (make_calendar(START, 10), make_plan(START, 10, [1]), [], lines) for key in (1, 2)
    }
    batches = stream(allocation, locations, location_batches=2, batch_rows=1)
    calendar, rules = calendar_of(allocation, locations), allocation.Rules(2, 0.25, 0.5)
    first, second, third, fourth, *others = batches
    for wrong in (
        batches[::-1],
        [second, first, third, fourth],
        [first, third, second, fourth],
        [first, second, fourth],
        batches[1:],
        [first, second, third, *others, fourth],
        [first, second, third, fourth, *others[1:]],
    ):
        with pytest.raises(ValueError, match="must arrive"):
            list(allocation.simulate(iter(wrong), calendar, rules))
    assert list(allocation.simulate(iter(batches), calendar, rules))


def test_batches_without_rows_are_left_out(allocation):
    """Wherever they come, and when nothing else does."""
    locations = shops()
    batches = stream(allocation, locations)
    empty = batches[0].slice(0, 0)
    spread = [empty, *(part for batch in batches for part in (batch, empty))]
    assert list(allocation.split_months(iter(spread))) == list(
        allocation.split_months(iter(batches))
    )
    assert list(allocation.split_months(iter([empty]))) == []


def test_a_row_out_of_order_within_a_batch_is_refused(allocation):
    """Rows of a batch are checked one by one: one that is out of order among many is seen."""
    lines = [make_line(n, START) for n in range(1, 6)]
    locations = {1: (make_calendar(START, 10), make_plan(START, 10, [1]), [], lines)}
    (batch,) = stream(allocation, locations, batch_rows=100)
    rows = pa.Table.from_batches([batch])
    rules = allocation.Rules(2, 0.25, 0.5)
    for order in ([0, 1, 2, 4, 3, 5, 6], [0, 1, 2, 3, 3, 4, 5, 6], [0, 1, 3, 4, 5, 6]):
        wrong = rows.take(pa.array(order)).to_batches()
        with pytest.raises(ValueError, match="must arrive"):
            list(allocation.simulate(iter(wrong), calendar_of(allocation, locations), rules))


def test_days_of_a_month_are_those_of_the_window(allocation):
    """Of four years, the window cuts the first month and the last one."""
    first, last = date(2024, 1, 10), date(2027, 12, 20)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    first_day = (first - date(1970, 1, 1)).days
    no_day = np.zeros((1, len(days)), bool)
    calendar = allocation.Calendar(np.array([1]), first_day, *[no_day] * 4, *[np.array([3])] * 2)
    for month, of_month in itertools.groupby(days, lambda day: to_key(day) // 100):
        expected = [(day - date(1970, 1, 1)).days for day in of_month]
        assert calendar.days_of_month(month).tolist() == expected


@pytest.mark.parametrize("kind", ["PLAN", "ADJUSTMENT", "WAITING_LINE", "CART_LINE"])
def test_columns_of_the_stream_are_of_their_kind(allocation, kind):
    """Lines have their own columns; the others an array, the plan's with the days of failures."""
    number = getattr(allocation, kind)
    packed = () if kind == "CART_LINE" else ("one", "two")
    columns = allocation.stream_columns(number, packed, "some_day", "some_order")
    assert columns["stream_kind"] == str(number)
    assert (columns["date_key"], columns["cart_line_id"]) == (
        "some_day",
        "cast(some_order as bigint)",
    )
    array = "array(cast(one as double), cast(two as double))"
    assert (
        columns["packed"]
        == {
            "PLAN": f"concat({array}, cast(failed_order_days as array<double>))",
            "ADJUSTMENT": array,
            "WAITING_LINE": array,
            "CART_LINE": "cast(null as array<double>)",
        }[kind]
    )
    is_line = kind in ("WAITING_LINE", "CART_LINE")
    of_line = {
        "product_key": "int",
        "cart_number": "bigint",
        "is_digital": "boolean",
        "allocation_draw": "double",
        "quantity_requested": "smallint",
    }
    for name, spark_type in of_line.items():
        assert columns[name] == f"cast({name if is_line else 'null'} as {spark_type})"
    assert set(columns) == {"stream_kind", "location_key", "packed", *allocation.LINE_FIELDS}


def test_date_keys_and_day_numbers_are_inverse(allocation):
    days = np.arange(10_000, 30_000)
    keys = allocation.date_keys(days)
    expected = [to_key(date(1970, 1, 1) + timedelta(days=int(day))) for day in days[::97]]
    assert keys[::97].tolist() == expected
    assert (allocation.day_numbers(keys) == days).all()


def busy_shops(days=40):
    """Two locations where every day leaves something of each kind to the next ones.

    Returns, write-offs and recoveries come as late as they may (see write_inputs). Of the products
    two are launched, one of them with a delivery that was ordered before the first day; another one
    is liquidated with returns and an order to come.
    """
    lost = {"is_digital": True, "base_abandonment_rate": 0.6, "abandonment_draw": 0.1}
    lost |= {"recovery_draw": 0.0, "recovery_lag_days": 7}
    returned = {"return_lag_days": 9, "restock_delay_days": 3}
    waits = {"shortage_response": "wait", "wait_lag_days": 14}
    other = {"shortage_response": "substitute", "substitute_price_cents": 900}
    other |= {"substitute_discount_cents": 0, "substitute_promotion_key": 0}
    first_ranged = {1: -10, 2: -10, 3: 20, 4: 3}
    liquidated_on = START + timedelta(days=24)
    locations = {}
    for key in (1, 2):
        calendar = make_calendar(START, days, 7, 4, -key)
        plan = make_plan(START, days, [1, 2, 3, 4], level=9, opening=0, failed=[20251209])
        adjustments, lines = [], []
        for row in plan:
            product, is_first = row["product_key"], row["month_key"] == 202511
            ranged_from = START + timedelta(days=first_ranged[product])
            row["ranged_from_date_key"] = to_key(ranged_from)
            if product == 2:
                row["liquidation_date_key"] = to_key(liquidated_on)
            row["opening_available"] = 6 * (product < 3) if is_first else None
            row["opening_in_transit"] = 5 * (product != 3) if is_first else None
        for n in range(days):
            day = START + timedelta(days=n)
            line_id = (to_key(day) * 10 + key) * 1000
            lines += [
                make_line(line_id, day, 1 + n % 2, **returned),
                make_line(line_id + 1, day, 1 + n % 2, 2, **lost, **waits),
                make_line(line_id + 2, day, 2 - n % 2, 2, **lost | {"cart_number": line_id + 1}),
                make_line(line_id + 3, day, 1, 2, **waits),
                make_line(line_id + 4, day, 2, 2, substitute_product_key=1 + 3 * (n % 2), **other),
            ]
            adjustment = {"date_key": to_key(day), "adjusted_quantity": 1, "write_off_lag_days": 6}
            adjustments += [
                adjustment | {"product_key": product, "is_damage": is_damage}
                for product, is_damage in ((1, False), (1, True), (2, n % 3 == 0))
                if product == 1 or day + timedelta(days=6) <= liquidated_on
            ]
        locations[key] = calendar, plan, adjustments, lines
    return locations


@pytest.fixture(scope="module")
def busy_tables(allocation, tmp_path_factory):
    """Tables of the busy shops and what the model makes of them in one run."""
    rules = allocation.Rules(0, 0.25, 0.5)
    session = engines.start_engine("sail")
    tables = TablesOfSail(session, tmp_path_factory.mktemp("tables"), rules)
    write_inputs(allocation, tables, busy_shops())
    return tables, allocation.model(tables, session).toArrow()


# The first day; the eve of the first launch; a month's end; while a launch delivery is on its way;
# the eve of the liquidation and its day; just before New Year.
@pytest.mark.parametrize(
    "closed", [20251127, 20251129, 20251130, 20251214, 20251220, 20251221, 20251230]
)
def test_days_appended_in_the_engine_are_those_of_one_run(allocation, busy_tables, closed):
    """The state is read from the tables, in which rows after the closed day do not count."""
    tables, whole = busy_tables
    is_new = pc.greater(whole["date_key"], closed)
    tables.close(closed, pa.concat_tables([whole, whole.filter(is_new)]))
    appended = allocation.model(tables, tables.session).toArrow()
    assert in_order(appended) == in_order(whole.filter(is_new))


def in_order(table):
    """Rows of a table of records, sorted."""
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=str)


def test_a_state_that_is_not_whole_is_refused(allocation):
    """The stock of a position is missing, or something that is on its way or damaged."""
    locations, rules, closed = {1: busy_shops()[1]}, allocation.Rules(0, 0.25, 0.5), 20251210
    outcomes, carts, snapshots, events = replay(*locations[1], rules)

    def go_on(snapshots, events):
        answers = {1: (outcomes, carts, snapshots, events)}
        return play(allocation, locations, rules, closed=closed, answers=answers)

    assert go_on(snapshots, events)[1][1]
    with pytest.raises(ValueError, match="no stock"):
        go_on({key: day for key, day in snapshots.items() if key != (2, closed)}, events)
    for kind, name in (("order", "quantity_in_transit"), ("damage", "quantity_damaged")):
        with pytest.raises(ValueError, match=name):
            go_on(snapshots, [event for event in events if event[2] != kind])


def test_a_table_that_is_not_there_gets_all_days(allocation, busy_tables, monkeypatch):
    tables, whole = busy_tables
    tables.close(20251214, whole)
    monkeypatch.setattr(tables, "is_incremental", False)
    assert in_order(allocation.model(tables, tables.session).toArrow()) == in_order(whole)
