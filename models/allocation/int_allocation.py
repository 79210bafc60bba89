"""Play every location day by day: who gets the units on the shelf, and what is left tomorrow.

All randomness is drawn upstream, so this model is a pure function of its inputs. The inputs of a
location arrive as one stream sorted by month, so memory does not grow with the horizon: first the
month's replenishment plan, then its stock adjustments, then its cart lines. The state is carried
from day to day; each finished month is emitted as flat rows of four kinds (see RECORDS).

Inside a day, P is the number of products and L the number of cart lines of the location. Quantities
are units (int64 arrays while playing, INT when emitted); days are counted from 1970-01-01.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

EPOCH = np.datetime64("1970-01-01", "D")

# Kinds of rows in the input stream of a location and month, in the order in which they arrive. A
# column takes space in every row, so only lines, which are nearly all, have columns of their own.
PLAN, ADJUSTMENT, CART_LINE = 0, 1, 2

PLAN_FIELDS = {
    "product_key": np.int32,
    "order_up_to_level": np.int32,
    "opening_available": np.int32,
    "opening_in_transit": np.int32,
    "planned_daily_demand": np.float64,
    "reorder_point": np.int32,
    "reorder_quantity": np.int32,
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
}
# Small numbers, which travel as two bytes.
SMALL_FIELDS = (
    "quantity_requested",
    "return_lag_days",
    "restock_delay_days",
    "recovery_lag_days",
    "channel_key",
    "time_key",
    "device_number",
)
# What the simulation does not need itself: published with a day, a line or a cart, so that nobody
# has to join the plan or the lines again.
CARRIED_BY_DAY = ("planned_daily_demand", "reorder_point", "reorder_quantity")
CARRIED_BY_LINE = (
    "cart_line_id",
    "cart_number",
    "attempt",
    "customer_key",
    "channel_key",
    "time_key",
    "promotion_key",
    "is_digital",
    "quantity_requested",
    "price_cents",
    "discount_cents",
)
CARRIED_BY_CART = (
    "cart_number",
    "attempt",
    "customer_key",
    "channel_key",
    "time_key",
    "is_digital",
    "base_abandonment_rate",
)

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
    },
    STOCK_EVENT: {
        "event_type": pa.string(),
        "quantity": pa.int32(),
        "reference_date_key": pa.int32(),
    },
}
EVENT_NAMES = pa.array(["order", "failed_order", "receipt", "shrinkage", "damage", "write_off"])
ORDER, FAILED_ORDER, RECEIPT, SHRINKAGE, DAMAGE, WRITE_OFF = range(len(EVENT_NAMES))

OUTPUT_SCHEMA = pa.schema(
    {
        "record_kind": pa.string(),
        "location_key": pa.int32(),
        "product_key": pa.int32(),
        "date_key": pa.int32(),
    }
    | {name: kind for fields in RECORDS.values() for name, kind in fields.items()}
)
BATCH_ROWS = 65_536
# Shared by all batches that leave.
NULLS = {field.type: pa.nulls(BATCH_ROWS, field.type) for field in OUTPUT_SCHEMA}


def spark_ddl(schema):
    """The DDL string that Spark wants for an Arrow schema of the types used here."""
    names = {
        pa.int32(): "int",
        pa.int64(): "bigint",
        pa.float64(): "double",
        pa.bool_(): "boolean",
        pa.string(): "string",
        pa.date32(): "date",
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
    """Supply days and season of one location; every array has one element per simulated day.

    first_day: day number of the first element. What a review orders arrives lead_time_days later.
    """

    first_day: int
    is_review: np.ndarray
    is_receipt: np.ndarray
    is_peak: np.ndarray
    lead_time_days: int


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


def cart_triggers(cart, product, requested, opening, threshold, is_peak):
    """Per cart: lines below the threshold at opening, and whether peak demand exceeds stock.

    cart: (L,) index of the line's cart, 0..C-1; product: (L,) index into opening; requested: (L,)
    units; opening: (P,) units available this morning. Returns (C,) counts and (C,) booleans.
    """
    constrained_items = np.bincount(cart, weights=opening[product] < threshold).astype(np.int64)
    exceeded = np.zeros(len(constrained_items), dtype=bool)
    if is_peak:
        demand = np.bincount(product, weights=requested, minlength=len(opening))
        exceeded = np.bincount(cart, weights=demand[product] > opening[product]) > 0
    return constrained_items, exceeded


def allocate(product, requested, draw, line_id, opening):
    """Serve lines of each product in increasing draw (ties by line id) until its shelf is empty.

    All arguments but opening (P,) are (L,). Returns (L,) units left before and units got.
    """
    order = np.lexsort((line_id, draw, product))
    wanted = requested[order]
    asked_before = np.cumsum(wanted) - wanted
    starts = np.flatnonzero(np.diff(product[order], prepend=-1))
    group_sizes = np.diff(starts, append=len(order))
    asked_before -= np.repeat(asked_before[starts], group_sizes)
    left = np.empty_like(requested)
    left[order] = np.maximum(opening[product[order]] - asked_before, 0)
    return left, np.minimum(left, requested)


def concat(parts):
    """One dict of arrays from several with the same names; an array is masked if any part is."""
    joined = {}
    for name in parts[0]:
        values = [part[name] for part in parts]
        masked = any(np.ma.isMaskedArray(value) for value in values)
        joined[name] = np.ma.concatenate(values) if masked else np.concatenate(values)
    return joined


class LocationSimulator:
    """The stock of one location from its first simulated day on; see play_day for the order."""

    def __init__(self, plan, calendar, rules):
        """plan: dict of the first month's PLAN_FIELDS arrays, sorted by product_key."""
        size = len(plan["product_key"])
        self.rules, self.calendar = rules, calendar
        self.product_key = plan["product_key"]
        self.all_products = np.arange(size)
        self.available = plan["opening_available"].astype(np.int64)
        self.reserved = np.zeros(size, np.int64)
        self.damaged = np.zeros(size, np.int64)
        self.in_transit = plan["opening_in_transit"].astype(np.int64)
        # What was ordered before the first day is due on the first calendar receipt day.
        self.due_orders = {}
        if self.in_transit.any():
            due = calendar.first_day + int(np.argmax(calendar.is_receipt))
            self.due_orders[due] = (due - calendar.lead_time_days, self.in_transit.copy())
        self.stockout_days = np.zeros(size, np.int64)
        self.last_receipt = np.full(size, -1, np.int64)
        self.due_returns = defaultdict(list)
        self.due_write_offs = defaultdict(list)
        self.due_recoveries = defaultdict(list)

    def product_index(self, keys):
        return np.searchsorted(self.product_key, keys)

    def play_month(self, plan, failed_orders, adjustments, lines):
        """Play the simulated days of a month.

        plan, adjustments, lines: dicts of arrays; lines must be sorted by date_key.
        failed_orders: (P, 32) booleans, by day of the month: the supplier fails that day's order.
        Returns lists of dicts of arrays: days, line outcomes, cart outcomes, stock events. Every
        dict has the fields of its kind of RECORDS (of a day: without CARRIED_BY_DAY), the day and
        the product's index (of a cart: of its first line). Those of a day have an element for each
        product.
        """
        self.history, self.outcomes, self.carts, self.events = [], [], [], []
        month_key = int(plan["month_key"])
        next_month_key = month_key + 1 if month_key % 100 < 12 else month_key + 89
        month_start, next_start = day_numbers([month_key * 100 + 1, next_month_key * 100 + 1])
        first = max(int(month_start), self.calendar.first_day)
        last = min(int(next_start), self.calendar.first_day + len(self.calendar.is_peak)) - 1
        lines = dict(lines, attempt=np.ones(len(lines["cart_line_id"]), np.int32))
        lines["product"] = self.product_index(lines["product_key"])
        days_with_next = date_keys(np.arange(first, last + 2))
        cuts = np.searchsorted(lines["date_key"], days_with_next)
        adjustment_days = day_numbers(adjustments["date_key"])
        for day in range(first, last + 1):
            lo, hi = cuts[day - first], cuts[day - first + 1]
            today = {name: values[lo:hi] for name, values in lines.items()}
            adjusted = adjustment_days == day
            self.play_day(
                day,
                today,
                {name: adjustments[name][adjusted] for name in ADJUSTMENT_FIELDS},
                plan["order_up_to_level"],
                failed_orders[:, day - month_start + 1],
            )
        return self.history, self.outcomes, self.carts, self.events

    def play_day(self, day, lines, adjustments, level, order_fails):
        """One day, in the order that the published rules give.

        Receipts, returns, shipments; triggers and abandonment; allocation; adjustments; snapshot;
        orders. lines: dict of (L,) arrays; level: (P,) units; order_fails: (P,) booleans.
        """
        at = day - self.calendar.first_day
        if day in self.due_orders:
            self.receive(day, *self.due_orders.pop(day))
        for product, quantity in self.due_returns.pop(day, ()):
            np.add.at(self.available, product, quantity)
        self.reserved[:] = 0  # yesterday's digital units leave the building
        opening = self.available.copy()

        if day in self.due_recoveries:
            lines = concat([lines, *self.due_recoveries.pop(day)])
        if len(lines["cart_line_id"]):
            self.serve(day, lines, opening, bool(self.calendar.is_peak[at]))

        self.adjust(day, adjustments)
        self.snapshot(day)
        if self.calendar.is_review[at]:
            self.order(day, level, order_fails)

    def record_event(self, day, event, product, quantity, reference_day=None):
        """Quantities above zero of some products; reference_day: the order or damage behind it."""
        changed = quantity > 0
        if changed.any():
            count = int(changed.sum())
            self.events.append(
                {
                    "product": product[changed],
                    "date_key": np.full(count, day),
                    "event_type": np.full(count, event),
                    "quantity": quantity[changed],
                    "reference_date_key": np.full(
                        count, day if reference_day is None else reference_day
                    ),
                }
            )

    def receive(self, day, ordered_on, quantity):
        self.available += quantity
        self.in_transit -= quantity
        self.last_receipt[quantity > 0] = day
        self.record_event(day, RECEIPT, self.all_products, quantity, ordered_on)

    def serve(self, day, lines, opening, is_peak):
        """Triggers, abandonment and recovery, then allocation of the surviving lines."""
        rules, product = self.rules, lines["product"]
        cart_key = lines["cart_number"] * 2 + (lines["attempt"] == 2)
        _, first_line, cart = np.unique(cart_key, return_index=True, return_inverse=True)
        constrained_items, exceeded = cart_triggers(
            cart,
            product,
            lines["quantity_requested"],
            opening,
            rules.low_inventory_threshold,
            is_peak,
        )
        triggered = (constrained_items > 0) | exceeded
        increase = rules.cart_abandonment_increase * triggered
        first_attempt = lines["attempt"][first_line] == 1
        may_abandon = lines["is_digital"][first_line] & first_attempt
        base_rate = lines["base_abandonment_rate"][first_line]
        abandonment_draw = lines["abandonment_draw"][first_line]
        abandoned = may_abandon & (abandonment_draw < np.minimum(base_rate + increase, 1.0))
        recovery_rate = np.maximum(rules.cart_recovery_rate - increase, 0.0)
        recovered = abandoned & (lines["recovery_draw"][first_line] < recovery_rate)
        self.schedule_recoveries(day, lines, recovered[cart])

        survives = ~abandoned[cart]
        left = np.zeros(len(product), np.int64)
        got = np.zeros(len(product), np.int64)
        draw = np.where(
            lines["attempt"] == 1, lines["allocation_draw"], lines["recovery_allocation_draw"]
        )
        left[survives], got[survives] = allocate(
            product[survives],
            lines["quantity_requested"][survives],
            draw[survives],
            lines["cart_line_id"][survives],
            opening,
        )
        units = np.bincount(product, weights=got, minlength=len(opening)).astype(np.int64)
        shipped_later = np.bincount(
            product, weights=got * lines["is_digital"], minlength=len(opening)
        )
        self.available -= units
        self.reserved += shipped_later.astype(np.int64)
        self.schedule_returns(day, lines, got)
        self.outcomes.append(
            {name: lines[name] for name in CARRIED_BY_LINE}
            | {
                "product": product,
                "date_key": np.full(len(product), day),
                "return_lag_days": np.ma.masked_equal(lines["return_lag_days"], 0),
                "restock_delay_days": np.ma.masked_equal(lines["restock_delay_days"], 0),
                "opening_available": opening[product],
                "inventory_constrained_items": constrained_items[cart],
                "low_inventory_trigger": (constrained_items > 0)[cart],
                "capacity_exceeded_trigger": exceeded[cart],
                "is_abandoned": ~survives,
                "inventory_at_purchase": np.ma.array(left, mask=~survives),
                "quantity_allocated": got,
            }
        )
        requested = lines["quantity_requested"]
        net_cents = lines["price_cents"] - lines["discount_cents"]
        self.carts.append(
            {name: lines[name][first_line] for name in CARRIED_BY_CART}
            | {
                "product": product[first_line],
                "first_cart_line_id": lines["cart_line_id"][first_line],
                "date_key": np.full(len(first_line), day),
                "device_number": np.ma.masked_equal(lines["device_number"][first_line], 0),
                "inventory_constrained_items": constrained_items,
                "low_inventory_trigger": constrained_items > 0,
                "capacity_exceeded_trigger": exceeded,
                "is_abandoned": abandoned,
                "is_inventory_caused": abandoned & (abandonment_draw >= base_rate),
                "is_recovery_due": recovered,
                "items_count": np.bincount(cart),
                "units_requested": np.bincount(cart, weights=requested),
                "units_allocated": np.bincount(cart, weights=got),
                "value_cents": np.bincount(cart, weights=requested * net_cents),
                "order_cents": np.bincount(cart, weights=got * net_cents),
            }
        )

    def schedule_recoveries(self, day, lines, recovered):
        recovered = np.flatnonzero(recovered)
        lags = lines["recovery_lag_days"][recovered]
        for lag in np.unique(lags):
            chosen = recovered[lags == lag]
            again = {name: values[chosen] for name, values in lines.items()}
            again["attempt"] = np.full(len(chosen), 2, np.int32)
            self.due_recoveries[day + int(lag)].append(again)

    def schedule_returns(self, day, lines, got):
        comes_back = np.flatnonzero((got > 0) & (lines["return_lag_days"] > 0))
        due = lines["return_lag_days"][comes_back] + lines["restock_delay_days"][comes_back]
        for days in np.unique(due):
            chosen = comes_back[due == days]
            self.due_returns[day + int(days)].append((lines["product"][chosen], got[chosen]))

    def adjust(self, day, adjustments):
        """Damaged units are written off; units vanish, then units get damaged, while there are any.

        adjustments: dict of arrays with at most one row of each kind for a product.
        """
        for product, quantity, damaged_on in self.due_write_offs.pop(day, ()):
            self.damaged[product] -= quantity
            self.record_event(day, WRITE_OFF, product, quantity, damaged_on)
        products = self.product_index(adjustments["product_key"])
        for event, chosen in (
            (SHRINKAGE, ~adjustments["is_damage"]),
            (DAMAGE, adjustments["is_damage"]),
        ):
            product = products[chosen]
            quantity = np.minimum(adjustments["adjusted_quantity"][chosen], self.available[product])
            self.available[product] -= quantity
            self.record_event(day, event, product, quantity)
            if event == DAMAGE:
                self.damaged[product] += quantity
                lags = adjustments["write_off_lag_days"][chosen]
                for lag in np.unique(lags):
                    due = lags == lag
                    self.due_write_offs[day + int(lag)].append((product[due], quantity[due], day))

    def snapshot(self, day):
        self.stockout_days = np.where(self.available == 0, self.stockout_days + 1, 0)
        self.history.append(
            {
                "product": self.all_products,
                "date_key": np.full(len(self.available), day),
                "quantity_available": self.available.astype(np.int32),
                "quantity_reserved": self.reserved.astype(np.int32),
                "quantity_damaged": self.damaged.astype(np.int32),
                "quantity_in_transit": self.in_transit.astype(np.int32),
                "stockout_duration_days": self.stockout_days.astype(np.int32),
                "last_receipt_date": self.last_receipt.astype(np.int32),
            }
        )

    def order(self, day, level, fails):
        """Order up to the level; what the supplier fails is recorded and not in transit."""
        wanted = np.maximum(level - self.available - self.in_transit, 0)
        accepted = np.where(fails, 0, wanted)
        self.in_transit += accepted
        self.due_orders[day + self.calendar.lead_time_days] = (day, accepted)
        self.record_event(day, ORDER, self.all_products, accepted)
        self.record_event(day, FAILED_ORDER, self.all_products, wanted - accepted)


def arrow_array(values, name, kind):
    """Arrow array of a column; masked elements become NULL, day numbers become keys or dates."""
    if name == "event_type":
        return EVENT_NAMES.take(pa.array(values))
    mask = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
    values = np.ma.getdata(values)
    if name.endswith("date_key"):
        first = values.min()
        values = date_keys(np.arange(first, values.max() + 1))[values - first]
    if pa.types.is_date(kind):
        return pa.array(values.astype(np.int32), mask=values < 0).cast(kind)
    number = np.bool_ if pa.types.is_boolean(kind) else kind.to_pandas_dtype()
    return pa.array(values.astype(number, copy=False), mask=mask)


def stock_days(history, plan):
    """One dict of arrays from those of the month's days: product by product, with its plan."""
    days = {name: np.array([day[name] for day in history]).T.ravel() for name in history[0]}
    return days | {name: np.repeat(plan[name], len(history)) for name in CARRIED_BY_DAY}


def record_batches(record_kind, location_key, product_key, rows):
    """Arrow record batches (OUTPUT_SCHEMA) of rows of one kind.

    rows: dict of (N,) arrays: the fields of the kind in RECORDS, `date_key` as day numbers, and
    `product`, an index into product_key.
    """
    size = len(rows["product"])
    columns = {
        "record_kind": pa.repeat(record_kind, size),
        "location_key": pa.repeat(pa.scalar(location_key, pa.int32()), size),
        "product_key": pa.array(product_key[rows["product"]]),
    }
    for name, kind in {"date_key": pa.int32(), **RECORDS[record_kind]}.items():
        columns[name] = arrow_array(rows[name], name, kind)
    for start in range(0, size, BATCH_ROWS):
        arrays = [
            columns[field.name].slice(start, BATCH_ROWS)
            if field.name in columns
            else NULLS[field.type].slice(0, size - start)
            for field in OUTPUT_SCHEMA
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=OUTPUT_SCHEMA)


def numpy_columns(table, fields):
    """NumPy array of each field of an Arrow table; NULL becomes 0."""
    return {
        name: np.asarray(
            table[name].combine_chunks().fill_null(pa.scalar(0).cast(table[name].type))
        ).astype(kind)
        for name, kind in fields.items()
    }


def unpacked(lists, fields):
    """Arrow table of the fields that lists of numbers begin with; `rest`: what follows."""
    columns = {name: pc.list_element(lists, n) for n, name in enumerate(fields)}
    return pa.table(columns | {"rest": pc.list_slice(lists, len(fields))})


def failed_order_matrix(days_of_month):
    """(P, 32) booleans from an Arrow list column of days of the month."""
    lists = days_of_month.combine_chunks()
    failed = np.zeros((len(lists), 32), dtype=bool)
    rows = np.repeat(np.arange(len(lists)), lists.value_lengths().fill_null(0).to_numpy())
    failed[rows, lists.flatten().to_numpy().astype(np.int64)] = True
    return failed


def split_months(batches):
    """Regroup the stream into one Arrow table per location and month.

    Raises ValueError when stream_position does not count from 1 in each location: an engine that
    reorders must not go unnoticed.
    """
    pending, current = [], None
    last_location, last_position = None, 0
    for batch in batches:
        location, position = (
            np.asarray(batch.column(name)) for name in ("location_key", "stream_position")
        )
        if len(position):
            goes_on = np.append(location[0] == last_location, location[1:] == location[:-1])
            before = np.append(last_position, position[:-1])
            if (position != np.where(goes_on, before + 1, 1)).any():
                raise ValueError("rows of a location must arrive in the order of stream_position")
            last_location, last_position = location[-1], position[-1]
        month = np.asarray(batch.column("date_key")) // 100
        keys = location.astype(np.int64) * 1_000_000 + month
        cuts = np.flatnonzero(np.diff(keys)) + 1
        for start, stop in zip([0, *cuts], [*cuts, len(keys)], strict=True):
            if start == stop:
                continue
            if current is not None and keys[start] != current:
                yield divmod(current, 1_000_000), pa.Table.from_batches(pending)
                pending = []
            current = int(keys[start])
            pending.append(batch.slice(start, stop - start))
    if pending:
        yield divmod(current, 1_000_000), pa.Table.from_batches(pending)


def simulate(batches, calendars, rules):
    """Arrow record batches of the input stream -> record batches of OUTPUT_SCHEMA.

    calendars: dict of location_key -> Calendar. The rows of a location must come in the order of
    stream_position: by month, stream_kind, date and product or line (see model). They leave by
    location and month, and in a month by kind.
    """
    simulator, playing = None, None
    for (location_key, month_key), table in split_months(batches):
        kind = np.asarray(table["stream_kind"].combine_chunks())
        cuts = np.searchsorted(kind, [ADJUSTMENT, CART_LINE])
        plan_rows = unpacked(table["packed"][: cuts[0]], PLAN_FIELDS)
        adjustments = unpacked(table["packed"][cuts[0] : cuts[1]], ADJUSTMENT_FIELDS)
        plan = numpy_columns(plan_rows, PLAN_FIELDS)
        if location_key != playing:
            simulator = LocationSimulator(plan, calendars[location_key], rules)
            playing = location_key
        plan["month_key"] = month_key
        history, *parts = simulator.play_month(
            plan,
            failed_order_matrix(plan_rows["rest"]),
            numpy_columns(adjustments, ADJUSTMENT_FIELDS),
            numpy_columns(table.slice(cuts[1]), LINE_FIELDS),
        )
        records = {STOCK_DAY: stock_days(history, plan)}
        for record_kind, played in zip(
            (LINE_OUTCOME, CART_OUTCOME, STOCK_EVENT), parts, strict=True
        ):
            if played:
                records[record_kind] = concat(played)
        for record_kind, rows in records.items():
            yield from record_batches(record_kind, location_key, simulator.product_key, rows)


def model(dbt, session):
    """Days, line outcomes, cart outcomes and stock events (OUTPUT_SCHEMA)."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    rules = Rules(
        low_inventory_threshold=int(dbt.config.get("low_inventory_threshold")),
        cart_abandonment_increase=float(dbt.config.get("cart_abandonment_increase")),
        cart_recovery_rate=float(dbt.config.get("cart_recovery_rate")),
    )
    supply_days = dbt.ref("int_supply_calendar").toPandas()
    calendars = {}
    for location_key, days in supply_days.sort_values("date_key").groupby("location_key"):
        calendars[int(location_key)] = Calendar(
            first_day=int(day_numbers(days["date_key"].to_numpy()[0])),
            is_review=days["is_review_day"].to_numpy(bool),
            is_receipt=days["is_receipt_day"].to_numpy(bool),
            is_peak=days["is_peak_season"].to_numpy(bool),
            lead_time_days=int(days["lead_time_days"].iloc[0]),
        )

    lines = dbt.ref("int_cart_lines").withColumns(
        {
            "price_cents": F.round(F.col("unit_price") * 100),
            "discount_cents": F.round(F.col("discount_amount") * 100),
        }
    )
    spark_types = {np.int32: "int", np.int64: "bigint", np.float64: "double", np.bool_: "boolean"}
    line_columns = {name: spark_types[kind] for name, kind in LINE_FIELDS.items()}
    line_columns |= dict.fromkeys(SMALL_FIELDS, "smallint")
    # Line ids begin with the day, so lines sort by day; other rows are sorted in the same column.
    month_start = "cast(date_key div 100 * 100 as int)"
    sources = (
        (PLAN, PLAN_FIELDS, "month_key * 100", "product_key", dbt.ref("int_replenishment_plan")),
        (ADJUSTMENT, ADJUSTMENT_FIELDS, month_start, "date_key", dbt.ref("int_stock_adjustments")),
        (CART_LINE, {}, "date_key", "cart_line_id", lines),
    )
    stream = None
    for kind, packed_fields, date_key, order, rows in sources:
        packed = f"array({', '.join(f'cast({name} as double)' for name in packed_fields)})"
        if kind == PLAN:
            packed = f"concat({packed}, cast(failed_order_days as array<double>))"
        columns = {"stream_kind": str(kind), "location_key": "location_key"}
        columns["packed"] = "cast(null as array<double>)" if kind == CART_LINE else packed
        for name, spark_type in line_columns.items():
            columns[name] = f"cast({name if kind == CART_LINE else 'null'} as {spark_type})"
        columns |= {"date_key": date_key, "cart_line_id": f"cast({order} as bigint)"}
        part = rows.select(*[F.expr(column).alias(name) for name, column in columns.items()])
        stream = part if stream is None else stream.unionByName(part)
    # A bare sort before mapInArrow may be optimised away; the order of a window may not.
    in_order = Window.partitionBy("location_key").orderBy(
        F.expr("date_key div 100"), "stream_kind", "cart_line_id"
    )
    stream = stream.withColumn("stream_position", F.row_number().over(in_order))
    return stream.mapInArrow(
        lambda batches: simulate(batches, calendars, rules), spark_ddl(OUTPUT_SCHEMA)
    )
