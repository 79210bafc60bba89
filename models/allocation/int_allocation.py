"""Play every location day by day: who gets the units on the shelf, and what is left tomorrow.

All randomness is drawn upstream, so this model is a pure function of its inputs. Locations never
influence each other: a few are played together, on arrays over all their positions, only because
NumPy costs more per call than per element. The inputs of such a batch of locations arrive as one
stream sorted by month, so memory does not grow with the horizon: first the month's replenishment
plan, then its stock adjustments, then its cart lines. The state is carried from day to day; each
finished month is emitted as flat rows of four kinds (see RECORDS).

When days are appended, only these are played: the state at the end of the last closed day is read
back from this table and its inputs and comes first in the stream (see State).

P is the number of positions (location x product) of a batch and L the number of its cart lines on a
day. Ids of lines begin with the day, and the lines of a cart follow each other. Quantities are
units (int64 arrays while playing, INT when emitted); days are counted from 1970-01-01.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Positions whose months are played together: more would save little time and leave too few tasks.
POSITIONS_IN_BATCH = 12_000
# Of at most so many days, more positions are played together, for most of the time goes into calls.
FEW_DAYS, MORE_POSITIONS = 6, 5
EPOCH = np.datetime64("1970-01-01", "D")

# A cart that comes back does so within a week, a shopper who waits within two: rules of
# int_cart_lines.
LONGEST_RECOVERY_LAG, LONGEST_WAIT = 7, 14

# What a line is: of a cart, of one that was left and comes back, a substitute for what was missing,
# or of a shopper who waited and comes again.
FIRST, RECOVERY, SUBSTITUTE, LATER_VISIT = 1, 2, 3, 4  # attempts

# Kinds of rows in the input stream of a batch, in the order in which they arrive: those of the
# state, which only appended days have, then month by month the others. A column takes space in
# every row, so only lines, which are nearly all, have columns of their own.
STOCK, OPENING_ORDER, DUE_ORDER, DUE_RETURN, DUE_WRITE_OFF, WAITING_LINE = range(6)
PLAN, ADJUSTMENT, CART_LINE = range(6, 9)

STOCK_FIELDS = {
    "product_key": np.int32,
    "quantity_available": np.int32,
    "quantity_damaged": np.int32,
    "quantity_in_transit": np.int32,
    "stockout_duration_days": np.int32,
    "last_receipt_day": np.int32,
}
OPENING_FIELDS = {
    "product_key": np.int32,
    "ranged_from_date_key": np.int32,
    "opening_in_transit": np.int32,
}
# What the day date_key brought about, to come true lag_days later.
DUE_FIELDS = {
    "product_key": np.int32,
    "date_key": np.int32,
    "lag_days": np.int32,
    "quantity": np.int32,
}
PLAN_FIELDS = {
    "product_key": np.int32,
    "ranged_from_date_key": np.int32,
    "liquidation_date_key": np.int32,
    "order_up_to_level": np.int32,
    "opening_available": np.int32,
    "opening_in_transit": np.int32,
    "planned_daily_demand": np.float64,
    "reorder_point": np.int32,
    "reorder_quantity": np.int32,
    "pack_units": np.int32,
    "minimum_order_units": np.int32,
    "last_order_date_key": np.int32,
}
ADJUSTMENT_FIELDS = {
    "product_key": np.int32,
    "date_key": np.int32,
    "adjusted_quantity": np.int32,
    "is_damage": np.bool_,
    "write_off_lag_days": np.int32,
}
LINE_FIELDS = {
    "cart_line_id": np.int64,
    "cart_number": np.int64,
    "product_key": np.int32,
    "date_key": np.int32,
    "quantity_requested": np.int32,
    "is_digital": np.bool_,
    "base_abandonment_rate": np.float64,
    "abandonment_draw": np.float64,
    "allocation_draw": np.float64,
    "return_lag_days": np.int32,
    "restock_delay_days": np.int32,
    "recovery_draw": np.float64,
    "recovery_lag_days": np.int32,
    "recovery_allocation_draw": np.float64,
    "customer_key": np.int32,
    "channel_key": np.int32,
    "time_key": np.int32,
    "promotion_key": np.int32,
    "price_cents": np.int32,
    "discount_cents": np.int32,
    "device_number": np.int32,
    "substitute_product_key": np.int32,
    "substitute_price_cents": np.int32,
    "substitute_discount_cents": np.int32,
    "substitute_promotion_key": np.int32,
    "wait_lag_days": np.int32,
}
# What a line asks for on a later day. first_attempt: that in which its shopper chose it.
WAITING_FIELDS = {
    "attempt": np.int32,
    "first_attempt": np.int32,
    "units": np.int32,
    "due_day": np.int32,
}
ASKED_FIELDS = ("attempt", "first_attempt", "quantity_requested")
# What the rows of each kind but lines of carts hold in one column, packed.
PACKED_FIELDS = {
    STOCK: STOCK_FIELDS,
    OPENING_ORDER: OPENING_FIELDS,
    DUE_ORDER: DUE_FIELDS,
    DUE_RETURN: DUE_FIELDS,
    DUE_WRITE_OFF: DUE_FIELDS,
    WAITING_LINE: WAITING_FIELDS,
    PLAN: PLAN_FIELDS,
    ADJUSTMENT: ADJUSTMENT_FIELDS,
}
# What a day needs of its lines; the others wait for the end of the month.
PLAYED_FIELDS = (
    "cart_number",
    "product_key",
    "date_key",
    "time_key",
    "quantity_requested",
    "is_digital",
    "base_abandonment_rate",
    "abandonment_draw",
    "allocation_draw",
    "return_lag_days",
    "restock_delay_days",
    "recovery_draw",
    "recovery_lag_days",
    "recovery_allocation_draw",
    "substitute_product_key",
    "wait_lag_days",
)
# Small numbers, which travel as two bytes.
SMALL_FIELDS = (
    "quantity_requested",
    "return_lag_days",
    "restock_delay_days",
    "recovery_lag_days",
    "channel_key",
    "time_key",
    "device_number",
    "wait_lag_days",
)
# What a line has of a substitute in place of its own, by name.
OF_SUBSTITUTE = {
    name: f"substitute_{name}"
    for name in ("product_key", "price_cents", "discount_cents", "promotion_key")
}
# Of the plan, published with a day so that nobody has to join it again; so it is with lines.
CARRIED_BY_DAY = ("planned_daily_demand", "reorder_point", "reorder_quantity")

# The kinds of rows that leave the model, each with its fields beside location, product and date.
# Flat, with NULL in the fields of the other kinds: arrays of structs cost more to write and several
# times as much to read.
STOCK_DAY, LINE_OUTCOME = "stock_day", "line_outcome"
CART_OUTCOME, STOCK_EVENT = "cart_outcome", "stock_event"
RECORDS = {
    STOCK_DAY: {
        "planned_daily_demand": pa.float64(),
        "reorder_point": pa.int32(),
        "reorder_quantity": pa.int32(),
        "quantity_available": pa.int32(),
        "quantity_reserved": pa.int32(),
        "quantity_damaged": pa.int32(),
        "quantity_in_transit": pa.int32(),
        "stockout_duration_days": pa.int32(),
        "last_receipt_date": pa.date32(),
    },
    LINE_OUTCOME: {
        "cart_line_id": pa.int64(),
        "cart_number": pa.int64(),
        "attempt": pa.int32(),
        "customer_key": pa.int32(),
        "channel_key": pa.int32(),
        "time_key": pa.int32(),
        "promotion_key": pa.int32(),
        "is_digital": pa.bool_(),
        "quantity_requested": pa.int32(),
        "price_cents": pa.int32(),
        "discount_cents": pa.int32(),
        "return_lag_days": pa.int32(),
        "restock_delay_days": pa.int32(),
        "opening_available": pa.int32(),
        "inventory_constrained_items": pa.int32(),
        "low_inventory_trigger": pa.bool_(),
        "capacity_exceeded_trigger": pa.bool_(),
        "is_abandoned": pa.bool_(),
        "inventory_at_purchase": pa.int32(),
        "quantity_allocated": pa.int32(),
        "first_attempt": pa.int32(),
        "substitute_product_key": pa.int32(),
        "quantity_substituted": pa.int32(),
        "wait_lag_days": pa.int32(),
    },
    CART_OUTCOME: {
        "cart_number": pa.int64(),
        "attempt": pa.int32(),
        "first_cart_line_id": pa.int64(),
        "customer_key": pa.int32(),
        "channel_key": pa.int32(),
        "time_key": pa.int32(),
        "device_number": pa.int32(),
        "is_digital": pa.bool_(),
        "base_abandonment_rate": pa.float64(),
        "inventory_constrained_items": pa.int32(),
        "low_inventory_trigger": pa.bool_(),
        "capacity_exceeded_trigger": pa.bool_(),
        "is_abandoned": pa.bool_(),
        "is_inventory_caused": pa.bool_(),
        "is_recovery_due": pa.bool_(),
        "items_count": pa.int32(),
        "units_requested": pa.int32(),
        "units_allocated": pa.int32(),
        "value_cents": pa.int64(),
        "order_cents": pa.int64(),
        "first_attempt": pa.int32(),
    },
    STOCK_EVENT: {
        "event_type": pa.string(),
        "quantity": pa.int32(),
        "reference_date_key": pa.int32(),
    },
}
EVENT_NAMES = pa.array(
    ["order", "failed_order", "receipt", "shrinkage", "damage", "write_off", "liquidation"]
)
ORDER, FAILED_ORDER, RECEIPT, SHRINKAGE, DAMAGE, WRITE_OFF, LIQUIDATION = range(len(EVENT_NAMES))

KEY_FIELDS = {"location_key": pa.int32(), "product_key": pa.int32(), "date_key": pa.int32()}
OUTPUT_SCHEMA = pa.schema(
    {"record_kind": pa.string()}
    | KEY_FIELDS
    | {name: kind for fields in RECORDS.values() for name, kind in fields.items()}
)
BATCH_ROWS = 65_536
# Shared by all batches that leave.
NULLS = {field.name: pa.nulls(BATCH_ROWS, field.type) for field in OUTPUT_SCHEMA}


def spark_ddl(schema):
    """The DDL string that Spark wants for an Arrow schema of the types used here."""
    names = {
        pa.bool_(): "boolean",
        pa.int32(): "int",
        pa.int64(): "bigint",
        pa.float64(): "double",
        pa.string(): "string",
        pa.date32(): "date",
        pa.list_(pa.int32()): "array<int>",
        pa.list_(pa.float64()): "array<double>",
    }
    return ", ".join(f"{field.name} {names[field.type]}" for field in schema)


@dataclass(frozen=True)
class Rules:
    """The variables that govern a day. Rates are shares of 1."""

    low_inventory_threshold: int
    cart_abandonment_increase: float
    cart_recovery_rate: float


@dataclass(frozen=True)
class Calendar:
    """Supply days and season of S locations; D simulated days, the same for all of them.

    location_key: (S,) increasing. first_day: number of the first day. is_review, is_receipt,
    is_peak: (S, D) booleans. arrival_day: (S, D) numbers of the days on which an order of each day
    arrives; lead_time_days: (S,), how long that takes unless the location is closed then.
    last_review: (S,) number of the last review day before the first day.
    """

    location_key: np.ndarray
    first_day: int
    is_review: np.ndarray
    is_receipt: np.ndarray
    is_peak: np.ndarray
    arrival_day: np.ndarray
    lead_time_days: np.ndarray
    last_review: np.ndarray

    def days_of_month(self, month_key):
        """Numbers of the simulated days of a month (YYYYMM), increasing."""
        start, end = month_days(month_key)
        first, last = self.first_day, self.first_day + self.is_review.shape[1]
        return np.arange(max(start, first), min(end, last))

    def rows_of(self, rows):
        """(N,) indexes here of the locations of (N,) location_key."""
        return np.searchsorted(self.location_key, rows["location_key"])

    def longest_lead_time(self):
        """Days from an order to its arrival at most."""
        days = np.arange(self.first_day, self.first_day + self.is_review.shape[1])
        return int((self.arrival_day - days).max())

    def first_receipt_days(self):
        """(S,) numbers of the first receipt days; of the day after the last where there is none."""
        no_receipt = ~self.is_receipt.any(axis=1)
        first = np.where(no_receipt, self.is_receipt.shape[1], np.argmax(self.is_receipt, axis=1))
        return self.first_day + first


def day_numbers(date_keys):
    """Day numbers since 1970-01-01 of YYYYMMDD integers (any shape)."""
    keys = np.asarray(date_keys, dtype=np.int64)
    months = (keys // 10000 - 1970) * 12 + keys // 100 % 100 - 1
    first_of_month = months.astype("datetime64[M]").astype("datetime64[D]")
    return (first_of_month - EPOCH).astype(np.int64) + keys % 100 - 1


def date_keys(days):
    """YYYYMMDD integers of day numbers since 1970-01-01 (any shape)."""
    dates = np.asarray(days, dtype=np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    year, month = np.divmod(months.astype(np.int64), 12)
    day = (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
    return ((year + 1970) * 10000 + (month + 1) * 100 + day).astype(np.int32)


def month_days(month_key):
    """First day of a month (YYYYMM) and of the next one, since 1970-01-01."""
    month = np.datetime64(f"{month_key // 100}-{month_key % 100:02d}", "M")
    return tuple(int((month + n).astype("datetime64[D]").astype(np.int64)) for n in (0, 1))


def line_triggers(position, requested, opening, threshold, is_peak):
    """(L,) booleans: is the product below the threshold at opening, is more wanted than there is.

    position, requested: (L,) of the day's lines. opening: (P,) units available this morning. The
    second is asked in the peak season only.
    """
    at_opening = opening[position]
    exceeded = np.zeros(len(position), dtype=bool)
    if is_peak:
        demand = np.bincount(position, weights=requested, minlength=len(opening))
        exceeded = demand[position] > at_opening
    return at_opening < threshold, exceeded


def of_carts(low, exceeded, first):
    """(C,) low lines and whether some exceed; low, exceeded: (L,), first: (C,) first line."""
    return np.add.reduceat(low, first, dtype=np.int32), np.logical_or.reduceat(exceeded, first)


def allocate(position, requested, time_key, draw, opening):
    """Serve lines of each position in order of the time of day until its shelf is empty.

    Those of one quarter hour in increasing draw (ties: as given). All arguments but opening (P,)
    are (L,). Returns (L,) units left before and units got.
    """
    # In two bytes, where they do, times and positions are sorted by their digits.
    place = position.astype(np.min_scalar_type(len(opening)))
    order = np.lexsort((draw, time_key.astype(np.int16), place))
    place, wanted = position[order], requested[order]
    asked_before = np.cumsum(wanted) - wanted
    starts = np.flatnonzero(is_first_of_run(place))
    asked_before -= np.repeat(asked_before[starts], np.diff(starts, append=len(place)))
    left = np.empty_like(requested)
    left[order] = np.maximum(opening[place] - asked_before, 0)
    return left, np.minimum(left, requested)


def is_first_of_run(values):
    """(N,) booleans: whether each of (N,) values differs from the one before."""
    is_first = np.ones(len(values), dtype=bool)
    np.not_equal(values[1:], values[:-1], out=is_first[1:])
    return is_first


def concat(parts):
    """One dict of arrays from several with the same names; empty if there are none."""
    names = parts[0] if parts else ()
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def position_keys(rows):
    """One number for each row of location_key and product_key, in their order."""
    return rows["location_key"].astype(np.int64) << 32 | rows["product_key"]


class Agenda:
    """What is due on later days: for each day, columns of equal length."""

    def __init__(self):
        self.parts = defaultdict(list)

    def add(self, due, *columns):
        """Keep the elements of the (N,) columns, each under its day of due (N,)."""
        order = np.argsort(due, kind="stable")
        due, ordered = due[order], [column[order] for column in columns]
        starts = np.flatnonzero(is_first_of_run(due)).tolist()
        for start, stop in zip(starts, [*starts[1:], None], strict=False):
            self.parts[int(due[start])].append([column[start:stop] for column in ordered])

    def take(self, day):
        """Remove and return the columns of a day; None if nothing is due."""
        parts = self.parts.pop(day, None)
        return parts and [np.concatenate(columns) for columns in zip(*parts, strict=True)]


@dataclass(frozen=True)
class State:
    """What a day leaves to the next one.

    What is in transit or damaged is what is due, and what is reserved leaves before anybody asks.
    day: its number, the eve of the first day at the start. stock: dict of arrays of the positions
    ranged on that day, in their order: location_key, product_key, quantity_available,
    stockout_duration_days, last_receipt_day (-1: none). orders, returns, write_offs: dicts of
    arrays of what is due later: location_key, product_key, day (of the order, sale or damage),
    due_day, quantity. waiting_lines: Arrow table of lines that come later, as Simulator.play_month
    has those of a month, with WAITING_FIELDS; None without any.
    """

    day: int
    stock: dict
    orders: dict
    returns: dict
    write_offs: dict
    waiting_lines: pa.Table | None


def opening_state(plan, calendar):
    """State on the eve of the first day; plan: that of the first month (see Simulator)."""
    first_day = calendar.first_day
    is_ranged = day_numbers(plan["ranged_from_date_key"]) < first_day
    is_ranged &= day_numbers(plan["liquidation_date_key"]) >= first_day
    stock = {name: plan[name][is_ranged] for name in ("location_key", "product_key")}
    stock["quantity_available"] = plan["opening_available"][is_ranged]
    stock["stockout_duration_days"] = np.zeros(is_ranged.sum(), np.int64)
    stock["last_receipt_day"] = np.full(is_ranged.sum(), -1)
    orders = opening_orders(plan, calendar, first_day - 1)
    nothing = {name: values[:0] for name, values in orders.items()}
    return State(first_day - 1, stock, orders, nothing, nothing, None)


def opening_orders(rows, calendar, after):
    """What was ordered before the first day and is due after a day (see State).

    rows: dict of arrays, location_key and OPENING_FIELDS. It comes on the first calendar receipt
    day, a launch delivery on that of the launch.
    """
    location = calendar.rows_of(rows)
    ranged_from = day_numbers(rows["ranged_from_date_key"])
    is_launch = ranged_from >= calendar.first_day
    due = np.where(is_launch, ranged_from, calendar.first_receipt_days()[location])
    launched_on = ranged_from - calendar.lead_time_days[location]
    ordered_on = np.where(is_launch, launched_on, calendar.last_review[location])
    return due_rows(rows, ordered_on, due, rows["opening_in_transit"], after)


def due_rows(rows, day, due_day, quantity, after):
    """What is due after a day (see State); rows: (N,) location_key and product_key; others (N,)."""
    day, due_day, quantity = (np.asarray(values, np.int64) for values in (day, due_day, quantity))
    columns = {name: rows[name] for name in ("location_key", "product_key")}
    columns |= {"day": day, "due_day": due_day, "quantity": quantity}
    is_due = (due_day > after) & (quantity > 0)
    return {name: values[is_due] for name, values in columns.items()}


class Simulator:
    """The stock of some locations from the day after a State on; see play_day for the order.

    A position is a location and a product; P of them, sorted by location and product.
    """

    def __init__(self, plan, calendar, rules, state):
        """plan: dict of a month's arrays: location_key and PLAN_FIELDS, by position.

        calendar: Calendar of these locations, and of others perhaps. Raises ValueError if the state
        is not whole.
        """
        self.rules, self.calendar, self.day = rules, calendar, state.day
        self.plan, self.position_key = plan, position_keys(plan)
        # The row of each position in the calendar.
        self.location = calendar.rows_of(plan)
        self.ranged_from = day_numbers(plan["ranged_from_date_key"])
        self.liquidated_on = day_numbers(plan["liquidation_date_key"])
        self.last_order = day_numbers(plan["last_order_date_key"])
        size = len(self.location)
        self.available: np.ndarray = np.zeros(size, np.int64)
        self.reserved = np.zeros(size, np.int64)
        self.damaged = np.zeros(size, np.int64)
        self.in_transit = np.zeros(size, np.int64)
        self.stockout_days: np.ndarray = np.zeros(size, np.int64)
        self.last_receipt = np.full(size, -1, np.int64)
        self.due_orders, self.due_returns, self.due_write_offs = Agenda(), Agenda(), Agenda()
        # Who comes later: row in the month's lines and ASKED_FIELDS.
        self.due_lines = Agenda()
        # Lines of earlier months among them, which head those of the month.
        self.waiting_lines = None
        self.begin(state)

    def begin(self, state):
        """Take over from a State; a position without stock has its launch delivery to come."""
        position = np.flatnonzero(self.is_ranged(state.day))
        if not np.array_equal(position_keys(state.stock), self.position_key[position]):
            raise ValueError(f"no stock, or more than one, of positions ranged on day {state.day}")
        self.available[position] = state.stock["quantity_available"]
        self.stockout_days[position] = state.stock["stockout_duration_days"]
        self.last_receipt[position] = state.stock["last_receipt_day"]
        for agenda, rows, names in (
            (self.due_orders, state.orders, ("quantity", "day")),
            (self.due_returns, state.returns, ("quantity",)),
            (self.due_write_offs, state.write_offs, ("quantity", "day")),
        ):
            agenda.add(rows["due_day"], self.positions(rows), *(rows[name] for name in names))
        np.add.at(self.in_transit, self.positions(state.orders), state.orders["quantity"])
        np.add.at(self.damaged, self.positions(state.write_offs), state.write_offs["quantity"])
        if state.waiting_lines is not None:
            self.wait_for(state.waiting_lines)

    def is_ranged(self, day):
        """(P,) booleans: whether the stock of a position is listed on the day."""
        return (self.ranged_from <= day) & (day < self.liquidated_on)

    def positions(self, rows):
        """(N,) indexes of the positions of (N,) location_key and product_key."""
        return np.searchsorted(self.position_key, position_keys(rows))

    def play_month(self, month_key, plan, adjustments, lines):
        """Play the days of a month that are left and return it (see Month).

        plan, adjustments: dicts of arrays, adjustments sorted by date_key; plan["order_fails"]: (P,
        32) booleans, by day of the month: the supplier fails that day's order. lines: Arrow table
        of location_key and LINE_FIELDS, sorted by cart_line_id.
        """
        if not np.array_equal(position_keys(plan), self.position_key):
            raise ValueError("the plan of each month must have the same locations and products")
        self.plan = plan
        if self.waiting_lines is not None:
            lines = pa.concat_tables([self.waiting_lines, lines]).combine_chunks()
        days = self.calendar.days_of_month(month_key)
        days = days[days > self.day]
        is_ranged = self.is_ranged(days[:, None]).T
        self.month = Month(days, plan, lines, is_ranged)
        self.lines = played_lines(lines)
        self.lines["position"] = self.positions(self.lines)
        adjustments = adjustments | {"position": self.positions(adjustments)}
        dates = date_keys(np.append(days, days[-1] + 1))
        line_cuts = np.searchsorted(self.lines["date_key"], dates)
        adjustment_cuts = np.searchsorted(adjustments["date_key"], dates)
        for n, day in enumerate(days.tolist()):
            lines_of_day = np.arange(line_cuts[n], line_cuts[n + 1])
            adjusted = slice(adjustment_cuts[n], adjustment_cuts[n + 1])
            self.play_day(
                day, lines_of_day, {name: rows[adjusted] for name, rows in adjustments.items()}
            )
        self.day = int(days[-1])
        self.wait_for(self.lines_still_due(lines))
        return self.month

    def play_day(self, day, rows, adjustments):
        """One day, in the order that the published rules give.

        Receipts, returns, liquidation, shipments; triggers and abandonment; allocation, then
        substitutes; adjustments; snapshot; orders. rows: (L,) indexes of the day's lines in the
        month's; adjustments: the day's.
        """
        self.receive(day)
        if returned := self.due_returns.take(day):
            position, quantity = returned
            np.add.at(self.available, position, quantity)
        self.liquidate(day)
        self.reserved[:] = 0  # yesterday's digital units leave the building

        asked = self.lines_of_day(day, rows)
        if len(asked["row"]):
            self.serve(day, asked)

        self.adjust(day, adjustments)
        self.snapshot(day)
        self.order(day)

    def record_event(self, day, event, position, quantity, reference_day):
        """Quantities above zero of positions; reference_day: that of the order or damage."""
        changed = np.flatnonzero(quantity > 0)
        if len(changed):
            self.month.events.append(
                {
                    "position": position[changed],
                    "date_key": np.full(len(changed), day),
                    "event_type": np.full(len(changed), event),
                    "quantity": quantity[changed],
                    "reference_date_key": np.broadcast_to(reference_day, len(quantity))[changed],
                }
            )

    def receive(self, day):
        if received := self.due_orders.take(day):
            position, quantity, ordered_on = received
            np.add.at(self.available, position, quantity)
            np.subtract.at(self.in_transit, position, quantity)
            self.last_receipt[position] = day
            self.record_event(day, RECEIPT, position, quantity, ordered_on)

    def liquidate(self, day):
        """All that is available after the end of life leaves, and so does what comes later."""
        position = np.flatnonzero(self.liquidated_on <= day)
        quantity = self.available[position]
        self.available[position], self.last_receipt[position] = 0, -1
        self.record_event(day, LIQUIDATION, position, quantity, day)

    def lines_of_day(self, day, rows):
        """Who asks on a day, a dict of row and ASKED_FIELDS; rows: (L,) lines of the day.

        Carts that were left, and shoppers who waited, come before: their lines have smaller ids.
        """
        first = np.full(len(rows), FIRST, np.int32)
        columns = [rows, first, first, self.lines["quantity_requested"][rows]]
        if again := self.due_lines.take(day):
            order = np.argsort(again[0])
            columns = [
                np.concatenate([earlier[order], today])
                for earlier, today in zip(again, columns, strict=True)
            ]
        return dict(zip(("row", *ASKED_FIELDS), columns, strict=True))

    # Longer than a screen: the steps of a morning follow each other, on the same arrays.
    def serve(self, day, asked):
        """Triggers, abandonment and recovery, allocation of the surviving lines, empty shelves.

        asked: dict of (L,) row, attempt, first_attempt and quantity_requested, cart by cart.
        """
        lines, opening = self.lines, self.available.copy()
        rows, line_attempt, requested = (
            asked[name] for name in ("row", "attempt", "quantity_requested")
        )
        position = lines["position"][rows]
        first = np.flatnonzero(is_first_of_run(lines["cart_number"][rows]))
        sizes = np.diff(first, append=len(rows))
        location = self.location[position[first]]
        is_peak = self.calendar.is_peak[location, day - self.calendar.first_day]
        threshold = self.rules.low_inventory_threshold
        low, exceeded = line_triggers(position, requested, opening, threshold, is_peak.any())
        exceeded &= np.repeat(is_peak, sizes)
        constrained_items, is_exceeded = of_carts(low, exceeded, first)
        attempt = line_attempt[first]
        fate = self.abandon(rows[first], attempt, (constrained_items > 0) | is_exceeded)
        comes_back = np.flatnonzero(np.repeat(fate["is_recovery_due"], sizes))
        back_on = day + lines["recovery_lag_days"][rows[comes_back]]
        self.come_again(back_on, rows[comes_back], RECOVERY, RECOVERY, requested[comes_back])

        survives = np.flatnonzero(~np.repeat(fate["is_abandoned"], sizes))
        own = lines["allocation_draw"][rows]
        draw = np.where(line_attempt == FIRST, own, lines["recovery_allocation_draw"][rows])
        left, got = np.zeros_like(requested), np.zeros_like(requested)
        left[survives], got[survives] = allocate(
            position[survives],
            requested[survives],
            lines["time_key"][rows[survives]],
            draw[survives],
            opening,
        )
        self.hand_over(day, rows, position, got, line_attempt != LATER_VISIT)
        short = survives[got[survives] < requested[survives]]
        short = short[line_attempt[short] != LATER_VISIT]
        cart = np.repeat(np.arange(len(first)), sizes)
        served = {
            **asked,
            "cart": self.month.carts_so_far + cart,
            "opening_available": opening[position],
            "inventory_at_purchase": left,
            "quantity_allocated": got,
        }
        served |= self.meet_short_lines(day, served, short, draw, opening)
        # Who comes again has a cart of what is there.
        again = attempt == LATER_VISIT
        if again.any():
            is_in_cart = (line_attempt != LATER_VISIT) | (got > 0)
            found = of_carts(low & is_in_cart, exceeded & is_in_cart, first)
            constrained_items = np.where(again, found[0], constrained_items)
            is_exceeded = np.where(again, found[1], is_exceeded)
        self.month.served.append(served)
        self.month.carts_so_far += len(first)
        self.month.carts.append(
            {
                "date_key": np.full(len(first), date_keys(day)),
                "attempt": attempt,
                "first_attempt": asked["first_attempt"][first],
                "inventory_constrained_items": constrained_items,
                "capacity_exceeded_trigger": is_exceeded,
                **fate,
            }
        )

    def meet_short_lines(self, day, served, short, draw, opening):
        """Give substitutes what nobody chose first, and let others wait for a later day.

        served: see Month; short: (N,) indexes of lines in it that did not get all; draw: (L,)
        their order in a quarter hour; opening: (P,). Returns what served has beside.
        """
        lines, rows = self.lines, served["row"]
        missing = served["quantity_requested"] - served["quantity_allocated"]
        fate = {
            name: np.zeros(len(rows), np.int32)
            for name in ("substitute_product_key", "quantity_substituted", "wait_lag_days")
        }
        lag = lines["wait_lag_days"][rows[short]]
        waits, lag = short[lag > 0], lag[lag > 0]
        fate["wait_lag_days"][waits] = lag
        chosen_in = served["first_attempt"]
        self.come_again(day + lag, rows[waits], LATER_VISIT, chosen_in[waits], missing[waits])
        product = lines["substitute_product_key"][rows[short]]
        asks, product = short[product > 0], product[product > 0]
        if len(asks):
            location = lines["location_key"][rows[asks]]
            position = self.positions({"location_key": location, "product_key": product})
            time_key = lines["time_key"][rows[asks]]
            left, got = allocate(position, missing[asks], time_key, draw[asks], self.available)
            self.hand_over(day, rows[asks], position, got)
            fate["substitute_product_key"][asks] = product
            fate["quantity_substituted"][asks] = got
            self.month.substitutes.append(
                {
                    "row": rows[asks],
                    "cart": served["cart"][asks],
                    "attempt": np.full(len(asks), SUBSTITUTE),
                    "first_attempt": chosen_in[asks],
                    "quantity_requested": missing[asks],
                    "opening_available": opening[position],
                    "inventory_at_purchase": left,
                    "quantity_allocated": got,
                    **dict.fromkeys(fate, np.zeros_like(got)),
                }
            )
        return fate

    def abandon(self, head, attempt, is_triggered):
        """Per cart: is it left, is that due to inventory, does it come back (dict of (C,)).

        head: (C,) a line of each cart; attempt, is_triggered: (C,) booleans.
        """
        lines, rules = self.lines, self.rules
        increase = rules.cart_abandonment_increase * is_triggered
        base_rate = lines["base_abandonment_rate"][head]
        draw = lines["abandonment_draw"][head]
        may_abandon = lines["is_digital"][head] & (attempt == FIRST)
        abandoned = may_abandon & (draw < np.minimum(base_rate + increase, 1.0))
        recovery_rate = np.maximum(rules.cart_recovery_rate - increase, 0.0)
        return {
            "is_abandoned": abandoned,
            "is_inventory_caused": abandoned & (draw >= base_rate),
            "is_recovery_due": abandoned & (lines["recovery_draw"][head] < recovery_rate),
        }

    def hand_over(self, day, rows, position, got, may_come_back=True):
        """Store units leave, digital units are reserved; some will be returned. All (L,).

        may_come_back: booleans; what somebody waited for is kept.
        """
        np.subtract.at(self.available, position, got)
        is_digital = self.lines["is_digital"][rows]
        np.add.at(self.reserved, position[is_digital], got[is_digital])
        wait = self.lines["return_wait_days"][rows]
        returned = np.flatnonzero((got > 0) & (wait > 0) & may_come_back)
        self.due_returns.add(day + wait[returned], position[returned], got[returned])

    def adjust(self, day, adjustments):
        """Damaged units are written off; units vanish, then units get damaged, while there are any.

        adjustments: dict of arrays with at most one row of each kind for a position.
        """
        if written_off := self.due_write_offs.take(day):
            position, quantity, damaged_on = written_off
            np.subtract.at(self.damaged, position, quantity)
            self.record_event(day, WRITE_OFF, position, quantity, damaged_on)
        is_damage = adjustments["is_damage"]
        for event, chosen in ((SHRINKAGE, ~is_damage), (DAMAGE, is_damage)):
            position = adjustments["position"][chosen]
            wanted = adjustments["adjusted_quantity"][chosen]
            quantity = np.minimum(wanted, self.available[position])
            self.available[position] -= quantity
            self.record_event(day, event, position, quantity, day)
        # The last ones are the damages.
        self.damaged[position] += quantity
        due = day + adjustments["write_off_lag_days"][is_damage]
        self.due_write_offs.add(due, position, quantity, np.full(len(due), day))

    def snapshot(self, day):
        is_stockout = (self.available == 0) & self.is_ranged(day)
        self.stockout_days = np.where(is_stockout, self.stockout_days + 1, 0)
        today = {
            "quantity_available": self.available,
            "quantity_reserved": self.reserved,
            "quantity_damaged": self.damaged,
            "quantity_in_transit": self.in_transit,
            "stockout_duration_days": self.stockout_days,
            "last_receipt_date": self.last_receipt,
        }
        for name, values in today.items():
            self.month.stock[name][day - self.month.days[0]] = values

    def order(self, day):
        """Order up to the level; what the supplier fails is recorded and not in transit.

        Orders are rounded up to whole packs, and none is made below the least one. Positions are
        reviewed while they are ranged, up to their last day of orders; their first delivery, which
        is no smaller than the least order, is ordered to come then.
        """
        calendar, at = self.calendar, day - self.calendar.first_day
        is_reviewed = calendar.is_review[:, at][self.location] & self.is_ranged(day)
        is_reviewed &= day <= self.last_order
        is_launch = self.ranged_from == day + calendar.lead_time_days[self.location]
        position = np.flatnonzero(is_reviewed | is_launch)
        level = self.plan["order_up_to_level"][position]
        pack, least = (self.plan[name][position] for name in ("pack_units", "minimum_order_units"))
        missing = np.maximum(level - self.available[position] - self.in_transit[position], 0)
        wanted = -(-missing // pack) * pack
        too_few = np.where(is_launch[position] & (missing > 0), least, 0)
        wanted = np.where(wanted < least, too_few, wanted)
        fails = self.plan["order_fails"][position, date_keys(day) % 100]
        accepted = np.where(fails, 0, wanted)
        self.in_transit[position] += accepted
        self.record_event(day, ORDER, position, accepted, day)
        self.record_event(day, FAILED_ORDER, position, wanted - accepted, day)
        position, accepted = position[accepted > 0], accepted[accepted > 0]
        due = calendar.arrival_day[self.location[position], at]
        self.due_orders.add(due, position, accepted, np.full(len(due), day))

    def come_again(self, due_day, rows, attempt, first_attempt, quantity):
        """Lines ask for so many units on a later day; (N,), or one number for all."""
        attempts = (np.full(len(rows), value, np.int32) for value in (attempt, first_attempt))
        self.due_lines.add(due_day, rows, *attempts, quantity)

    def lines_still_due(self, lines):
        """Lines of a month that come later (see State), in their order."""
        due = [
            (*columns, np.full(len(columns[0]), day))
            for day, parts in self.due_lines.parts.items()
            for columns in parts
        ]
        if not due:
            return None
        rows, *columns = (np.concatenate(part) for part in zip(*due, strict=True))
        order = np.argsort(rows)
        waiting = lines.take(rows[order])
        for name, values in zip(WAITING_FIELDS, columns, strict=True):
            waiting = waiting.append_column(name, pa.array(values[order], pa.int32()))
        return waiting

    def wait_for(self, waiting):
        """Keep lines that come later (see State): they head those of the next month."""
        self.waiting_lines, self.due_lines = None, Agenda()
        if waiting is not None:
            *columns, due_day = (np.asarray(waiting[name]) for name in WAITING_FIELDS)
            self.waiting_lines = waiting.drop_columns(list(WAITING_FIELDS))
            self.due_lines.add(due_day, np.arange(len(waiting)), *columns)


class Month:
    """What happened in a month at some positions: N lines of C carts were served, all attempts.

    days: (D,) numbers. plan: dict of (P,) arrays. lines: Arrow table of the lines. is_ranged: (P,
    D) booleans. stock: dict of (D, P) arrays, the day number of the last receipt among them.
    Lists of dicts of arrays: served, (N,) in all: row in lines, number of the cart, units;
    substitutes: likewise; carts, (C,) in all, in the order of their lines, so many of them so far;
    events.
    """

    def __init__(self, days, plan, lines, is_ranged):
        self.days, self.plan, self.lines, self.is_ranged = days, plan, lines, is_ranged
        names = [name for name in RECORDS[STOCK_DAY] if name not in CARRIED_BY_DAY]
        shape = is_ranged.T.shape
        self.stock = {name: np.empty(shape, np.int32) for name in names}
        self.served, self.substitutes, self.carts, self.events = [], [], [], []
        self.carts_so_far = 0

    def records(self):
        """Kinds of records and dicts of their columns (Arrow or NumPy); none without rows."""
        records = [(STOCK_DAY, self.stock_days())]
        if self.served:
            served, carts = concat(self.served), concat(self.carts)
            substitutes = concat(self.substitutes)
            carts["low_inventory_trigger"] = carts["inventory_constrained_items"] > 0
            records.append((LINE_OUTCOME, self.line_outcomes(served, carts)))
            if substitutes:
                names = list(OF_SUBSTITUTE.values())
                taken = self.lines.select(names).take(pa.array(substitutes["row"]))
                own = numpy_columns(taken, dict.fromkeys(names, np.int64))
                substitutes |= {name: own[column] for name, column in OF_SUBSTITUTE.items()}
                records.append((LINE_OUTCOME, self.line_outcomes(substitutes, carts)))
            records.append((CART_OUTCOME, self.cart_outcomes(served, substitutes, carts)))
        if self.events:
            records.append((STOCK_EVENT, self.stock_events(concat(self.events))))
        return records

    def stock_days(self):
        """The days on which each position is ranged, one after the other."""
        is_ranged = self.is_ranged
        columns = {name: values.T[is_ranged] for name, values in self.stock.items()}
        received = columns["last_receipt_date"]
        columns["last_receipt_date"] = pa.array(received, mask=received < 0)
        columns["date_key"] = np.broadcast_to(date_keys(self.days), is_ranged.shape)[is_ranged]
        for name in ("location_key", "product_key", *CARRIED_BY_DAY):
            columns[name] = np.repeat(self.plan[name], is_ranged.sum(axis=1))
        return columns

    def carried(self, names, rows):
        """Columns of the lines at some rows, by name."""
        names = ["location_key", "product_key", *(name for name in names if name in LINE_FIELDS)]
        taken = self.lines.select(names).take(pa.array(rows))
        return {name: taken[name].combine_chunks() for name in names}

    def line_outcomes(self, lines, carts):
        """Columns of LINE_OUTCOME; lines: dict of (N,) arrays as served (see Month)."""
        of_cart = {
            name: carts[name][lines["cart"]]
            for name in (*RECORDS[LINE_OUTCOME], "date_key")
            if name in carts
        }
        columns = self.carried(RECORDS[LINE_OUTCOME], lines["row"]) | of_cart | lines
        for name in ("substitute_product_key", "wait_lag_days"):
            columns[name] = pa.array(columns[name], mask=columns[name] == 0)
        is_kept = pa.array(columns["attempt"] == LATER_VISIT)
        for name in ("return_lag_days", "restock_delay_days"):
            columns[name] = pc.if_else(is_kept, None, columns[name])
        left = pa.array(columns["inventory_at_purchase"], mask=columns["is_abandoned"])
        return columns | {"inventory_at_purchase": left}

    def cart_outcomes(self, served, substitutes, carts):
        """Columns of CART_OUTCOME: of all carts but those of who comes again in vain."""
        got, is_again = served["quantity_allocated"], served["attempt"] == LATER_VISIT
        in_cart = np.flatnonzero(~is_again | (got > 0))
        cart, rows, got = served["cart"][in_cart], served["row"][in_cart], got[in_cart]
        wanted = np.where(is_again[in_cart], got, served["quantity_requested"][in_cart])
        first = np.flatnonzero(is_first_of_run(cart))
        columns = self.carried((*RECORDS[CART_OUTCOME], "cart_line_id"), rows[first])
        columns["first_cart_line_id"] = columns.pop("cart_line_id")
        columns |= {name: values[cart[first]] for name, values in carts.items()}
        price, discount = (
            np.asarray(self.lines[name])[rows].astype(np.int64)
            for name in ("price_cents", "discount_cents")
        )
        totals = {
            "items_count": np.ones_like(got),
            "units_requested": wanted,
            "units_allocated": got,
            "value_cents": wanted * (price - discount),
            "order_cents": got * (price - discount),
        }
        totals = {name: np.add.reduceat(values, first) for name, values in totals.items()}
        if substitutes:
            # What a substitute brings is asked for, and bought, in the same cart.
            got = substitutes["quantity_allocated"]
            cents = got * (substitutes["price_cents"] - substitutes["discount_cents"])
            at = np.searchsorted(cart[first], substitutes["cart"])
            for name, values in zip(totals, (got > 0, got, got, cents, cents), strict=True):
                np.add.at(totals[name], at, values)
        return columns | totals

    def stock_events(self, events):
        position = events.pop("position")
        return events | {
            "location_key": self.plan["location_key"][position],
            "product_key": self.plan["product_key"][position],
            "date_key": date_keys(events["date_key"]),
            "event_type": EVENT_NAMES.take(pa.array(events["event_type"])),
            "reference_date_key": date_keys(events["reference_date_key"]),
        }


def arrow_array(values, kind):
    """Arrow array of a type from an Arrow or NumPy array."""
    if isinstance(values, np.ndarray):
        values = pa.array(values)
    return values.cast(kind)


def record_batches(record_kind, columns):
    """Arrow record batches (OUTPUT_SCHEMA) of rows of one kind.

    columns: dict of (N,) arrays, Arrow or NumPy: location_key, product_key, date_key and the fields
    of the kind in RECORDS; others are left out.
    """
    fields = KEY_FIELDS | RECORDS[record_kind]
    columns = {name: arrow_array(columns[name], kind) for name, kind in fields.items()}
    size = len(columns["date_key"])
    constants = NULLS | {"record_kind": pa.repeat(record_kind, BATCH_ROWS)}
    for start in range(0, size, BATCH_ROWS):
        rows = min(BATCH_ROWS, size - start)
        arrays = [
            columns[name].slice(start, rows) if name in columns else constants[name].slice(0, rows)
            for name in OUTPUT_SCHEMA.names
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=OUTPUT_SCHEMA)


def numpy_columns(table, fields):
    """NumPy array of each field of an Arrow table; NULL becomes 0."""
    return {
        name: np.asarray(
            table[name].combine_chunks().fill_null(pa.scalar(0).cast(table[name].type))
        ).astype(kind, copy=False)
        for name, kind in fields.items()
    }


def played_lines(lines):
    """Dict of arrays from an Arrow table of lines: what a day needs of them."""
    fields = {name: LINE_FIELDS[name] for name in PLAYED_FIELDS}
    columns = numpy_columns(lines, {"location_key": np.int32} | fields)
    # 0 when the line does not come back.
    comes_back = columns["return_lag_days"] > 0
    columns["return_wait_days"] = comes_back * (
        columns["return_lag_days"] + columns["restock_delay_days"]
    )
    return columns


def unpacked(rows, fields):
    """Dict of arrays from rows of the stream: location_key, and fields that packed begins with."""
    columns = {name: pc.list_element(rows["packed"], n) for n, name in enumerate(fields)}
    table = pa.table(columns | {"location_key": rows["location_key"]})
    return numpy_columns(table, fields | {"location_key": np.int32})


def failed_order_matrix(days_of_month):
    """(P, 32) booleans from an Arrow list column of days of the month."""
    lists = days_of_month.combine_chunks()
    failed = np.zeros((len(lists), 32), dtype=bool)
    rows = np.repeat(np.arange(len(lists)), lists.value_lengths().fill_null(0).to_numpy())
    failed[rows, lists.flatten().to_numpy().astype(np.int64)] = True
    return failed


def split_stream(batches, group_of, table_of):
    """Regroup a stream of Arrow batches into tables, one for each run of equal numbers.

    table_of: function of a batch that gives the number of each row's table, (N,); group_of:
    likewise that of what stream_position counts from 1 in. Raises ValueError when it does not: an
    engine that reorders must not go unnoticed.
    """
    pending: list = []
    last_table, last_group, last_position = None, None, 0
    for batch in batches:
        if not batch.num_rows:
            continue
        group, table = group_of(batch), table_of(batch)
        position = np.asarray(batch.column("stream_position"))
        goes_on = np.append(group[0] == last_group, group[1:] == group[:-1])
        before = np.append(last_position, position[:-1])
        if (position != np.where(goes_on, before + 1, 1)).any():
            raise ValueError("rows must arrive in the order of stream_position")
        last_group, last_position = group[-1], position[-1]
        cuts = (np.flatnonzero(np.diff(table)) + 1).tolist()
        for start, stop in zip([0, *cuts], [*cuts, batch.num_rows], strict=True):
            if pending and table[start] != last_table:
                yield pa.Table.from_batches(pending)
                pending = []
            last_table = table[start]
            pending.append(batch.slice(start, stop - start))
    if pending:
        yield pa.Table.from_batches(pending)


def split_months(batches):
    """Arrow tables of the stream, one for each batch of locations and month, or its state."""

    def location_batch(batch):
        return np.asarray(batch.column("location_batch")).astype(np.int64)

    def number(batch):
        is_state = np.asarray(batch.column("stream_kind")) < PLAN
        month = np.where(is_state, 0, np.asarray(batch.column("date_key")) // 100)
        return location_batch(batch) * 1_000_000 + month

    return split_stream(batches, location_batch, number)


def by_kind(table):
    """Dict of the rows of each kind of a table of the stream (see split_months)."""
    kind = np.asarray(table["stream_kind"].combine_chunks())
    cuts = np.searchsorted(kind, np.arange(CART_LINE + 2)).tolist()
    return {
        kind: table.slice(cuts[kind], cuts[kind + 1] - cuts[kind]) for kind in range(len(cuts) - 1)
    }


def lines_of(rows):
    """Arrow table of lines from their rows of the stream."""
    return rows.select(["location_key", *LINE_FIELDS])


def waiting_lines_of(rows):
    """Arrow table of lines that come later (see State) from their rows of the stream."""
    lines = lines_of(rows)
    for name, values in unpacked(rows.combine_chunks(), WAITING_FIELDS).items():
        if name in WAITING_FIELDS:
            lines = lines.append_column(name, pa.array(values))
    return lines


def state_from_rows(rows, calendar, day):
    """State at the end of a day from its rows of the stream by kind (see by_kind).

    Raises ValueError if something that is due was not read.
    """

    def due_later(kind):
        due = unpacked(rows[kind], DUE_FIELDS)
        began, lag = day_numbers(due["date_key"]), due["lag_days"]
        if kind == DUE_ORDER:
            lag = calendar.arrival_day[calendar.rows_of(due), began - calendar.first_day] - began
        return due_rows(due, began, began + lag, due["quantity"], day)

    opening_rows = unpacked(rows[OPENING_ORDER], OPENING_FIELDS)
    state = State(
        day=day,
        stock=unpacked(rows[STOCK], STOCK_FIELDS),
        orders=concat([opening_orders(opening_rows, calendar, day), due_later(DUE_ORDER)]),
        returns=due_later(DUE_RETURN),
        write_offs=due_later(DUE_WRITE_OFF),
        waiting_lines=waiting_lines_of(rows[WAITING_LINE]),
    )
    # The day's orders are placed after its stock is taken.
    placed_before = state.orders["day"] < day
    earlier_orders = {name: values[placed_before] for name, values in state.orders.items()}
    check_due(state.stock, "quantity_in_transit", earlier_orders)
    check_due(state.stock, "quantity_damaged", state.write_offs)
    return state


def check_due(stock, name, due):
    """Raise ValueError if the units of a column of State.stock are not those due (see State)."""
    keys = position_keys(stock)
    is_ranged = np.isin(position_keys(due), keys)
    position = np.searchsorted(keys, position_keys(due)[is_ranged])
    units = np.bincount(position, weights=due["quantity"][is_ranged], minlength=len(keys))
    if not np.array_equal(units, stock[name]):
        raise ValueError(f"{name} is not the sum of what is due later")


def simulate(batches, calendar, rules, closed_day=None):
    """Arrow record batches of the input stream -> record batches of OUTPUT_SCHEMA.

    calendar: Calendar of all locations. closed_day: the day whose state the stream begins with;
    None where the first day is played. The rows of a batch of locations must come in the order of
    stream_position: the state, then by month, stream_kind, and position, date or line (see model).
    They leave by batch of locations and month, and in a month by kind.
    """
    simulator, playing, state_rows = None, None, {}
    for table in split_months(batches):
        location_batch, rows = table["location_batch"][0].as_py(), by_kind(table)
        if location_batch != playing:
            simulator, playing, state_rows = None, location_batch, rows
        if table["stream_kind"][0].as_py() < PLAN:
            continue  # the state
        plan_rows = rows[PLAN].combine_chunks()
        plan = unpacked(plan_rows, PLAN_FIELDS)
        failed_days = pc.list_slice(plan_rows["packed"], len(PLAN_FIELDS))
        plan["order_fails"] = failed_order_matrix(failed_days)
        if simulator is None:
            if closed_day is None:
                state = opening_state(plan, calendar)
            else:
                state = state_from_rows(state_rows, calendar, closed_day)
            simulator = Simulator(plan, calendar, rules, state)
        month = simulator.play_month(
            table["date_key"][0].as_py() // 100,
            plan,
            unpacked(rows[ADJUSTMENT], ADJUSTMENT_FIELDS),
            lines_of(rows[CART_LINE]),
        )
        for record_kind, columns in month.records():
            yield from record_batches(record_kind, columns)


def calendar_from_rows(days):
    """Calendar from int_supply_calendar as a pandas DataFrame."""
    days = days.sort_values(["location_key", "date_key"])
    locations = days["location_key"].unique()
    of_location = {
        name: days[name].to_numpy(kind).reshape(len(locations), -1)
        for name, kind in {
            "is_review_day": bool,
            "is_receipt_day": bool,
            "is_peak_season": bool,
            "lead_time_days": np.int64,
            "days_since_review": np.int64,
            "review_period_days": np.int64,
            "arrival_date": "datetime64[D]",
        }.items()
    }
    first_day = int(day_numbers(days["date_key"].min()))
    since_review, period = (
        of_location[name][:, 0] for name in ("days_since_review", "review_period_days")
    )
    return Calendar(
        location_key=locations,
        first_day=first_day,
        is_review=of_location["is_review_day"],
        is_receipt=of_location["is_receipt_day"],
        is_peak=of_location["is_peak_season"],
        arrival_day=of_location["arrival_date"].astype(np.int64),
        lead_time_days=of_location["lead_time_days"][:, 0],
        last_review=first_day - np.where(since_review == 0, period, since_review),
    )


def count_batches(positions, locations, days):
    """How many batches of locations to play: few calls of NumPy, bounded memory, many tasks."""
    in_batch = POSITIONS_IN_BATCH * (MORE_POSITIONS if days <= FEW_DAYS else 1)
    return int(max(min(-(-positions // in_batch), locations), 1))


def stream_columns(kind, packed_fields, date_key, order):
    """SQL of each column of the stream for rows of one kind, by name.

    date_key: SQL of a day, or day 0, of the row's month. order: SQL of what sorts the rows in it.
    """
    spark_types = {np.int32: "int", np.int64: "bigint", np.float64: "double", np.bool_: "boolean"}
    line_columns = {name: spark_types[kind] for name, kind in LINE_FIELDS.items()}
    line_columns |= dict.fromkeys(SMALL_FIELDS, "smallint")
    packed = f"array({', '.join(f'cast({name} as double)' for name in packed_fields)})"
    if kind == PLAN:
        packed = f"concat({packed}, cast(failed_order_days as array<double>))"
    is_line = kind in (WAITING_LINE, CART_LINE)
    columns = {"stream_kind": str(kind), "location_key": "location_key"}
    columns["packed"] = packed if packed_fields else "cast(null as array<double>)"
    for name, spark_type in line_columns.items():
        columns[name] = f"cast({name if is_line else 'null'} as {spark_type})"
    return columns | {"date_key": date_key, "cart_line_id": f"cast({order} as bigint)"}


# What sorts the rows of a kind that has no day or line of its own.
POSITION = "location_key * 4294967296 + product_key"


# Longer than a screen: one source after the other, by conditions that all share.
def state_sources(tables, calendar, closed_day, longest_wait):
    """Sources of the stream that tell the state at the end of a day (see State and model).

    tables: DataFrames: allocation (this model's own), plan, adjustments and lines. longest_wait:
    the most days until what was sold is back on the shelf or what was damaged is gone. What is due
    began so few days ago that nothing else is read: the cost does not grow with the history.
    """
    began = "make_date(date_key div 10000, date_key div 100 % 100, date_key % 100)"

    def recent(days):
        """SQL: whether date_key is one of the last so many days."""
        return f"date_key between {date_keys(closed_day - days + 1)} and {date_keys(closed_day)}"

    def due_day(lag):
        """SQL: number of the day on which what began on date_key is due, lag (SQL) days later."""
        return f"datediff({began}, date '1970-01-01') + {lag}"

    def is_due(lag):
        """SQL: whether it is due after the closed day."""
        return f"{due_day(lag)} > {closed_day}"

    def of_kind(record_kind, days):
        return tables["allocation"].filter(f"record_kind = '{record_kind}' and {recent(days)}")

    grain = ["location_key", "product_key", "date_key"]
    received = "coalesce(datediff(last_receipt_date, date '1970-01-01'), -1) as last_receipt_day"
    stock = of_kind(STOCK_DAY, 1).selectExpr("*", received)
    # What was ordered before the first day has come, once every location has had a receipt day.
    is_early = bool((calendar.first_receipt_days() > closed_day).any())
    opening = tables["plan"].filter(
        f"month_key = {date_keys(calendar.first_day) // 100} and opening_in_transit > 0"
        f" and (ranged_from_date_key > {date_keys(closed_day)} or {is_early})"
    )
    events = of_kind(STOCK_EVENT, calendar.longest_lead_time())
    orders = events.filter("event_type = 'order'").selectExpr(*grain, "0 as lag_days", "quantity")
    wait = "return_lag_days + restock_delay_days"
    returns = of_kind(LINE_OUTCOME, longest_wait)
    returns = returns.filter(f"quantity_allocated > 0 and {is_due(wait)}")
    returns = returns.selectExpr(*grain, f"{wait} as lag_days", "quantity_allocated as quantity")
    adjusted = tables["adjustments"].filter(recent(longest_wait))
    adjusted = adjusted.filter(f"is_damage and {is_due('write_off_lag_days')}")
    adjusted = adjusted.selectExpr(*grain, "write_off_lag_days as lag_days")
    damaged = of_kind(STOCK_EVENT, longest_wait).filter("event_type = 'damage'")
    write_offs = adjusted.join(damaged.select(*grain, "quantity"), grain)
    # When lines come that wait: those of carts that were left, and of shoppers who wait.
    carts = of_kind(CART_OUTCOME, LONGEST_RECOVERY_LAG).filter("is_recovery_due")
    left = tables["lines"].filter(recent(LONGEST_RECOVERY_LAG)).filter(is_due("recovery_lag_days"))
    left = left.join(carts.select("cart_number"), "cart_number", "left_semi").selectExpr(
        "cart_line_id",
        f"{RECOVERY} as attempt",
        f"{RECOVERY} as first_attempt",
        "quantity_requested as units",
        f"{due_day('recovery_lag_days')} as due_day",
    )
    short = of_kind(LINE_OUTCOME, LONGEST_WAIT).filter("wait_lag_days is not null")
    short = short.filter(is_due("wait_lag_days")).selectExpr(
        "cart_line_id",
        f"{LATER_VISIT} as attempt",
        "first_attempt",
        "quantity_requested - quantity_allocated as units",
        f"{due_day('wait_lag_days')} as due_day",
    )
    lines = tables["lines"].filter(recent(LONGEST_RECOVERY_LAG + LONGEST_WAIT))
    lines = lines.join(left.unionByName(short), "cart_line_id")
    return [
        (STOCK, "0", POSITION, stock),
        (OPENING_ORDER, "0", POSITION, opening),
        (DUE_ORDER, "0", POSITION, orders),
        (DUE_RETURN, "0", POSITION, returns),
        (DUE_WRITE_OFF, "0", POSITION, write_offs),
        (WAITING_LINE, "date_key", "cart_line_id", lines),
    ]


def ordered_stream(sources, location_batches):
    """DataFrame of all rows for simulate, each batch of locations in the order that it wants.

    sources: for each kind of rows its number, SQL of its day and of what sorts it (see
    stream_columns), and a DataFrame.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    parts = []
    for kind, date_key, order, rows in sources:
        columns = stream_columns(kind, PACKED_FIELDS.get(kind, ()), date_key, order)
        parts.append(rows.select(*[F.expr(sql).alias(name) for name, sql in columns.items()]))
    stream = reduce(lambda above, below: above.unionByName(below), parts)
    # A bare sort before mapInArrow may be optimised away; the order of a window may not.
    in_order = Window.partitionBy("location_batch").orderBy(
        F.expr("date_key div 100"), "stream_kind", "cart_line_id"
    )
    stream = stream.withColumn("location_batch", F.expr(f"location_key % {location_batches}"))
    return stream.withColumn("stream_position", F.row_number().over(in_order))


# Longer than a screen: dbt finds what a model reads in the text of this function alone.
def model(dbt, session):
    """Days, line outcomes, cart outcomes and stock events (OUTPUT_SCHEMA)."""
    from pyspark.sql import functions as F

    rules = Rules(
        low_inventory_threshold=int(dbt.config.get("low_inventory_threshold")),
        cart_abandonment_increase=float(dbt.config.get("cart_abandonment_increase")),
        cart_recovery_rate=float(dbt.config.get("cart_recovery_rate")),
    )
    days = dbt.ref("int_supply_calendar").toPandas()
    calendar = calendar_from_rows(days) if len(days) else None  # none with dbt build --empty
    lines = dbt.ref("int_cart_lines").withColumns(
        {
            "price_cents": F.round(F.col("unit_price") * 100),
            "discount_cents": F.round(F.col("discount_amount") * 100),
            "substitute_price_cents": F.round(F.col("substitute_unit_price") * 100),
            "substitute_discount_cents": F.round(F.col("substitute_discount_amount") * 100),
        }
    )
    plan, adjustments = dbt.ref("int_replenishment_plan"), dbt.ref("int_stock_adjustments")
    longest_return, schedule = dbt.ref("int_longest_return"), dbt.ref("supply_schedule")
    return_delay_days = dbt.config.get("return_delay_days")
    closed_days = dbt.ref("int_simulated_days").filter("closed_date is not null")
    closed_days = closed_days.selectExpr("datediff(closed_date, date '1970-01-01')").collect()
    closed_day, sources = None, []
    if dbt.is_incremental and closed_days:
        closed_day = closed_days[0][0]
        tables = {"plan": plan, "adjustments": adjustments, "lines": lines}
        tables["allocation"] = session.table(str(dbt.this))
        longest_lag = longest_return.first()[0]
        write_off_lag = schedule.agg({"write_off_lag_days": "max"}).first()[0]
        longest_wait = max(longest_lag + max(return_delay_days), write_off_lag)
        sources = state_sources(tables, calendar, closed_day, longest_wait)
        plan = plan.filter(f"month_key >= {date_keys(closed_day + 1) // 100}")
        is_new = f"date_key > {date_keys(closed_day)}"
        adjustments, lines = adjustments.filter(is_new), lines.filter(is_new)
    # Line ids begin with the day, so lines sort by day; other rows are sorted in the same column.
    month_start = "cast(date_key div 100 * 100 as int)"
    sources += [
        (PLAN, "month_key * 100", POSITION, plan),
        (ADJUSTMENT, month_start, "date_key", adjustments),
        (CART_LINE, "date_key", "cart_line_id", lines),
    ]
    # The maximum is taken here: docs/engine_notes.md#streams-of-rows
    months = plan.groupBy("month_key").count().collect()
    positions = max((month["count"] for month in months), default=0)
    played = days[days["date_key"] > date_keys(closed_day)] if closed_day else days
    location_batches = count_batches(
        positions, days["location_key"].nunique(), played["date_key"].nunique()
    )
    stream = ordered_stream(sources, location_batches)
    return stream.mapInArrow(
        lambda batches: simulate(batches, calendar, rules, closed_day), spark_ddl(OUTPUT_SCHEMA)
    )
