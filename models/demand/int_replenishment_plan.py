"""How stock is ordered: levels by month, opening stock, and the orders that suppliers fail.

Each location reviews its stock periodically and orders up to a level that covers planned demand
(periodic review, order-up-to or (R, S) policy: Silver, Pyke and Thomas 2017, section 6.7).
Suppliers have outages during which orders fail; how often they begin is calibrated, on an
independent sample, so that the target share of product-location-days has nothing available.
Nothing here looks at simulated sales, and nothing depends on how many days are simulated.

P is the number of products of a location, M of months.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# Streams of random numbers: one number for each use, never reused (1 to 3: int_cart_lines).
OUTAGES, BURN_IN, CALIBRATION = 4, 5, 6

BURN_IN_CYCLES = 12  # review periods before the first day: enough to run out of the first level

OUTPUT_SCHEMA = pa.schema(
    [
        ("location_key", pa.int32()),
        ("product_key", pa.int32()),
        ("month_key", pa.int32()),
        ("planned_daily_demand", pa.float64()),
        ("order_up_to_level", pa.int32()),
        ("reorder_point", pa.int32()),
        ("reorder_quantity", pa.int32()),
        ("opening_available", pa.int32()),
        ("opening_in_transit", pa.int32()),
        ("failed_order_days", pa.list_(pa.int32())),
    ]
)
OUTPUT_DDL = (
    "location_key int, product_key int, month_key int, planned_daily_demand double,"
    " order_up_to_level int, reorder_point int, reorder_quantity int, opening_available int,"
    " opening_in_transit int, failed_order_days array<int>"
)


@dataclass(frozen=True)
class Schedule:
    """Supply of a location type, in days; outage_mean_days is how long a supplier is out."""

    review_period_days: int
    lead_time_days: int
    cover_days: int
    outage_mean_days: float


@dataclass(frozen=True)
class OutageCurve:
    """Probability that an outage begins in a review period, by planned daily demand."""

    daily_demand: np.ndarray
    start_probability: np.ndarray

    def __call__(self, daily_demand):
        log_demand = np.log(np.maximum(daily_demand, self.daily_demand[0]))
        return np.interp(log_demand, np.log(self.daily_demand), self.start_probability)


def uniforms(seed, stream, location, day):
    """Generator of a block's uniforms in [0, 1): the same with every machine and NumPy version."""
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, location, day]))


def poisson_quantiles(means, draws):
    """Inverse CDF of the Poisson distribution, element by element (means above 600: the mean)."""
    mean, draw = means.ravel(), draws.ravel()
    counts = np.where(mean > 600, np.round(mean), 0).astype(np.int64)
    at = np.flatnonzero(mean <= 600)
    mean, draw = mean[at], draw[at]
    term = np.exp(-mean)
    cdf, count = term.copy(), 0
    while len(at):
        above = (draw >= cdf) & (term > 0)
        at, mean, draw = at[above], mean[above], draw[above]
        count += 1
        counts[at] = count
        term = term[above] * mean / count
        cdf = cdf[above] + term
    return counts.reshape(means.shape)


def gamma_quantiles(draws):
    """Gamma with shape 2 and mean 1 from pairs of uniforms, (..., 2): how uneven weeks are."""
    return -np.log1p(-draws).sum(axis=-1) / 2


def order_up_to_levels(stocking_demand, cover_days):
    """(M - 2, P) levels that cover the next cover_days, seen from the middle of each month.

    stocking_demand: (M, P) units a day. One unit more, so that slow movers are not bought too late.
    """
    this_month = min(15, cover_days)
    next_month = min(30, cover_days - this_month)
    later = cover_days - this_month - next_month
    demand = (
        this_month * stocking_demand[:-2]
        + next_month * stocking_demand[1:-1]
        + later * stocking_demand[2:]
    )
    return np.where(demand > 0, np.ceil(demand) + 1, 0).astype(np.int64)


def stay_probability(schedule):
    """Probability that an outage lasts into the next review: its length is exponential."""
    return np.exp(-schedule.review_period_days / schedule.outage_mean_days)


def long_run_probability(start, stay):
    """Share of reviews with an outage: the stationary state of the two-state Markov chain."""
    return start / (1 - stay + start)


def calibrate_outages(seed, schedule, target_rate, net_share, positions=256, cycles=20):
    """OutageCurve that makes the sample's share of days with nothing available the target.

    net_share: share of sold units that do not come back. The sample is independent of the world:
    its own positions at a grid of planned demands, common random numbers, a bisection for each.
    """
    grid = np.geomspace(0.003, 12.0, 14)
    demand = np.repeat(grid, positions)
    level = np.ceil(demand * schedule.cover_days) + 1
    period, lead_time = schedule.review_period_days, schedule.lead_time_days
    rng = uniforms(seed, CALIBRATION, 0, schedule.cover_days)
    weeks = -(-period // 7)
    all_cycles = BURN_IN_CYCLES + cycles
    first_outage = rng.random(len(demand))
    outage = rng.random((all_cycles, len(demand)))
    unevenness = gamma_quantiles(rng.random((all_cycles, weeks, len(demand), 2)))
    means = demand * net_share * np.repeat(unevenness, 7, axis=1)[:, :period]
    daily = poisson_quantiles(means, rng.random(means.shape))

    low, high = np.zeros(len(grid)), np.full(len(grid), 0.9)
    stay = stay_probability(schedule)
    for _ in range(12):
        start = (low + high) / 2
        available, in_transit = level.copy(), np.zeros(len(demand))
        start_of_each = np.repeat(start, positions)
        failing = first_outage < long_run_probability(start_of_each, stay)
        empty = np.zeros(len(demand))
        for cycle, (days, draw) in enumerate(zip(daily, outage, strict=True)):
            for day, wanted in enumerate(days):  # day 0 is the day after the review
                if day == lead_time - 1:
                    available += in_transit
                    in_transit = np.zeros(len(demand))
                available = np.maximum(available - wanted, 0)
                if cycle >= BURN_IN_CYCLES:
                    empty += available == 0
            failing = draw < np.where(failing, stay, start_of_each)
            in_transit = np.where(failing, 0, np.maximum(level - available, 0))
        rate = empty.reshape(len(grid), positions).mean(axis=1) / (cycles * period)
        low, high = (
            np.where(rate < target_rate, start, low),
            np.where(rate < target_rate, high, start),
        )
    return OutageCurve(grid, (low + high) / 2)


def opening_stock(seed, location_key, first_day, days_since_review, schedule, demand, level, start):
    """Stock on the eve of the first day, after a burn-in with the planned demand.

    demand, level, start: (P,) net units a day, order-up-to level, outage start probability.
    Returns (available, in transit, supplier is failing), each (P,).
    """
    size, stay = len(demand), stay_probability(schedule)
    period, lead_time = schedule.review_period_days, schedule.lead_time_days
    # The last review before the first day, then back a whole number of periods.
    review = first_day - (days_since_review or period) - BURN_IN_CYCLES * period
    reviews = range(review, first_day, period)
    # Days of demand before and from the receipt, which is on the shelf for its own day's demand.
    exposures = np.array(
        [
            (
                min(day + lead_time, first_day) - day - 1,
                max(0, min(day + period + 1, first_day) - day - lead_time),
            )
            for day in reviews
        ]
    )
    draws = np.array(
        [uniforms(seed, BURN_IN, location_key, day).random((2, size, 3)) for day in reviews]
    )
    means = demand * exposures[:, :, None] * gamma_quantiles(draws[..., :2])
    wanted = poisson_quantiles(means, draws[..., 2])

    first_draw = uniforms(seed, BURN_IN, location_key, review - period).random(size)
    failing = first_draw < long_run_probability(start, stay)
    available, in_transit = level.copy(), np.zeros(size, np.int64)
    for day, before_receipt, after_receipt in zip(reviews, wanted[:, 0], wanted[:, 1], strict=True):
        draw = uniforms(seed, OUTAGES, location_key, day).random(size)
        failing = draw < np.where(failing, stay, start)
        in_transit = np.where(failing, 0, np.maximum(level - available, 0))
        available = np.maximum(available - before_receipt, 0)
        if day + lead_time < first_day:
            available, in_transit = available + in_transit, np.zeros(size, np.int64)
        available = np.maximum(available - after_receipt, 0)
    return available, in_transit, failing


def plan_location(
    table, location_key, days_since_review, first_day, seed, schedule, curve, net_share
):
    """Plan of one location: table of OUTPUT_SCHEMA from its rows of int_demand_plan (Arrow table).

    days_since_review: on the first simulated day. The last two months only serve to look ahead.
    """
    columns = {name: np.asarray(table[name].combine_chunks()) for name in table.column_names}
    order = np.lexsort((columns["product_key"], columns["month_key"]))
    columns = {name: values[order] for name, values in columns.items()}
    products = np.unique(columns["product_key"])
    months = np.unique(columns["month_key"])[:-2]
    shape = len(months) + 2, len(products)
    stocking = columns["stocking_daily_demand"].reshape(shape)
    planned = columns["planned_daily_demand"].reshape(shape)[:-2]
    level = order_up_to_levels(stocking, schedule.cover_days)
    start = curve(stocking[0])
    # Before the launch nothing is sold, so launch stock is complete.
    available, in_transit, failing = opening_stock(
        seed,
        location_key,
        first_day,
        days_since_review,
        schedule,
        planned[0] * net_share,
        level[0],
        start,
    )

    failed_days = []
    stay = stay_probability(schedule)
    for row, month in enumerate(months):
        month_start = np.datetime64(f"{month // 100}-{month % 100:02d}", "M")
        first, stop = (
            int((month_start + n).astype("datetime64[D]").astype(np.int64)) for n in (0, 1)
        )
        start = curve(stocking[row])
        failed = np.zeros((len(products), stop - first), dtype=bool)
        for day in range(max(first, first_day), stop):
            if (day - first_day + days_since_review) % schedule.review_period_days == 0:
                draw = uniforms(seed, OUTAGES, location_key, day).random(len(products))
                failing = draw < np.where(failing, stay, start)
                failed[:, day - first] = failing
        day = np.nonzero(failed)[1]
        offsets = np.concatenate([[0], np.cumsum(failed.sum(axis=1))]).astype(np.int32)
        failed_days.append(pa.ListArray.from_arrays(offsets, pa.array(day + 1, pa.int32())))

    is_first = np.repeat(np.arange(len(months)) == 0, len(products))
    exposure = schedule.review_period_days + schedule.lead_time_days
    values = {
        "location_key": np.full(len(is_first), location_key),
        "product_key": np.tile(products, len(months)),
        "month_key": np.repeat(months, len(products)),
        "planned_daily_demand": planned.ravel(),
        "order_up_to_level": level.ravel(),
        "reorder_point": np.ceil(planned * exposure).ravel(),
        "reorder_quantity": np.ceil(planned * schedule.review_period_days).ravel(),
        "opening_available": np.ma.array(np.tile(available, len(months)), mask=~is_first),
        "opening_in_transit": np.ma.array(np.tile(in_transit, len(months)), mask=~is_first),
    }
    arrays = [
        pa.array(np.ma.getdata(data), mask=np.ma.getmaskarray(data)).cast(
            OUTPUT_SCHEMA.field(name).type
        )
        for name, data in values.items()
    ]
    return pa.Table.from_arrays([*arrays, pa.concat_arrays(failed_days)], schema=OUTPUT_SCHEMA)


def model(dbt, session):
    """One row per product, location and month (OUTPUT_SCHEMA)."""
    seed = int(dbt.config.get("random_seed"))
    target_rate = float(dbt.config.get("target_stockout_rate"))
    net_share = 1 - float(dbt.config.get("return_rate"))
    schedules, curves = {}, {}
    for row in dbt.ref("supply_schedule").toPandas().itertuples():
        schedule = Schedule(
            review_period_days=int(row.review_period_days),
            lead_time_days=int(row.lead_time_days),
            cover_days=int(row.cover_days),
            outage_mean_days=float(row.supplier_outage_mean_days),
        )
        schedules[row.location_type] = schedule
        curves[row.location_type] = calibrate_outages(seed, schedule, target_rate, net_share)
    location_type = {
        row.location_key: row.location_type
        for row in dbt.ref("gold_location_dim").select("location_key", "location_type").collect()
    }
    calendar = dbt.ref("int_supply_calendar")
    first_date = calendar.agg({"calendar_date": "min"}).collect()[0][0]
    first_day = int(np.datetime64(first_date, "D").astype(np.int64))
    days_since_review = {
        row.location_key: row.days_since_review
        for row in calendar.filter(calendar.calendar_date == first_date)
        .select("location_key", "days_since_review")
        .collect()
    }

    def one_location(table):
        location_key = table["location_key"][0].as_py()
        kind = location_type[location_key]
        return plan_location(
            table,
            location_key,
            days_since_review[location_key],
            first_day,
            seed,
            schedules[kind],
            curves[kind],
            net_share,
        )

    demand = dbt.ref("int_demand_plan").select(
        "location_key", "product_key", "month_key", "planned_daily_demand", "stocking_daily_demand"
    )
    return demand.groupBy("location_key").applyInArrow(one_location, OUTPUT_DDL)
