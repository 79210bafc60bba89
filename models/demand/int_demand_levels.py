"""How demand of a colourway moves over months, everywhere and by region: mean demand follows it.

A level is a sum of innovations, each keyed by its own week, so that every month is computed alone
and longer windows change none. Weeks begin on Monday; between Mondays a level moves evenly from day
to day. P is the number of colourways, W of weeks; days are counted from 1970-01-01.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

# Streams of random numbers: one number for each use, never reused (others: int_cart_lines,
# int_replenishment_plan).
PRODUCT_LEVEL, REGION_LEVEL = 9, 10

MONTHS_AHEAD = 4  # as many months beyond the last simulated one are planned: planned_months_ahead
PAST_WEEKS = 13  # weeks before a month whose sales planners look at
SMALLEST_WEIGHT = 0.01  # innovations that weigh less than the newest by this factor are left out

OUTPUT_SCHEMA = pa.schema(
    [
        ("region", pa.string()),
        ("colorway_key", pa.int32()),
        ("month_key", pa.int32()),
        ("month_level", pa.float64()),
        ("past_level", pa.float64()),
        ("monday_levels", pa.list_(pa.float64())),
    ]
)


@dataclass(frozen=True)
class Component:
    """A row of the seed demand_levels."""

    weekly_persistence: float
    log_deviation: float


def block_generators(seed, stream, locations, days):
    """The random generator of each block in turn: locations, days (B,), since 1970-01-01.

    The uniforms of a block depend on nothing but its keys: not on the machine, nor on NumPy's
    version. One generator is set to the counter of each block, because making a new one takes
    longer than the draws of most blocks.
    """
    bits = np.random.Philox(key=[seed, stream])
    generator = np.random.Generator(bits)
    # Of lists, which it reads in half the time that its own arrays take.
    counter = [0, 0, 0, 0]
    state: Any = bits.state
    state |= {"state": {"counter": counter, "key": [seed, stream]}, "buffer": [0, 0, 0, 0]}
    for location, day in zip(locations, days, strict=True):
        counter[2:] = location, day
        bits.state = state
        yield generator


def innovation_weights(component):
    """(K,) weights of the innovations of a week and of the weeks before it, newest first."""
    persistence, weights = component.weekly_persistence, [1.0]
    while (weight := weights[-1] * persistence) >= SMALLEST_WEIGHT:
        weights.append(weight)
    return np.array(weights) * component.log_deviation / np.sqrt(np.square(weights).sum())


def monday_levels(component, draws):
    """Levels with mean 1 from uniforms (K - 1 + W, ...), one for each week: (W, ...).

    The K - 1 weeks come before the first whose level is asked for; K: see innovation_weights.
    """
    weights = innovation_weights(component)
    weeks = len(draws) - len(weights) + 1
    # Uniform innovations have variance 1 and a bounded sum, whose exponential has a known mean.
    innovations = (draws - 0.5) * 12**0.5
    logarithm: np.ndarray = np.zeros((weeks, *draws.shape[1:]))
    for age, weight in enumerate(weights):
        first = len(weights) - 1 - age
        logarithm += weight * innovations[first : first + weeks]
    reach = weights[weights > 0] * 3**0.5
    return np.exp(logarithm) / np.prod(np.sinh(reach) / reach)


def week_of(days):
    """Number of the week of each day; week 0 begins on the Monday before 1970-01-01."""
    return (np.asarray(days) + 3) // 7


def levels_between(component, seed, stream, place, weeks, size):
    """(W, size) levels on the Mondays of weeks from the first to the last, (2,), at a place."""
    earlier = len(innovation_weights(component)) - 1
    drawn = range(weeks[0] - earlier, weeks[1] + 1)
    generators = block_generators(seed, stream, [place] * len(drawn), drawn)
    return monday_levels(component, np.array([each.random(size) for each in generators]))


def on_days(levels, first_week, days):
    """(D, ...) levels of days from those on Mondays, (W, ...), which begin with a week."""
    week, weekday = np.divmod(np.asarray(days) + 3, 7)
    at = week - first_week
    ahead = (weekday / 7).reshape(-1, *[1] * (levels.ndim - 1))
    return levels[at] * (1 - ahead) + levels[at + 1] * ahead


def month_days(month_key):
    """First day of a month (YYYYMM) and of the next one, since 1970-01-01."""
    month = np.datetime64(f"{month_key // 100}-{month_key % 100:02d}", "M")
    return tuple(int((month + n).astype("datetime64[D]").astype(np.int64)) for n in (0, 1))


def levels_of_month(month_key, colorway_keys, regions, components, seed):
    """Tables of OUTPUT_SCHEMA of a month, one for each region.

    colorway_keys: (P,) from 1, increasing. components: dict of Component by name.
    """
    first, stop = month_days(month_key)
    weeks = int(week_of(first)) - PAST_WEEKS, int(week_of(stop - 1)) + 1
    size = int(colorway_keys[-1])
    everywhere = levels_between(components["product_level"], seed, PRODUCT_LEVEL, 0, weeks, size)
    for place, region in enumerate(regions):
        own = levels_between(components["region_level"], seed, REGION_LEVEL, place, weeks, size)
        levels = (everywhere * own)[:, colorway_keys - 1]
        of_month = on_days(levels, weeks[0], np.arange(first, stop)).mean(axis=0)
        mondays = np.ascontiguousarray(np.round(levels[PAST_WEEKS:], 6).T)
        columns = {
            "region": pa.array([region] * len(colorway_keys)),
            "colorway_key": pa.array(colorway_keys, pa.int32()),
            "month_key": pa.array(np.full(len(colorway_keys), month_key), pa.int32()),
            "month_level": pa.array(np.round(of_month, 6)),
            "past_level": pa.array(np.round(levels[:PAST_WEEKS].mean(axis=0), 6)),
            "monday_levels": pa.FixedSizeListArray.from_arrays(
                mondays.ravel(), mondays.shape[1]
            ).cast(pa.list_(pa.float64())),
        }
        yield pa.table(columns, schema=OUTPUT_SCHEMA)


def planned_month_key(day):
    """The last month, YYYYMM, that is planned when a date is the last simulated one."""
    month = day.year * 12 + day.month - 1 + MONTHS_AHEAD
    return month // 12 * 100 + month % 12 + 1


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


def model(dbt, session):
    """One row per region, colourway and planned month (OUTPUT_SCHEMA)."""
    seed = int(dbt.config.get("random_seed"))
    (world,) = dbt.ref("int_simulated_days").collect()
    months = dbt.ref("int_traffic_plan").select("month_key").distinct()
    if dbt.is_incremental and world.closed_date:
        months = months.filter(f"month_key > {planned_month_key(world.closed_date)}")
    components = {
        row.component: Component(float(row.weekly_persistence), float(row.log_deviation))
        for row in dbt.ref("demand_levels").collect()
    }
    colorways = dbt.ref("gold_product_dim").select("colorway_key").distinct().toPandas()
    colorway_keys = np.sort(colorways["colorway_key"].to_numpy(np.int32))
    cities = dbt.ref("cities").select("region").distinct().collect()
    regions = sorted(row.region for row in cities)

    def levels(batches):
        for batch in batches:
            for month_key in batch.column("month_key").to_pylist():
                if len(colorway_keys):
                    for table in levels_of_month(
                        month_key, colorway_keys, regions, components, seed
                    ):
                        yield from table.to_batches()

    return months.mapInArrow(levels, spark_ddl(OUTPUT_SCHEMA))
