"""When known customers come: one row per customer, place and day, before anything is wanted.

Orders of a customer are a Poisson process at the customer's own rate, in step with the traffic of
the place, from the day of joining until the customer leaves. Each month is drawn on its own and
each customer alone, so neither the window nor other customers play a part. In shapes, N is the
number of customers in a batch and V of their visits.
"""

from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa

# Streams of random numbers: one number for each use, never reused (others: int_cart_lines,
# int_demand_levels, int_replenishment_plan).
VISITS_IN_STORES, VISITS_ONLINE = 20, 21
COUNT, DAY, OTHER_STORE, WHICH_STORE = range(4)  # draws of a customer and month, or of a visit

DAYS_OF_YEAR = 365.0
EPOCH = np.datetime64("1970-01-01")

OUTPUT_SCHEMA = pa.schema(
    [
        ("customer_number", pa.int32()),
        ("location_key", pa.int32()),
        ("date_key", pa.int32()),
        ("is_first", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Habits:
    """Variables and seeds that all visits share.

    traffic: dict of (channel group, month_key) -> (days since 1970-01-01, demand index), of whole
    months. other_stores: dict of a store -> (stores of its region, cumulative shares).
    """

    random_seed: int
    cart_abandonment_base_rate: float
    cart_recovery_rate: float
    other_store_share: float
    traffic: dict
    other_stores: dict


def keyed_uniforms(seed, stream, *keys):
    """Uniforms in [0, 1) that depend on the keys alone, in any order and batch.

    keys: whole numbers or arrays of them. SplitMix64 (Steele, Lea and Flood 2014), once a key: the
    same on every machine.
    """
    state: Any = np.uint64((seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % 2**64)
    with np.errstate(over="ignore"):
        for key in keys:
            state = (state ^ np.asarray(key).astype(np.uint64)) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(11)) * 2.0**-53


def share_not_abandoned(shape, increase=0.0):
    """Share of digital carts that buy in the end, when abandonment is higher by `increase`.

    At least 5%: no number of carts meets the plan when all are abandoned.
    """
    abandoned = min(shape.cart_abandonment_base_rate + increase, 1.0)
    recovered = max(shape.cart_recovery_rate - increase, 0.0)
    return max(0.05, 1 - abandoned * (1 - recovered))


def poisson_quantile(mean, draw):
    """Inverse CDF of the Poisson distribution (normal approximation above a mean of 500).

    mean, draw: arrays or numbers, which are broadcast. Returns the least counts whose CDF is above
    the draws.
    """
    mean, draw = np.asarray(mean), np.asarray(draw)
    counts = np.zeros(np.broadcast_shapes(mean.shape, draw.shape), np.int64)
    # Most draws are below 1 - mean, which is not above exp(-mean), the chance of none.
    at = np.flatnonzero(draw >= 1 - mean)
    mean, draw = (np.broadcast_to(each, counts.shape).ravel()[at] for each in (mean, draw))
    draw = np.clip(draw, 1e-12, 1 - 1e-12)  # sums of rounded chances may end so far below 1
    found = np.zeros(len(at), np.int64)
    for n in np.flatnonzero(mean > 500):
        found[n] = round(NormalDist(mean[n], mean[n] ** 0.5).inv_cdf(draw[n]))
    count, chance = 0, np.exp(-mean)
    left = np.flatnonzero((mean <= 500) & (draw >= chance))
    mean, draw, chance = mean[left], draw[left], chance[left]
    cdf = chance
    while len(left):  # more than count: as many counts again at once, up to 32
        more = range(count + 1, count + 1 + min(count + 1, 32))
        least, factor, sums = count + 1, 1.0, 0.0
        for count in more:
            factor = factor * (mean / count)
            sums = sums + chance * factor
            is_above = draw >= cdf + sums
            least = least + is_above
        found[left] = least
        above = np.flatnonzero(is_above)
        cdf, chance = (cdf + sums)[above], (chance * factor)[above]
        left, mean, draw = left[above], mean[above], draw[above]
    counts.ravel()[at] = found
    return counts[()]


def visits_of_month(month_key, customers, is_store, habits):
    """Customers' indices, places and days of a month's visits, (V,) each, thinned by nothing yet.

    customers: dict of columns (N,) with annual_visits, place and customer_number.
    """
    group = "store" if is_store else "digital"
    stream = VISITS_IN_STORES if is_store else VISITS_ONLINE
    days, index = habits.traffic[group, month_key]
    number = customers["customer_number"]
    seed = habits.random_seed
    mean = customers["annual_visits"] * (index.sum() / DAYS_OF_YEAR)
    counts = poisson_quantile(mean, keyed_uniforms(seed, stream, number, month_key, COUNT, 0))
    who = np.repeat(np.arange(len(number)), counts)
    which = np.arange(len(who)) - np.repeat(np.cumsum(counts) - counts, counts)

    def draws(use):
        return keyed_uniforms(seed, stream, number[who], month_key, use, 1 + which)

    cdf = np.cumsum(index)
    at = np.minimum(np.searchsorted(cdf, draws(DAY) * cdf[-1], side="right"), len(days) - 1)
    home = customers["place"][who]
    place = home.copy()
    if is_store:
        elsewhere = np.flatnonzero(draws(OTHER_STORE) < habits.other_store_share)
        which_store = draws(WHICH_STORE)
        for store in np.unique(home[elsewhere]).tolist():
            stores, shares = habits.other_stores.get(store, ((), ()))
            if len(stores):
                moved = elsewhere[home[elsewhere] == store]
                chosen = np.searchsorted(shares, which_store[moved], "right")
                place[moved] = stores[np.minimum(chosen, len(stores) - 1)]
    return who, place, days[at]


def visits_of(batch, months, first_day, last_day, habits):
    """Table of OUTPUT_SCHEMA of a batch of customers (N,), of the days from first to last."""

    def numbers(name):
        return batch.column(name).to_numpy(zero_copy_only=False)

    def days(name):
        return numbers(name).astype("datetime64[D]").astype(np.int64)

    number, joined, left = numbers("customer_number"), days("acquisition_date"), days("leave_date")
    places, parts = (numbers("nearest_store_id"), numbers("fulfillment_location_id")), []
    orders, in_stores = numbers("annual_orders"), numbers("store_share")
    carts = orders * in_stores, orders * (1 - in_stores) / share_not_abandoned(habits)
    for month_key in months:
        for is_store, place, annual in zip((True, False), places, carts, strict=True):
            if ("store" if is_store else "digital", month_key) in habits.traffic:
                customers = {"customer_number": number, "place": place, "annual_visits": annual}
                who, where, day = visits_of_month(month_key, customers, is_store, habits)
                kept = (joined[who] < day) & (day <= left[who])
                kept &= (first_day <= day) & (day <= last_day)
                parts.append(
                    (number[who[kept]], where[kept], day[kept], np.zeros(kept.sum(), bool))
                )
    first = np.flatnonzero((first_day <= joined) & (joined <= last_day))
    parts.append(
        (
            number[first],
            numbers("first_location_key")[first],
            joined[first],
            np.ones(len(first), bool),
        )
    )
    number, where, day, is_first = (np.concatenate(part) for part in zip(*parts, strict=True))
    # Who comes twice to a place on a day fills one cart.
    order = np.lexsort((where, day, number))
    steps = np.diff(np.stack([number, where, day])[:, order], axis=1)
    kept = order[np.append(True, steps.any(axis=0))[: len(order)]]
    dates = (EPOCH + day[kept]).astype("datetime64[D]")
    months_of = dates.astype("datetime64[M]").astype(np.int64)
    in_month = (dates - dates.astype("datetime64[M]")).astype(np.int64)
    date_key = (1970 + months_of // 12) * 10_000 + (months_of % 12 + 1) * 100 + in_month + 1
    columns = number[kept], where[kept], date_key, is_first[kept]
    return pa.Table.from_arrays(
        [
            pa.array(values.astype(field.type.to_pandas_dtype()), field.type)
            for values, field in zip(columns, OUTPUT_SCHEMA, strict=True)
        ],
        schema=OUTPUT_SCHEMA,
    )


def traffic_by_month(traffic, season_response):
    """Habits.traffic from int_traffic_plan (a pandas frame) of whole months.

    Regular customers follow weekdays and holidays as all do, but less the season.
    """
    by_month = {}
    for (group, month_key), rows in traffic.groupby(["channel_group", "month_key"]):
        rows = rows.sort_values("date_key")
        days = rows["calendar_date"].to_numpy("datetime64[D]").astype(np.int64)
        season = rows["month_factor"].to_numpy(float) ** (season_response - 1)
        index = np.round(rows["demand_index"].to_numpy(float) * season, 6)
        by_month[group, int(month_key)] = days, index
    return by_month


def stores_of_regions(locations):
    """Habits.other_stores from a frame of stores' location_key, region, average_daily_units."""
    others = {}
    for _, rows in locations.groupby("region"):
        rows = rows.sort_values("location_key")
        keys, weight = rows["location_key"].to_numpy(), rows["average_daily_units"].to_numpy(float)
        for key in keys.tolist():
            here = keys != key
            if here.any() and weight[here].sum() > 0:
                others[key] = keys[here], np.cumsum(weight[here]) / weight[here].sum()
    return others


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


def first_new_day(world, is_incremental):
    """First day to be generated, from the row of int_simulated_days."""
    if is_incremental and world.closed_date:
        return world.closed_date + timedelta(days=1)
    return world.first_date


def model(dbt, session):
    """One row per known customer, place and day of a visit (OUTPUT_SCHEMA)."""
    (world,) = dbt.ref("int_simulated_days").collect()
    start, stop = first_new_day(world, dbt.is_incremental), world.last_date
    traffic = dbt.ref("int_traffic_plan").filter(f"month_key between {start:%Y%m} and {stop:%Y%m}")
    settings = dbt.ref("customer_lives").toPandas().set_index("parameter")["parameter_value"]
    stores = (
        dbt.ref("int_location_demand")
        .filter("channel_group = 'store'")
        .select("location_key", "average_daily_units")
        .join(dbt.ref("gold_location_dim").select("location_key", "region"), "location_key")
    )
    habits = Habits(
        random_seed=int(dbt.config.get("random_seed")),
        cart_abandonment_base_rate=float(dbt.config.get("cart_abandonment_base_rate")),
        cart_recovery_rate=float(dbt.config.get("cart_recovery_rate")),
        other_store_share=float(settings["other_store_share"]),
        traffic=traffic_by_month(traffic.toPandas(), float(settings["season_response"])),
        other_stores=stores_of_regions(stores.toPandas()),
    )
    first_day, last_day = (int(np.datetime64(d, "D").astype(np.int64)) for d in (start, stop))
    months = sorted({month_key for _, month_key in habits.traffic})
    customers = (
        dbt.ref("int_customer_lives")
        .filter(f"leave_date >= '{start}'")
        .select(
            "customer_number",
            "acquisition_date",
            "leave_date",
            "annual_orders",
            "store_share",
            "nearest_store_id",
            "fulfillment_location_id",
            "first_location_key",
        )
    )

    def visits(batches):
        for batch in batches:
            if batch.num_rows:
                table = visits_of(batch, months, first_day, last_day, habits)
                yield from table.to_batches()

    return customers.mapInArrow(visits, spark_ddl(OUTPUT_SCHEMA))
