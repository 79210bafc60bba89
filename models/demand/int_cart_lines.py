"""What customers want: every cart line with all of its randomness, before stock is known.

Every draw is a uniform from a Philox stream that is keyed by (seed, stream, location, day) and
mapped through an inverse CDF, so the rows of a location and month depend on nothing else: not on
the engine, the number of partitions, what they are computed with, or how many days are simulated.

Locations of one price zone are computed together, a month at a time. In shapes, G is the number of
locations, D of simulated days, P of products, M of colorways (a style in a colour, whose sizes are
products), K of shopper classes, C of carts and L of cart lines. A block is a day at a location; the
B = G x D blocks are sorted by location, then day.

A shopper wants a colorway and takes the own size of it. What a class of shoppers (gender and taste)
wants is the demand of the day, shared out by how much each class likes a colorway, so that all
classes together want what is planned. A known customer comes when int_customer_visits says so; who
else comes is nobody known.

Each line has what its shopper would do if it were not on the shelf: take a substitute, which is
drawn as well, wait, or leave. These draws have streams of their own.
"""

import math
from dataclasses import dataclass
from datetime import timedelta
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Streams of random numbers: one number for each use, never reused.
CARTS, LINES, PRODUCT_SHOCK, STORE_SHOCK = 1, 2, 3, 16
SHORTAGES, WAITS = 22, 23

# Columns of the uniform draws of a cart and of a line. Append only: the order is part of the data.
CART_DRAWS = (
    "known",
    "class",
    "product",
    "items",
    "channel_is_preferred",
    "channel",
    "device_is_own",
    "device",
    "hour",
    "quarter_hour",
    "abandonment",
    "recovery",
    "recovery_lag",
    "build",
    "tops",
    "bottoms",
    "shoes",
)
LINE_DRAWS = (
    "same_section",
    "product",
    "quantity",
    "allocation",
    "is_returned",
    "return_lag",
    "restock_delay",
    "recovery_allocation",
    "other_person",
    "size",
)
SHORTAGE_DRAWS = ("response", "next_size", "substitute")  # of a line

# Uniforms of a block before its carts: twelve for the traffic of the day, one for their number.
TRAFFIC_DRAWS = 12
HEAD_DRAWS = TRAFFIC_DRAWS + 1

DEVICES = ("desktop", "mobile", "tablet")  # device_number 1, 2 and 3 of the seed web_funnel

# What a customer prefers -> the channel category of the seed channels.
PREFERENCES = {"web": "web", "app": "mobile_app", "social": "social", "store": "store"}

# Locations are computed together up to so many products and units wanted in a month: more make few
# calls of NumPy, fewer stay in the cache of a core.
BATCH_SIZE = 50_000
DAYS_OF_MONTH = 31
SMALLEST_WEIGHT = 0.01  # innovations that weigh less than the newest by this factor are left out
GOLDEN_RATIO = 0.6180339887498949  # its multiples fill [0, 1) evenly
LINES_OF_A_DAY = 1_000_000  # ids have room for so many lines of a location and day

# The rows of cumulative shares of the hours, in order: formats and kinds of days of opening_hours.
STORE_FORMATS = ("flagship", "standard", "outlet")
DAY_KINDS = ("ordinary", "sunday", "eve", "black_friday")
CLOSED = "closed"

COLORWAY_COLUMNS = (
    "colorway_key",
    "list_price_cents",
    "return_rate_index",
    "launch_day",
    "last_day",
)
GENDERS = ("women", "men", "unisex")  # of products; shoppers have one of the first two
BODY_PARTS = ("tops", "bottoms", "shoes")  # ladders of sizes by the part of the body that counts
TASTES = 8  # a shopper class is TASTES * gender + taste
UNKNOWN = 0  # customer_key of who is not known
UNKNOWN_SEGMENT = "unknown"  # their value in the seed shortage_responses
RESPONSES = ("leave", "substitute", "wait")  # to what is not on the shelf, by code
LEAVE, SUBSTITUTE, WAIT = range(3)

OUTPUT_SCHEMA = pa.schema(
    [
        ("cart_line_id", pa.int64()),
        ("cart_number", pa.int64()),
        ("customer_key", pa.int32()),
        ("channel_key", pa.int32()),
        ("location_key", pa.int32()),
        ("date_key", pa.int32()),
        ("time_key", pa.int32()),
        ("product_key", pa.int32()),
        ("quantity_requested", pa.int32()),
        ("unit_price", pa.float64()),
        ("discount_amount", pa.float64()),
        ("promotion_key", pa.int32()),
        ("is_digital", pa.bool_()),
        ("base_abandonment_rate", pa.float64()),
        ("abandonment_draw", pa.float64()),
        ("allocation_draw", pa.float64()),
        ("return_lag_days", pa.int32()),
        ("restock_delay_days", pa.int32()),
        ("recovery_draw", pa.float64()),
        ("recovery_lag_days", pa.int32()),
        ("recovery_allocation_draw", pa.float64()),
        ("device_number", pa.int32()),
        ("shortage_response", pa.string()),
        ("substitute_product_key", pa.int32()),
        ("substitute_unit_price", pa.float64()),
        ("substitute_discount_amount", pa.float64()),
        ("substitute_promotion_key", pa.int32()),
        ("wait_lag_days", pa.int32()),
    ]
)


@dataclass(frozen=True)
class Component:
    """A row of the seed demand_levels."""

    weekly_persistence: float
    log_deviation: float


@dataclass(frozen=True)
class Shape:
    """Variables and the seed demand_shape. Rates and shares are of 1, days are calendar days."""

    random_seed: int
    cart_abandonment_base_rate: float
    cart_recovery_rate: float
    return_rate: float
    return_delay_days: tuple
    traffic_noise: float
    same_category_share: float
    channel_loyalty: float
    low_units_share: float
    expected_abandonment_increase: float
    product_shock: Component
    store_shock: Component
    habits: dict
    substitution_rate: float
    waiting_rate: float
    next_size_share: float


@dataclass(frozen=True)
class Group:
    """What differs between stores and digital channels.

    traffic: dict of date_key -> demand index. channel_key: (N,) channels; channel_cdf: (N,)
    cumulative shares; device_cdf: (N, 3) cumulative shares of DEVICES or None in stores;
    device_abandonment: (3,) abandonment rate of DEVICES relative to other ones, None in stores.
    preferred_channels: dict of a number in PREFERENCES -> indices into channel_key; app_channels:
    those of APP_IOS and APP_ANDROID, if offered. known_share: of the carts.
    hour_cdf: (formats, kinds of days, 24), of locations by location_format, a dict of location_key
    -> number of the format, on days by day_kind, a dict of date_key -> number of the kind.
    items_cdf: (most items,); lag_cdf: (longest lag,) from 1 day;
    quantity_cdf: (most units of a line,) from 1 unit;
    return_rate: dict of month_key -> share of sold lines that come back. gifts: dict of a day ->
    (share of gifts in what comes back of its sales, day of the holiday); gift_cdf: (longest lag,)
    from 1 day after it. closed_days: (N,) on which nothing is brought back.
    special_days: dict of a day -> number of its kind, where the weekday does not tell it.
    response_rates: dict of month_key -> shares of lines whose shoppers would take a substitute and
    wait, (2,); wait_cdf: (longest wait,) from 1 day.
    """

    is_digital: bool
    traffic: dict
    channel_key: np.ndarray
    channel_cdf: np.ndarray
    device_cdf: np.ndarray | None
    device_abandonment: np.ndarray | None
    preferred_channels: dict
    app_channels: tuple
    known_share: float
    hour_cdf: np.ndarray
    location_format: dict
    day_kind: dict
    items_cdf: np.ndarray
    lag_cdf: np.ndarray
    quantity_cdf: np.ndarray
    return_rate: dict
    gifts: dict
    gift_cdf: np.ndarray
    closed_days: np.ndarray
    special_days: dict
    response_rates: dict
    wait_cdf: np.ndarray


@dataclass(frozen=True)
class Shoppers:
    """What all shoppers share: no list of them.

    class_share: (K,); affinity: (colorways, K) how much a class likes one, by colorway_key from 1.
    segment_share: (S,) share of each segment in the digital carts of known customers,
    store_segment_share: in those of stores; segment_abandonment: (S + 1,) relative to other
    segments, the last of those not known; segment_response: (S + 1, 2) likewise, how many take a
    substitute and wait.
    """

    class_share: np.ndarray
    affinity: np.ndarray
    segment_share: np.ndarray
    store_segment_share: np.ndarray
    segment_abandonment: np.ndarray
    segment_response: np.ndarray


@dataclass(frozen=True)
class Assortment:
    """All colorways (N,) by key, and the names of categories by code; all sorted.

    category_response: (categories, 2) how many take a substitute and wait, relative to others;
    substitute, closeness: (N, S) index of what may be taken instead, -1 behind the last, and how
    near it is.
    """

    colorway_keys: np.ndarray
    categories: list
    category_response: np.ndarray
    substitute: np.ndarray
    closeness: np.ndarray


@dataclass(frozen=True)
class Month:
    """A month of the locations (G,) of a price zone, with the same colorways (M,) in each.

    Days (D,) are the simulated ones that are asked for, as yyyymmdd and since 1970-01-01, and
    first_day is the first simulated one of the month; colorways are sorted by section, which is
    category and gender.
    average_daily_units: (G,) units wanted on an average day.
    planned_weight: (G, M) demand of a colorway relative to others, as planned.
    wanted_weight: (B, M) whole numbers, what they are wanted on the day relative to each other.
    class_of: (M, K) share of each class in the demand of a colorway.
    section_start: (sections + 1,) where the colorways of each begin; category, position: (M,) its
    code, and index of the colorway, in the assortment.
    size_key: (M, sizes) product of each size, from the smallest; size_cdf: likewise, cumulative
    shares of their demand; body_part: (M,) index in BODY_PARTS, by which sizes are chosen.
    promotion_key, discount_cents: (D, M), 0 without promotion.
    """

    month_key: int
    first_day: int
    date_keys: np.ndarray
    days: np.ndarray
    location_key: np.ndarray
    average_daily_units: np.ndarray
    planned_weight: np.ndarray
    wanted_weight: np.ndarray
    class_of: np.ndarray
    section: np.ndarray
    section_start: np.ndarray
    category: np.ndarray
    position: np.ndarray
    gender: np.ndarray
    size_key: np.ndarray
    size_cdf: np.ndarray
    body_part: np.ndarray
    unit_price: np.ndarray
    return_rate_index: np.ndarray
    promotion_key: np.ndarray
    discount_cents: np.ndarray

    @property
    def block_location(self):
        """(B,) index of the location of each block."""
        return np.repeat(np.arange(len(self.location_key)), len(self.days))

    @property
    def block_day(self):
        """(B,) index of the day of each block."""
        return np.tile(np.arange(len(self.days)), len(self.location_key))

    def uniforms(self, seed, stream, sizes, skip=0):
        """Uniforms of all blocks, `sizes` (B,) of each after the first `skip`."""
        locations, days = self.location_key[self.block_location], self.days[self.block_day]
        return uniforms(seed, stream, locations, days, sizes, skip)


@dataclass(frozen=True)
class Visits:
    """Visits (V,) of known customers sorted by block: see int_customer_visits and lives.

    body: (V, 3) quantiles within the gender, by BODY_PARTS; preferred_channel: number in
    PREFERENCES; segment: index in Shoppers.segment_share.
    """

    block: np.ndarray
    customer_key: np.ndarray
    segment: np.ndarray
    shopper_class: np.ndarray
    preferred_channel: np.ndarray
    has_ios: np.ndarray
    device_draw: np.ndarray
    basket_quantile: np.ndarray
    body: np.ndarray


@dataclass(frozen=True)
class Carts:
    """Carts (C,) sorted by block: indices of block, shopper class, main colorway and channel.

    draw: dict of CART_DRAWS -> (C,) uniforms; customer_key: UNKNOWN of who is not known; segment:
    index in Shoppers.segment_abandonment; items: products to put in, the main one included; body:
    (C, 3) of the shopper, as in Visits; base_rate: abandonment rate when stock plays no part;
    device_number: from 1, 0 in stores.
    """

    draw: dict
    block: np.ndarray
    shopper_class: np.ndarray
    customer_key: np.ndarray
    segment: np.ndarray
    hour: np.ndarray
    product: np.ndarray
    channel: np.ndarray
    items: np.ndarray
    body: np.ndarray
    base_rate: np.ndarray
    device_number: np.ndarray


@dataclass(frozen=True)
class Lines:
    """Cart lines (L,) sorted by cart: indices of cart, block and colorway, size and units wanted.

    draw: dict of LINE_DRAWS -> (L,) uniforms; size: index of the size.
    """

    draw: dict
    cart: np.ndarray
    block: np.ndarray
    product: np.ndarray
    size: np.ndarray
    quantity: np.ndarray


@dataclass(frozen=True)
class Substitutes:
    """What may be taken instead of the colorways of a month (M,), S of them at most.

    colorway, closeness: (M, S) index of each, -1 behind the last, and how near it is; affinity:
    (M, K) as in Shoppers.
    """

    colorway: np.ndarray
    closeness: np.ndarray
    affinity: np.ndarray


@dataclass(frozen=True)
class Takers:
    """Lines (T,) whose shoppers would take a substitute: indices of colorway, size, block, class.

    draw: dict of SHORTAGE_DRAWS -> (T,) uniforms.
    """

    product: np.ndarray
    size: np.ndarray
    block: np.ndarray
    shopper_class: np.ndarray
    draw: dict


@dataclass(frozen=True)
class Shortages:
    """What shoppers do if a line (L,) is not on the shelf: response, a code of RESPONSES.

    line: (T,) index of those with a substitute; product, size: indices of its colorway and size;
    wait_lag: (C,) see wait_lags.
    """

    response: np.ndarray
    line: np.ndarray
    product: np.ndarray
    size: np.ndarray
    wait_lag: np.ndarray


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


def uniforms(seed, stream, locations, days, sizes, skip=0):
    """Uniforms in [0, 1) of blocks, one block after the other: the same on every machine.

    locations, days, sizes: (B,); each block has draws of its own, of which `skip` are left out and
    the next `sizes` are given.
    """
    cuts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    draws = np.empty(cuts[-1])
    generators = block_generators(seed, stream, locations, days)
    for generator, start, stop in zip(generators, cuts[:-1], cuts[1:], strict=True):
        generator.random(skip)
        generator.random(out=draws[start:stop])
    return draws


def pick(cdf, draws):
    """Inverse CDF: index of the first cumulative share above each draw."""
    return np.minimum(np.searchsorted(cdf, draws, side="right"), len(cdf) - 1)


def pick_rows(cdfs, row, draws):
    """Inverse CDF, where each draw has its row of cumulative shares; cdfs: (R, N)."""
    return np.minimum((draws[:, None] >= cdfs[row]).sum(axis=1), cdfs.shape[1] - 1)


def cumulative(weights):
    """Cumulative shares along the last axis."""
    sums = np.cumsum(np.asarray(weights, dtype=np.float64), axis=-1)
    return sums / sums[..., -1:]


def rates_with_mean(mean, index, weights, most=1.0):
    """Rates in proportion to an index (N,) and at most `most`, whose weighted mean is `mean`.

    weights: (..., N), as the result; most: a number or of the same shape. Where even the highest
    rates have a lower mean, they are the result.
    """
    free = weights = np.asarray(weights, dtype=np.float64)
    index, most = np.asarray(index, dtype=np.float64), np.broadcast_to(most, weights.shape)
    total, at_most = weights.sum(axis=-1), (weights * most).sum(axis=-1)
    capped = np.zeros(weights.shape, dtype=bool)
    while True:
        rest = free @ index
        left = mean * total - (at_most - (free * most).sum(axis=-1))
        scale = np.divide(left, rest, out=np.zeros(total.shape), where=rest > 0)
        rates = np.where(capped, most, index * scale[..., None])
        if not (above := rates > most).any():
            return rates
        capped |= above
        free = np.where(capped, 0.0, weights)


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


def month_days(month_key):
    """First day of a month (YYYYMM) and of the next one, since 1970-01-01."""
    month = np.datetime64(f"{month_key // 100}-{month_key % 100:02d}", "M")
    return tuple(int((month + n).astype("datetime64[D]").astype(np.int64)) for n in (0, 1))


def promotion_matrices(promotion_days, days_of_month):
    """Dense (D, P) promotion key, discount in cents and demand uplift.

    promotion_days: Arrow list column, one element per product, of structs, one per promoted day.
    """
    lists = promotion_days.combine_chunks()
    product = np.repeat(np.arange(len(lists)), lists.value_lengths().fill_null(0).to_numpy())
    entries = lists.flatten()
    shape = len(days_of_month), len(lists)
    promotion, discount = np.zeros(shape, np.int32), np.zeros(shape, np.int64)
    uplift = np.ones(shape)
    row = np.asarray(entries.field("day_of_month")) - days_of_month[0]
    inside = (row >= 0) & (row < len(days_of_month))
    at = row[inside], product[inside]
    promotion[at] = np.asarray(entries.field("promotion_key"))[inside]
    discount[at] = np.asarray(entries.field("discount_cents"))[inside]
    uplift[at] = np.asarray(entries.field("demand_uplift"))[inside]
    return promotion, discount, uplift


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


def demand_factors(tables, order, position, product_count, shape):
    """(G, W, P) demand on the Mondays of a month relative to what is planned for the month.

    The first is the Monday before the month, or its first day; the last comes after the month.
    tables: see generate; order: (P,) rows of its products, in the order of the result; position:
    (P,) of these among all products, product_count.
    """
    first, stop = month_days(tables[0]["month_key"][0].as_py())
    weeks = int(week_of(first)), int(week_of(stop - 1)) + 1
    levels = np.array(
        [
            table["monday_levels"].combine_chunks().flatten().to_numpy().reshape(len(order), -1)
            / table["month_level"].to_numpy()[:, None]
            for table in tables
        ]
    )
    seed, places = shape.random_seed, [table["location_key"][0].as_py() for table in tables]
    everywhere = levels_between(shape.product_shock, seed, PRODUCT_SHOCK, 0, weeks, product_count)
    here = np.array(
        [
            levels_between(shape.store_shock, seed, STORE_SHOCK, place, weeks, product_count)
            for place in places
        ]
    )
    return levels[:, order].swapaxes(1, 2) * (everywhere * here)[..., position]


def normal_share(deviates):
    """CDF of the standard normal distribution (Abramowitz and Stegun 26.2.17, to 1e-7)."""
    size = np.abs(deviates)
    t = 1 / (1 + 0.2316419 * size)
    terms = (0.319381530, -0.356563782, 1.781477937, -1.821255978, 1.330274429)
    series = sum(term * t ** (power + 1) for power, term in enumerate(terms))
    tail = np.exp(-size * size / 2) / math.sqrt(2 * math.pi) * series
    return np.where(np.asarray(deviates) < 0, tail, 1 - tail)


def normal_quantile(draws):
    """Standard normal deviates (inverse CDF) of uniforms."""
    deviates = np.linspace(-6, 6, 6001)
    return np.interp(draws, normal_share(deviates), deviates)


def like(quantiles, draws, correlation):
    """Uniforms that are near quantiles: of standard normals with a correlation."""
    own = correlation * normal_quantile(quantiles)
    return normal_share(own + math.sqrt(1 - correlation**2) * normal_quantile(draws))


def base_rates(group, shoppers, shape):
    """(S + 1, 3) abandonment rates by segment, the last of unknown shoppers, and device.

    Their mean over the carts of a location is the variable.
    """
    of_device = np.diff(group.channel_cdf, prepend=0.0) @ np.diff(group.device_cdf, prepend=0.0)
    of_segment = np.append(group.known_share * shoppers.segment_share, 1 - group.known_share)
    index = np.outer(shoppers.segment_abandonment, group.device_abandonment)
    weights = np.outer(of_segment, of_device)
    rates = rates_with_mean(shape.cart_abandonment_base_rate, index.ravel(), weights.ravel())
    return np.round(rates, 4).reshape(index.shape)


def share_not_abandoned(shape, increase=0.0):
    """Share of digital carts that buy in the end, when abandonment is higher by `increase`.

    At least 5%: no number of carts meets the plan when all are abandoned.
    """
    abandoned = min(shape.cart_abandonment_base_rate + increase, 1.0)
    recovered = max(shape.cart_recovery_rate - increase, 0.0)
    return max(0.05, 1 - abandoned * (1 - recovered))


def pick_within(sums, row, start, stop, draws):
    """Index in [start, stop) by weights whose cumulative sums are given (inverse CDF).

    sums: (R, N + 1) each row begins with 0; row: (K,) which row, in ascending order;
    start, stop: (K,) or numbers; draws: (K,).
    """
    low, high = sums[row, start], sums[row, stop]
    # Rounded, the largest draws would fall behind the last weight.
    targets = np.minimum(low + draws * (high - low), np.nextafter(high, low))
    at = np.empty(len(targets), np.int64)
    cuts = np.searchsorted(row, np.arange(len(sums) + 1)).tolist()
    # A search in the few sums of a row stays in the cache; one in those of all rows would not.
    for sums_of_row, first, last in zip(sums[:, 1:], cuts[:-1], cuts[1:], strict=True):
        at[first:last] = sums_of_row.searchsorted(targets[first:last], side="right")
    return np.clip(at, start, np.subtract(stop, 1))


def with_zero(weights):
    """Cumulative sums along the last axis, which begin with 0."""
    sums = np.zeros((*weights.shape[:-1], weights.shape[-1] + 1))
    np.cumsum(weights, axis=-1, out=sums[..., 1:])
    return sums


def simulated_days(group, month_key):
    """Simulated days of a month as yyyymmdd."""
    return [date_key for date_key in sorted(group.traffic) if date_key // 100 == month_key]


def size_tables(product_keys, weight, starts):
    """Products of the colorways (M, sizes) by size, and cumulative shares of their demand.

    product_keys, weight: (P,) sorted by colorway and size; starts: (M,) first product of each.
    """
    counts = np.diff(np.append(starts, len(product_keys)))
    colorway, size = np.repeat(np.arange(len(starts)), counts), np.arange(len(product_keys))
    size = size - np.repeat(starts, counts)
    keys, shares = (np.zeros((len(starts), counts.max()), kind) for kind in (np.int32, float))
    keys[colorway, size], shares[colorway, size] = product_keys, np.maximum(weight, 1)
    cdf = cumulative(shares)
    # Behind the last size: no draw gets there.
    cdf[np.arange(cdf.shape[1]) >= counts[:, None] - 1] = 1.0
    return keys, cdf


def body_parts(ladders, categories):
    """(M,) index in BODY_PARTS of the ladders of sizes."""
    return np.array(
        [
            2 if "shoe" in ladder or category == "footwear" else int("alpha" not in ladder)
            for ladder, category in zip(ladders, categories, strict=True)
        ]
    )


def sections_of(rows, assortment):
    """Order (M,) of colorways, rows by key, and codes of category and gender in that order."""
    category = pc.index_in(rows["category_level_2"], pa.array(assortment.categories)).to_numpy()
    gender = pc.index_in(rows["gender"], pa.array(GENDERS)).to_numpy()
    order = np.lexsort((rows["colorway_key"].to_numpy(), gender, category))
    return order, category[order], gender[order]


def month_of(tables, average_daily_units, group, shoppers, assortment, shape, from_date_key=0):
    """Month from the Arrow tables of its locations, one row per product (see generate)."""
    first = tables[0]
    _, starts = np.unique(first["colorway_key"].to_numpy(), return_index=True)
    rows = first.take(pa.array(starts))
    order, category, gender = sections_of(rows, assortment)
    section = category * len(GENDERS) + gender
    _, section_start, section = np.unique(section, return_index=True, return_inverse=True)
    colorway = {name: rows[name].to_numpy()[order] for name in COLORWAY_COLUMNS}
    demand_weight, planned_weight = (
        np.add.reduceat([table[name].to_numpy() for table in tables], starts, axis=1)[:, order]
        for name in ("demand_weight", "planned_weight")
    )
    size_key, size_cdf = size_tables(
        first["product_key"].to_numpy(),
        np.sum([table["demand_weight"].to_numpy() for table in tables], axis=0),
        starts,
    )
    month_key = first["month_key"][0].as_py()
    simulated = np.array(simulated_days(group, month_key))
    date_keys = simulated[simulated >= from_date_key]
    day_before = month_days(month_key)[0] - 1
    days = day_before + date_keys % 100
    promotion_key, discount_cents, uplift = promotion_matrices(
        rows["promotion_days"].take(pa.array(order)), date_keys % 100
    )
    position = np.searchsorted(assortment.colorway_keys, colorway["colorway_key"])
    levels = [table.take(pa.array(starts)) for table in tables]
    factors = demand_factors(levels, order, position, len(assortment.colorway_keys), shape)
    on_sale = (colorway["launch_day"] <= days[:, None]) & (days[:, None] <= colorway["last_day"])
    wanted = on_days(factors.swapaxes(0, 1), int(week_of(day_before + 1)), days).swapaxes(0, 1)
    wanted *= demand_weight[:, None]
    wanted *= uplift * on_sale
    np.floor(wanted, out=wanted)
    liked = shoppers.affinity[colorway["colorway_key"] - 1] * shoppers.class_share
    return Month(
        month_key=month_key,
        first_day=int(day_before + simulated[0] % 100),
        date_keys=date_keys,
        days=days,
        location_key=np.array([table["location_key"][0].as_py() for table in tables]),
        average_daily_units=np.asarray(average_daily_units, dtype=np.float64),
        planned_weight=planned_weight,
        wanted_weight=wanted.reshape(-1, len(order)),
        class_of=liked / liked.sum(axis=1, keepdims=True),
        section=section,
        section_start=np.append(section_start, len(order)),
        category=category,
        position=position,
        gender=gender,
        size_key=size_key[order],
        size_cdf=size_cdf[order],
        body_part=body_parts(rows["size_ladder"].to_pylist(), rows["category_level_1"].to_pylist())[
            order
        ],
        unit_price=colorway["list_price_cents"] / 100,
        return_rate_index=colorway["return_rate_index"],
        promotion_key=promotion_key,
        discount_cents=discount_cents,
    )


def cart_counts(month, group, shape):
    """(B,) number of carts, so that the units in those that buy meet the plan."""
    head = month.uniforms(shape.random_seed, CARTS, np.full(len(month.wanted_weight), HEAD_DRAWS))
    head = head.reshape(-1, HEAD_DRAWS)
    # Irwin-Hall approximation of a standard normal.
    normal = head[:, :TRAFFIC_DRAWS].sum(axis=1) - TRAFFIC_DRAWS / 2
    index = np.array([group.traffic[key] for key in month.date_keys.tolist()])
    traffic = index[month.block_day] * np.maximum(0.3, 1 + shape.traffic_noise * normal)
    average = month.average_daily_units[month.block_location]
    planned = month.planned_weight.sum(axis=1)[month.block_location]
    units = average * traffic * month.wanted_weight.sum(axis=1) / planned
    units_per_cart = ((1 - group.quantity_cdf).sum() + 1) * ((1 - group.items_cdf).sum() + 1)
    if group.is_digital:
        units_per_cart *= share_not_abandoned(shape)
    return poisson_quantile(units / units_per_cart, head[:, -1])


def visits_of_tables(tables, month):
    """Visits from the first row of each location's table; those of other days are left out."""
    parts = []
    for place, table in enumerate(tables):
        entries = table["visits"].combine_chunks()[:1].flatten()
        date_key = np.asarray(entries.field("date_key"))
        day = np.minimum(np.searchsorted(month.date_keys, date_key), len(month.date_keys) - 1)
        asked = month.date_keys[day] == date_key
        columns = {
            field.name: np.asarray(entries.field(index))[asked]
            for index, field in enumerate(entries.type)
        }
        # Who is first on a day and comes too late for a cart on another is a matter of chance.
        turn = (columns["device_draw"] + GOLDEN_RATIO * month.days[day[asked]]) % 1
        block = (place * len(month.days) + day)[asked]
        parts.append({**columns, "block": block, "turn": turn})
    visits = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    # The engine lists them in any order.
    order = np.lexsort((visits["customer_key"], visits["turn"], visits["block"]))
    visits = {name: values[order] for name, values in visits.items()}
    body = np.stack([visits[f"build_{part}"] for part in BODY_PARTS], axis=1)
    names = set(Visits.__dataclass_fields__) - {"body"}
    return Visits(body=body, **{name: visits[name] for name in names})


def visit_of_carts(block, known_draw, visits, blocks):
    """(C,) index of the visit in which a cart is filled, -1 of who is not known.

    The carts of a block with the lowest draws are those of its visits; of more visits than carts
    the last fill none.
    """
    by_draw = np.lexsort((known_draw, block))
    numbers = np.arange(blocks)
    position = np.arange(len(block)) - np.searchsorted(block, numbers)[block]
    first = np.searchsorted(visits.block, numbers)
    count = np.bincount(visits.block, minlength=blocks)
    visit = np.full(len(block), -1)
    visit[by_draw] = np.where(position < count[block], first[block] + position, -1)
    return visit


def row_shares(weights):
    """Cumulative shares (R, N) of each row, plus the number of the row; flat, so it ascends."""
    shares = np.cumsum(weights, axis=-1).reshape(-1, weights.shape[-1])
    total = shares[:, -1].copy()
    shares[total == 0] = total[total == 0] = 1
    shares /= total[:, None]
    shares += np.arange(float(len(shares)))[:, None]
    return shares.ravel()


def pick_in_rows(shares, row, draws, size):
    """Inverse CDF where each draw has its row of `size` elements in shares (see row_shares)."""
    targets = np.minimum(row + draws, np.nextafter(row + 1.0, 0))
    return np.minimum(shares.searchsorted(targets, side="right") - row * size, size - 1)


def draw_carts(month, class_sums, visits, group, shoppers, shape):
    """Carts of a month with their shoppers and main colorways; class_sums: see class_sums_of."""
    counts = cart_counts(month, group, shape)
    draws = month.uniforms(shape.random_seed, CARTS, counts * len(CART_DRAWS), HEAD_DRAWS)
    draw = dict(zip(CART_DRAWS, draws.reshape(-1, len(CART_DRAWS)).T, strict=True))
    block = np.repeat(np.arange(len(counts)), counts)
    visit = visit_of_carts(block, draw["known"], visits, len(counts))
    known = np.flatnonzero(visit >= 0)
    visit = visit[known]
    class_shares, product_shares = class_sums
    classes = len(shoppers.class_share)
    shopper_class = pick_in_rows(class_shares, block, draw["class"], classes)
    shopper_class[known] = visits.shopper_class[visit]
    product = pick_in_rows(
        product_shares,
        block * classes + shopper_class,
        draw["product"],
        month.wanted_weight.shape[1],
    )
    customer_key = np.full(len(block), UNKNOWN)
    customer_key[known] = visits.customer_key[visit]
    channel = pick_channels(group, known, visit, visits, draw, shape)
    items = draw["items"].copy()
    items[known] = like(visits.basket_quantile[visit], items[known], shape.habits["basket_loyalty"])
    body = np.empty((len(block), len(BODY_PARTS)))
    body[known], unknown = visits.body[visit], np.flatnonzero(customer_key == UNKNOWN)
    build = normal_quantile(draw["build"][unknown])
    for part, name in enumerate(BODY_PARTS):
        correlation = shape.habits[f"build_{name}_correlation"]
        rest = math.sqrt(1 - correlation**2) * normal_quantile(draw[name][unknown])
        body[unknown, part] = normal_share(correlation * build + rest)
    segment = np.full(len(block), len(shoppers.segment_share))
    segment[known] = visits.segment[visit]
    device, base_rate = np.zeros(len(block), np.int64), np.zeros(len(block))
    if group.is_digital and len(block):
        of_device = draw["device"].copy()
        own = draw["device_is_own"][known] < shape.habits["device_loyalty"]
        of_device[known[own]] = visits.device_draw[visit[own]]
        device = 1 + pick_rows(group.device_cdf, channel, of_device)
        base_rate = base_rates(group, shoppers, shape)[segment, device - 1]
    return Carts(
        draw=draw,
        block=block,
        shopper_class=shopper_class,
        customer_key=customer_key,
        segment=segment,
        hour=pick_rows(hours_of_blocks(month, group), block, draw["hour"]),
        product=product,
        channel=channel,
        items=1 + pick(group.items_cdf, items),
        body=body,
        base_rate=base_rate,
        device_number=device,
    )


def class_sums_of(month):
    """What each class wants on the day, (see row_shares): classes of a block, colorways of both."""
    wanted = month.wanted_weight[:, None] * np.ascontiguousarray(month.class_of.T)
    return row_shares(wanted.sum(axis=-1)), row_shares(wanted)


def pick_channels(group, known, visit, visits, draw, shape):
    """(C,) indices of channels; of known customers (their carts, visits) mostly preferred ones."""
    channel = pick(group.channel_cdf, draw["channel"])
    loyal = draw["channel_is_preferred"][known] < shape.channel_loyalty
    preferred = visits.preferred_channel[visit]
    shares = np.diff(group.channel_cdf, prepend=0.0)
    for preference, choices in group.preferred_channels.items():
        if len(choices):
            chosen = known[loyal & (preferred == preference)]
            own = cumulative(shares[choices])
            channel[chosen] = choices[pick(own, draw["channel"][chosen])]
    if group.app_channels:
        # An app is that of the own phone.
        in_app = np.isin(channel[known], group.app_channels)
        apps = np.array(group.app_channels)[np.where(visits.has_ios[visit], 0, 1)]
        channel[known[in_app]] = apps[in_app]
    return channel


def draw_lines(month, product_sums, class_sums, carts, group, shape):
    """Lines of the carts: the main colorway and others, at times of the same section."""
    cart = np.repeat(np.arange(len(carts.items)), carts.items)
    block, product = carts.block[cart], carts.product[cart]
    sizes = np.bincount(block, minlength=len(product_sums)) * len(LINE_DRAWS)
    draws = month.uniforms(shape.random_seed, LINES, sizes).reshape(-1, len(LINE_DRAWS))
    draw = dict(zip(LINE_DRAWS, draws.T, strict=True))
    other = 1 + np.flatnonzero(cart[1:] == cart[:-1])
    similar = draw["same_section"][other] < shape.same_category_share
    like_main, free = other[similar], other[~similar]
    section = month.section[product[like_main]]
    product[like_main] = pick_within(
        product_sums,
        block[like_main],
        month.section_start[section],
        month.section_start[section + 1],
        draw["product"][like_main],
    )
    classes = month.class_of.shape[1]
    row = block[free] * classes + carts.shopper_class[cart[free]]
    product[free] = pick_in_rows(class_sums[1], row, draw["product"][free], len(month.section))
    size = draw_sizes(month, carts, cart, product, draw, shape)

    # A product is at most once in a cart: its first line asks for the units of all, up to the most
    # that a line may have.
    key = (cart * len(month.section) + product) * month.size_key.shape[1] + size
    first = first_of_equals(key, len(group.items_cdf))
    quantity = np.bincount(first, weights=1 + pick(group.quantity_cdf, draw["quantity"]))
    kept = np.flatnonzero(first == np.arange(len(first)))
    return Lines(
        draw=dict(zip(LINE_DRAWS, draws[kept].T, strict=True)),
        cart=cart[kept],
        block=block[kept],
        product=product[kept],
        size=size[kept],
        quantity=np.minimum(quantity[kept], len(group.quantity_cdf)).astype(np.int32),
    )


def draw_sizes(month, carts, cart, product, draw, shape):
    """(L,) index of the size of each line: the shopper's own, or that of somebody else.

    Who fits a size of the middle takes one of the middle, whatever the ladder: sizes are shared out
    by their own demand. Some err by a size.
    """
    made_for, gender = month.gender[product], carts.shopper_class[cart] // TASTES
    own = (made_for == gender) | (made_for == GENDERS.index("unisex"))
    own &= draw["other_person"] >= shape.habits["other_person_share"]
    own, draws = np.flatnonzero(own), draw["size"].copy()
    fits = carts.body[cart[own], month.body_part[product[own]]]
    draws[own] = like(fits, draws[own], shape.habits["size_accuracy"])
    return pick_rows(month.size_cdf, product, draws)


def first_of_equals(keys, longest):
    """(L,) index of the first of equal keys, which are less than `longest` apart."""
    first = np.arange(len(keys))
    for gap in range(1, longest):
        again = gap + np.flatnonzero(keys[gap:] == keys[:-gap])
        first[again] = again - gap
    return first


def draw_shortages(month, carts, lines, group, shoppers, assortment, shape):
    """Shortages of the lines: what their shoppers do if they are not on the shelf."""
    blocks, seed = len(month.wanted_weight), shape.random_seed
    sizes = np.bincount(lines.block, minlength=blocks) * len(SHORTAGE_DRAWS)
    draws = month.uniforms(seed, SHORTAGES, sizes).reshape(-1, len(SHORTAGE_DRAWS))
    answer = draws[:, SHORTAGE_DRAWS.index("response")]
    at = lines.block, month.category[lines.product], carts.segment[lines.cart]
    rates = response_rates(month, group, shoppers, assortment)
    substitution, waiting = (rate[at] for rate in rates)
    response = np.where(answer < substitution + waiting, WAIT, LEAVE).astype(np.int8)
    response[answer < substitution] = LEAVE  # unless there is a substitute
    asked = np.flatnonzero(answer < substitution)
    takers = Takers(
        product=lines.product[asked],
        size=lines.size[asked],
        block=lines.block[asked],
        shopper_class=carts.shopper_class[lines.cart[asked]],
        draw=dict(zip(SHORTAGE_DRAWS, draws[asked].T, strict=True)),
    )
    substitutes = substitutes_of(month, shoppers, assortment)
    product, size = pick_substitutes(month, substitutes, takers, shape.next_size_share)

    def keys(cart, product, size):
        """Numbers of a product in a cart."""
        return (cart * len(month.section) + product) * month.size_key.shape[1] + size

    instead = -1 - np.arange(len(response))  # a number of its own where there is no substitute
    instead[asked] = np.where(product < 0, instead[asked], keys(lines.cart[asked], product, size))
    in_cart = found_nearby(
        instead, keys(lines.cart, lines.product, lines.size), len(group.items_cdf)
    )
    found = (product >= 0) & ~in_cart[asked]
    response[asked[found]] = SUBSTITUTE
    wait = month.uniforms(seed, WAITS, np.bincount(carts.block, minlength=blocks))
    wait_lag = wait_lags(month, carts, group, wait)
    response[(response == WAIT) & (wait_lag[lines.cart] == 0)] = LEAVE
    return Shortages(
        response=response,
        line=asked[found],
        product=product[found],
        size=size[found],
        wait_lag=wait_lag,
    )


def wait_lags(month, carts, group, draw):
    """(C,) days until shoppers who wait come again; 0 if the store is never open at their hour.

    draw: (C,) uniforms. In stores it is at the same time of the day, and so the next day on which
    the store is open then; behind the longest wait comes the shortest.
    """
    lag, longest = (1 + pick(group.wait_cdf, draw)).astype(np.int32), len(group.wait_cdf)
    if group.is_digital:
        return lag
    days = np.arange(month.days[0], month.days[-1] + longest + 1)
    # 1970-01-01 was a Thursday.
    usual = np.where((days + 3) % 7 == 6, DAY_KINDS.index("sunday"), 0)
    kind = [group.special_days.get(*day) for day in zip(days.tolist(), usual.tolist(), strict=True)]
    is_open = np.diff(group.hour_cdf, prepend=0.0, axis=-1)[:, kind] > 0
    is_open[:, np.isin(days, group.closed_days)] = False
    formats = np.array([group.location_format.get(key, 0) for key in month.location_key.tolist()])
    of_cart = formats[month.block_location[carts.block]]
    since = month.days[month.block_day[carts.block]] - days[0]
    for _ in range(longest):
        is_shut = ~is_open[of_cart, since + lag, carts.hour]
        lag[is_shut] = lag[is_shut] % longest + 1
    lag[~is_open[of_cart, since + lag, carts.hour]] = 0
    return lag


def substitutes_of(month, shoppers, assortment):
    """Substitutes of the month's colorways; what is not among them is none."""
    at = np.full(len(assortment.colorway_keys) + 1, -1)  # the last is that of no substitute
    at[month.position] = np.arange(len(month.position))
    return Substitutes(
        colorway=at[assortment.substitute[month.position]],
        closeness=assortment.closeness[month.position],
        affinity=shoppers.affinity[assortment.colorway_keys[month.position] - 1],
    )


def response_rates(month, group, shoppers, assortment):
    """Shares that would take a substitute, and wait: (B, categories, S + 1) each.

    They are in proportion to the indexes of category and segment. Over what is wanted on the day,
    and the segments of the group's carts, the means are the group's; together they are 1 at most.
    """
    share = shoppers.segment_share if group.is_digital else shoppers.store_segment_share
    of_segment = np.append(group.known_share * share, 1 - group.known_share)
    start = np.flatnonzero(np.diff(month.category, prepend=-1))
    of_category = np.zeros((len(month.wanted_weight), len(assortment.categories)))
    of_category[:, month.category[start]] = np.add.reduceat(month.wanted_weight, start, axis=1)
    weights = (of_category[:, :, None] * of_segment).reshape(len(of_category), -1)
    index = assortment.category_response[:, None] * shoppers.segment_response
    rates = rates_of_responses(group.response_rates[month.month_key], index.reshape(-1, 2), weights)
    return [rate.reshape(-1, *index.shape[:2]) for rate in rates]


def rates_of_responses(means, index, weights):
    """Rates of substitution and waiting, (..., N) each, in proportion to the indexes (N, 2).

    means: (2,) their weighted means; weights: (..., N). The sum of the two is at most 1.
    """
    substitution = rates_with_mean(means[0], index[:, 0], weights)
    waiting = rates_with_mean(means[1], index[:, 1], weights, 1 - substitution)
    return substitution, waiting


def pick_substitutes(month, substitutes, takers, next_size_share):
    """Colorway and size, indices (T,), that takers get instead; colorway -1 where there is none.

    Some take the next size of the colorway, others what is like it and to their taste, of what is
    wanted on the day; where that is nothing, the next size.
    """
    run = (month.size_key > 0).sum(axis=1)  # sizes of a colorway
    product, size = takers.product.copy(), takers.size.copy()
    has_next = run[product] > 1
    takes_next = has_next & (takers.draw["next_size"] < next_size_share)
    others = np.flatnonzero(~takes_next)
    candidates, sums = substitutes.colorway[product[others]], substitutes.closeness[product[others]]
    sums *= substitutes.affinity[candidates, takers.shopper_class[others, None]]
    sums *= month.wanted_weight[takers.block[others, None], candidates] > 0
    sums *= candidates >= 0
    np.cumsum(sums, axis=1, out=sums)
    takes_next[others] = has_next[others] & (sums[:, -1] == 0)
    left = np.flatnonzero(~takes_next[others])
    own, largest = size[takes_next], run[product[takes_next]] - 1
    # Half of them would rather take the larger one; at an end there is only one.
    goes_up = (takers.draw["substitute"][takes_next] < 0.5) | (own == 0)
    size[takes_next] = own + np.where(goes_up & (own < largest), 1, -1)
    others, candidates, sums = others[left], candidates[left], sums[left]
    total = sums[:, -1]
    # Rounded, the largest draws would fall behind the last weight.
    targets = np.minimum(takers.draw["substitute"][others] * total, np.nextafter(total, 0))
    at = np.minimum((sums <= targets[:, None]).sum(axis=1), sums.shape[1] - 1)
    product[others] = np.where(total > 0, candidates[np.arange(len(others)), at], -1)
    size[others] = np.minimum(size[others], run[product[others]] - 1)
    return product, size


def found_nearby(instead, keys, longest):
    """(L,) whether a key of `instead` is among `keys`, or earlier in `instead` itself.

    keys, instead: (L,); equal ones are less than `longest` apart.
    """
    found = first_of_equals(instead, longest) != np.arange(len(instead))
    for gap in range(1, longest):
        found[gap:] |= instead[gap:] == keys[:-gap]
        found[:-gap] |= instead[:-gap] == keys[gap:]
    return found


def draw_returns(month, lines, group, shape):
    """Masked (L,) days from sale to return, and until units can be sold again; masked: kept."""
    # Over what is wanted that day the mean is the group's.
    rates = rates_with_mean(
        group.return_rate[month.month_key],
        month.return_rate_index,
        np.maximum(month.wanted_weight, 1),
    )
    is_kept = lines.draw["is_returned"] >= rates[lines.block, lines.product]
    returned = np.flatnonzero(~is_kept)
    lags, delays = (np.ma.array(np.zeros(len(is_kept), np.int32), mask=is_kept) for _ in range(2))
    day = month.block_day[lines.block[returned]]
    lag = return_lags(month.days, group, day, lines.draw["return_lag"][returned])
    shortest, longest = shape.return_delay_days
    spread = lines.draw["restock_delay"][returned] * (longest - shortest + 1)
    delay = shortest + spread.astype(np.int32)
    # Nobody is there to restock either: a day later, or earlier where that would be too late.
    is_closed = np.isin(month.days[day] + lag + delay, group.closed_days)
    other = np.where(delay < longest, delay + 1, np.maximum(delay - 1, shortest))
    lags.data[returned], delays.data[returned] = lag, np.where(is_closed, other, delay)
    return lags, delays


def return_lags(days, group, sold, draw):
    """(R,) days from sale to return; gifts come back after their holiday, nothing when closed.

    days: (D,) since 1970-01-01; sold: (R,) indexes in it; draw: (R,) uniforms. The lowest draws
    are those of gifts.
    """
    gifts = [group.gifts.get(day, (0.0, day)) for day in days.tolist()]
    share, holiday = np.array(gifts)[sold].T
    is_gift = draw < share
    # What is left of the draw, among gifts or among others, is a uniform again.
    rest = np.where(is_gift, draw, draw - share) / np.where(is_gift, share, 1 - share)
    after_holiday = (holiday - days[sold]).astype(np.int64)
    lag = np.where(
        is_gift, after_holiday + 1 + pick(group.gift_cdf, rest), 1 + pick(group.lag_cdf, rest)
    )
    while (is_closed := np.isin(days[sold] + lag, group.closed_days)).any():
        lag += is_closed
    return lag


def generate(tables, average_daily_units, group, shoppers, assortment, shape, from_date_key=0):
    """Cart lines of one month of the locations of a price zone, of the days from one on.

    tables: one Arrow table per location (G,), one row per product (int_demand_plan joined with the
    product, and on the first row the visits of the month), with the same products in each;
    average_daily_units: (G,). Returns a table of OUTPUT_SCHEMA sorted by location, day and line.
    """
    days = simulated_days(group, tables[0]["month_key"][0].as_py())
    if not days or days[-1] < from_date_key:
        return OUTPUT_SCHEMA.empty_table()
    month = month_of(tables, average_daily_units, group, shoppers, assortment, shape, from_date_key)
    product_sums, class_sums = with_zero(month.wanted_weight), class_sums_of(month)
    visits = visits_of_tables(tables, month)
    carts = draw_carts(month, class_sums, visits, group, shoppers, shape)
    lines = draw_lines(month, product_sums, class_sums, carts, group, shape)
    shortages = draw_shortages(month, carts, lines, group, shoppers, assortment, shape)
    return output(month, carts, lines, shortages, group, shape)


def output(month, carts, lines, shortages, group, shape):
    """Table of OUTPUT_SCHEMA from the carts, lines and shortages of a month.

    Raises ValueError when a location has more lines on a day than ids have room for.
    """
    cart, block, product = lines.cart, lines.block, lines.product
    if len(block) and (most := np.bincount(block).max()) > LINES_OF_A_DAY:
        raise ValueError(
            f"a location has {most:,} cart lines on a day, but ids have room for"
            f" {LINES_OF_A_DAY:,}: lower demand_intensity or num_products"
        )
    day = month.block_day[block]
    location_key = month.location_key[month.block_location].astype(np.int32)
    date_key = month.date_keys[month.block_day].astype(np.int32)
    block_id = (date_key.astype(np.int64) * 10_000 + location_key) * LINES_OF_A_DAY
    blocks = np.arange(len(block_id))
    cart_number = block_id[carts.block] + np.arange(len(carts.block))
    cart_number -= np.searchsorted(carts.block, blocks)[carts.block]
    first_line = np.searchsorted(block, blocks)
    quarter = carts.draw["quarter_hour"] * 4
    time_key = carts.hour * 100 + quarter.astype(np.int64) * 15
    recovery_lag_days = 1 + (carts.draw["recovery_lag"] * 7).astype(np.int32)
    return_lag_days, restock_delay_days = draw_returns(month, lines, group, shape)
    columns = {
        "cart_line_id": (block_id - first_line)[block] + np.arange(len(block)),
        "cart_number": cart_number[cart],
        "customer_key": carts.customer_key.astype(np.int32)[cart],
        "channel_key": group.channel_key[carts.channel][cart],
        "location_key": location_key[block],
        "date_key": date_key[block],
        "time_key": time_key.astype(np.int32)[cart],
        "product_key": month.size_key[product, lines.size],
        "quantity_requested": lines.quantity,
        "unit_price": month.unit_price[product],
        "discount_amount": (month.discount_cents / 100)[day, product],
        "promotion_key": month.promotion_key[day, product],
        "is_digital": np.full(len(cart), group.is_digital),
        "base_abandonment_rate": carts.base_rate[cart],
        "abandonment_draw": carts.draw["abandonment"][cart],
        "allocation_draw": lines.draw["allocation"],
        "return_lag_days": return_lag_days,
        "restock_delay_days": restock_delay_days,
        "recovery_draw": carts.draw["recovery"][cart],
        "recovery_lag_days": recovery_lag_days[cart],
        "recovery_allocation_draw": lines.draw["recovery_allocation"],
        "device_number": np.ma.masked_equal(carts.device_number.astype(np.int32)[cart], 0),
    } | shortage_columns(month, lines, shortages)
    arrays = []
    for field in OUTPUT_SCHEMA:
        values = columns[field.name]
        if isinstance(values, pa.Array):
            arrays.append(values)
            continue
        mask = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
        arrays.append(pa.array(np.ma.getdata(values), field.type, mask=mask))
    return pa.Table.from_arrays(arrays, schema=OUTPUT_SCHEMA)


def shortage_columns(month, lines, shortages):
    """Columns of OUTPUT_SCHEMA about what is not on the shelf; masked: of other responses."""
    at, product = shortages.line, shortages.product
    day = month.block_day[lines.block[at]]
    substitute = {
        "product_key": month.size_key[product, shortages.size],
        "unit_price": month.unit_price[product],
        "discount_amount": (month.discount_cents / 100)[day, product],
        "promotion_key": month.promotion_key[day, product],
    }
    columns = {}
    for name, values in substitute.items():
        column = np.zeros(len(shortages.response), values.dtype)
        column[at] = values
        columns[f"substitute_{name}"] = np.ma.array(column, mask=shortages.response != SUBSTITUTE)
    return columns | {
        "shortage_response": pa.array(RESPONSES).take(pa.array(shortages.response)),
        "wait_lag_days": np.ma.array(
            shortages.wait_lag[lines.cart], mask=shortages.response != WAIT
        ),
    }


def hours_of_blocks(month, group):
    """(B, 24) cumulative shares of the hours in the carts of each block."""
    formats = [group.location_format.get(key, 0) for key in month.location_key.tolist()]
    kinds = [group.day_kind.get(key, 0) for key in month.date_keys.tolist()]
    return group.hour_cdf[np.ix_(formats, kinds)].reshape(-1, group.hour_cdf.shape[-1])


def return_rates_by_month(rates, planned_units, shape):
    """Share of sold lines that come back, by (channel group, month); over both return_rate.

    rates: the seed return_rates; planned_units: rows of channel_group, month_key, planned_units.
    """
    index = rates.set_index("channel_group")["return_rate_index"].astype(float)
    bought_if_low = share_not_abandoned(shape, shape.expected_abandonment_increase)
    lost = 1 - bought_if_low / share_not_abandoned(shape)
    sold_share = {"store": 1.0, "digital": 1 - shape.low_units_share * lost}  # of what is in stock
    sold_units = planned_units["planned_units"].astype(float) * planned_units["channel_group"].map(
        sold_share
    )
    by_month = {}
    for month_key, rows in planned_units.groupby("month_key"):
        group_rates = rates_with_mean(
            shape.return_rate,
            index[rows["channel_group"]].to_numpy(),
            sold_units[rows.index].to_numpy(),
        )
        for group, rate in zip(rows["channel_group"], group_rates, strict=True):
            by_month[group, int(month_key)] = float(rate)
    return by_month


def response_rates_by_month(responses, planned_units, shape):
    """Shares that would take a substitute and wait, (2,), by (channel group, month).

    Over both groups they are the variables. responses: the seed shortage_responses; planned_units:
    rows of channel_group, month_key, planned_units.
    """
    means = shape.substitution_rate, shape.waiting_rate
    by_month = {}
    for month_key, rows in planned_units.groupby("month_key"):
        groups = rows["channel_group"].tolist()
        index = response_index(responses, "channel_group", groups)
        rates = rates_of_responses(means, index, rows["planned_units"].to_numpy(float))
        for group, *rate in zip(groups, *rates, strict=True):
            by_month[group, int(month_key)] = np.array(rate)
    return by_month


def response_index(responses, grouping, values):
    """(N, 2) indexes of the seed shortage_responses, of substitution and waiting; 1 without one."""
    own = responses[responses["grouping"] == grouping].set_index("value")
    own = own[["substitution_index", "waiting_index"]].astype(float)
    return own.reindex(values).fillna(1.0).to_numpy()


def opening_cdf(weights, opening_hours):
    """(formats, kinds of days, 24) cumulative shares of the hours in which stores are open.

    weights: (24,) of the hours; opening_hours: the seed.
    """
    cdf = np.empty((len(STORE_FORMATS), len(DAY_KINDS), len(weights)))
    for row in opening_hours.itertuples():
        hour = np.arange(len(weights))
        is_open = (int(row.opens_hour) <= hour) & (hour < int(row.closes_hour))
        at = STORE_FORMATS.index(row.store_format), DAY_KINDS.index(row.day_kind)
        cdf[at] = cumulative(weights * is_open)
    return cdf


def hour_cdf_of(hours, opening_hours=None):
    """Group.hour_cdf from rows of the seed demand_by_hour, and opening_hours in stores."""
    weights = hours.sort_values("hour")["weight"].to_numpy(float)
    return (
        cumulative(weights)[None, None]
        if opening_hours is None
        else opening_cdf(weights, opening_hours)
    )


def days_of_holidays(holidays, names=None):
    """Sorted days since 1970-01-01 from rows of int_holiday_calendar, of all or of some names."""
    if names is not None:
        holidays = holidays[holidays["holiday_name"].isin(names)]
    return np.sort(holidays["holiday_date"].to_numpy("datetime64[D]").astype(np.int64))


def kinds_of_days(holidays):
    """Group.special_days from rows of int_holiday_calendar."""
    special = holidays[(holidays["precedence"] == 1) & holidays["day_kind"].isin(DAY_KINDS)]
    days = special["holiday_date"].to_numpy("datetime64[D]").astype(np.int64)
    return dict(zip(days.tolist(), map(DAY_KINDS.index, special["day_kind"]), strict=True))


def gifts_from(seasons, holidays):
    """Group.gifts from the seed gift_seasons and int_holiday_calendar (pandas frames)."""
    gifts = {}
    for season in seasons.itertuples():
        for holiday in days_of_holidays(holidays, [season.holiday_name]).tolist():
            for before in range(int(season.days_before_from), int(season.days_before_to) + 1):
                gifts[holiday - before] = float(season.gift_share), holiday
    return gifts


def cdf_of_days(days, weights):
    """(most days,) cumulative shares from 1 day; days without a weight do not occur."""
    by_day = np.zeros(int(days.max()))
    by_day[days.to_numpy(int) - 1] = weights.to_numpy(float)
    return cumulative(by_day)


def app_channels(channels):
    """Indices of APP_IOS and APP_ANDROID among sorted channels, none unless both are offered."""
    codes = channels["channel_code"].tolist()
    apps = ("APP_IOS", "APP_ANDROID")
    return tuple(codes.index(code) for code in apps) if set(apps) <= set(codes) else ()


def groups_from(read, is_simulated_traffic, shape, planned_units, location_formats):
    """Group of each channel group from the seeds; read(name) gives a seed as a pandas frame.

    It gives int_holiday_calendar likewise. planned_units: rows of channel_group, month_key,
    planned_units; location_formats: dict of the location_key of stores -> index in STORE_FORMATS.
    """
    return_rates = return_rates_by_month(read("return_rates"), planned_units, shape)
    responses = response_rates_by_month(read("shortage_responses"), planned_units, shape)
    funnel = read("web_funnel").set_index("device_type").loc[list(DEVICES)]
    quantities = read("units_per_line").sort_values("quantity")
    channels, hours, baskets = read("channels"), read("demand_by_hour"), read("basket_sizes")
    lags, gift_days, waits = read("return_lags"), read("gift_return_days"), read("waiting_lags")
    holidays, seasons = read("int_holiday_calendar"), read("gift_seasons")
    known_shares = read("known_shares").set_index("channel_group")["known_share"].astype(float)
    is_closed = (holidays["day_kind"] == CLOSED) & (holidays["precedence"] == 1)
    groups = {}
    for name in ("store", "digital"):
        is_digital = name == "digital"
        own, traffic, hour, basket, lag, wait = (
            frame[frame["channel_group"] == name]
            for frame in (channels, is_simulated_traffic, hours, baskets, lags, waits)
        )
        own = own.sort_values("channel_key")
        devices = own[[f"{device}_weight" for device in DEVICES]]
        category = own["channel_category"].to_numpy(str)
        index = traffic["demand_index"].astype(float).tolist()
        date_keys = traffic["date_key"].astype(int).tolist()
        kinds = [DAY_KINDS.index(kind) if kind in DAY_KINDS else 0 for kind in traffic["day_kind"]]
        groups[name] = Group(
            is_digital=is_digital,
            traffic=dict(zip(date_keys, index, strict=True)),
            channel_key=own["channel_key"].to_numpy(np.int32),
            channel_cdf=cumulative(own["weight"]),
            device_cdf=cumulative(devices) if is_digital else None,
            device_abandonment=(
                funnel["base_abandonment_index"].to_numpy(float) if is_digital else None
            ),
            app_channels=app_channels(own),
            known_share=float(known_shares[name]),
            preferred_channels={
                number: np.flatnonzero(category == kind)
                for number, kind in enumerate(PREFERENCES.values())
            },
            hour_cdf=hour_cdf_of(hour, None if is_digital else read("opening_hours")),
            location_format={} if is_digital else location_formats,
            day_kind={} if is_digital else dict(zip(date_keys, kinds, strict=True)),
            items_cdf=cumulative(basket.sort_values("items_count")["weight"]),
            lag_cdf=cdf_of_days(lag["lag_days"], lag["weight"]),
            quantity_cdf=cumulative(quantities["weight"]),
            return_rate={month: rate for (of, month), rate in return_rates.items() if of == name},
            gifts=gifts_from(seasons[seasons["channel_group"] == name], holidays),
            gift_cdf=cdf_of_days(gift_days["days_after_holiday"], gift_days["weight"]),
            closed_days=days_of_holidays(holidays[is_closed & (not is_digital)]),
            special_days=kinds_of_days(holidays),
            response_rates={month: rate for (of, month), rate in responses.items() if of == name},
            wait_cdf=cdf_of_days(wait["lag_days"], wait["weight"]),
        )
    return groups


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


def split_groups(batches):
    """Arrow tables of a stream, one for each location and month."""

    def number(batch):
        location, month = (
            np.asarray(batch.column(name)).astype(np.int64)
            for name in ("location_key", "month_key")
        )
        return location * 1_000_000 + month

    return split_stream(batches, number, number)


def joined(tables, daily_units, days=DAYS_OF_MONTH, most=BATCH_SIZE):
    """Lists of successive tables of split_groups whose locations are computed together.

    They have the month, price zone and products in common, and up to `most` products and units
    wanted on so many days. daily_units: dict of location_key -> units wanted on an average day.
    """
    batch: list = []
    size = 0
    for table in tables:
        units = days * daily_units[table["location_key"][0].as_py()]
        own_size = table.num_rows + units
        if batch and not (
            size + own_size <= most
            and all(
                table[name].equals(batch[0][name])
                for name in ("month_key", "price_zone", "product_key")
            )
        ):
            yield batch
            batch, size = [], 0
        batch.append(table)
        size += own_size
    if batch:
        yield batch


def shape_from(config, demand_shape, demand_levels, habits, next_size_share):
    """Shape from the model's configuration and seeds: pandas frames, habits a dict."""
    parameters = demand_shape.set_index("parameter")["parameter_value"]
    components = demand_levels.set_index("component").drop(columns="scope")
    product_shock, store_shock = (
        Component(**components.loc[name].astype(float).to_dict())
        for name in ("product_shock", "store_shock")
    )
    return Shape(
        random_seed=int(config["random_seed"]),
        cart_abandonment_base_rate=float(config["cart_abandonment_base_rate"]),
        cart_recovery_rate=float(config["cart_recovery_rate"]),
        return_rate=float(config["return_rate"]),
        return_delay_days=tuple(config["return_delay_days"]),
        traffic_noise=float(parameters["traffic_noise"]),
        same_category_share=float(parameters["same_category_share"]),
        channel_loyalty=float(parameters["channel_loyalty"]),
        low_units_share=float(parameters["low_units_share"]),
        expected_abandonment_increase=float(parameters["expected_abandonment_increase"]),
        product_shock=product_shock,
        store_shock=store_shock,
        habits=habits,
        substitution_rate=float(config["substitution_rate"]),
        waiting_rate=float(config["waiting_rate"]),
        next_size_share=next_size_share,
    )


def assortment_from(colorways, substitutes, responses):
    """Assortment from rows of colorway_key and category_level_2, int_substitutes and a seed.

    All are pandas frames; responses: the seed shortage_responses.
    """
    keys, categories = (
        np.sort(colorways["colorway_key"]),
        sorted(set(colorways["category_level_2"])),
    )
    substitutes = substitutes.sort_values(["colorway_key", "substitute_colorway_key"])
    own, other = (
        np.searchsorted(keys, substitutes[name].to_numpy())
        for name in ("colorway_key", "substitute_colorway_key")
    )
    count = np.bincount(own, minlength=len(keys))
    at = own, np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count)
    substitute, closeness = (
        np.full((len(keys), count.max(initial=1)), value) for value in (-1, 0.0)
    )
    substitute[at], closeness[at] = other, substitutes["closeness"].to_numpy(float)
    return Assortment(
        colorway_keys=keys,
        categories=categories,
        category_response=response_index(responses, "category", categories),
        substitute=substitute,
        closeness=closeness,
    )


def shoppers_from(affinities, genders, tastes, segments, segment_orders, habits, responses):
    """Shoppers from int_taste_affinities, seeds and yearly orders by rank of the segment.

    affinities, genders, tastes, segments: pandas frames, and responses: the seed
    shortage_responses; segment_orders: dict of rank -> (digital orders, orders in stores), first
    ones apart; habits: dict of customer_lives.
    """
    weight = genders.set_index("value")["weight"].astype(float)
    undisclosed = weight.get("undisclosed", 0.0) / 2
    of_gender = [weight["female"] + undisclosed, weight["male"] + undisclosed]
    tastes = tastes.sort_values("taste_number")
    of_taste = [tastes[f"{name}_weight"].to_numpy(float) for name in ("female", "male")]
    share = np.concatenate([g * t / t.sum() for g, t in zip(of_gender, of_taste, strict=True)])
    affinities = affinities.sort_values(["colorway_key", "shopper_class"])
    segments = segments.sort_values("segment_rank")
    ranks, first_share = range(len(segments)), habits["first_order_share"]
    orders = np.array([segment_orders.get(rank, (0, 0)) for rank in ranks], float).T
    orders[:, 0] += orders.sum(axis=1) * first_share / (1 - first_share)
    total = orders.sum(axis=1, keepdims=True)
    alike = np.full(orders.shape, 1 / len(ranks))
    digital_share, store_share = np.divide(orders, total, out=alike, where=total > 0)
    index = segments["base_abandonment_index"].to_numpy(float)
    return Shoppers(
        class_share=share / share.sum(),
        affinity=affinities["affinity"].to_numpy(float).reshape(-1, len(share)),
        segment_share=digital_share,
        store_segment_share=store_share,
        segment_abandonment=np.append(index, habits["guest_abandonment_index"]),
        segment_response=response_index(
            responses, "segment", [*segments["segment"], UNKNOWN_SEGMENT]
        ),
    )


def visits_with_customers(visits, lives, versions):
    """One row per location and month with a list of visits (see Visits), on the first product."""
    from pyspark.sql import functions as F

    date = F.to_date(F.col("date_key").cast("string"), "yyyyMMdd")
    preferences = F.create_map(
        *[F.lit(value) for pair in enumerate(PREFERENCES) for value in reversed(pair)]
    )
    life = lives.select(
        "customer_number",
        "shopper_class",
        F.col("preferred_channel").alias("preference"),
        "ios",
        "device_draw",
        "basket_quantile",
        *[f"build_{part}" for part in BODY_PARTS],
    )
    version = versions.select(
        F.expr("cast(customer_key % 100000000 as int)").alias("customer_number"),
        "customer_key",
        "segment_rank",
        "effective_date",
        "expiration_date",
    )
    return (
        visits.withColumn("visit_date", date)
        .join(life, "customer_number")
        .join(version, "customer_number")
        .filter("visit_date between effective_date and expiration_date")
        .withColumn("month_key", F.expr("cast(date_key div 100 as int)"))
        .groupBy("location_key", "month_key")
        .agg(
            F.collect_list(
                F.struct(
                    "date_key",
                    "customer_key",
                    F.col("segment_rank").alias("segment"),
                    "shopper_class",
                    preferences[F.col("preference")].alias("preferred_channel"),
                    F.col("ios").alias("has_ios"),
                    "device_draw",
                    "basket_quantile",
                    *[f"build_{part}" for part in BODY_PARTS],
                )
            ).alias("visits")
        )
        .withColumn("product_key", F.lit(1))
    )


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


def planned_units_by_group(plan, locations):
    """Pandas frame of channel_group, month_key, planned_units from int_demand_plan."""
    from pyspark.sql import functions as F

    # A sum of whole millionths: a sum of doubles depends on the order that the engine takes.
    millionths = "cast(round(mean_daily_demand * 1000000) as bigint)"
    planned = (
        plan.groupBy("location_key", "month_key")
        .agg(F.expr(f"sum({millionths})").alias("planned_units"))
        .toPandas()
    )
    planned["channel_group"] = planned["location_key"].map(locations["channel_group"])
    by_group = planned.groupby(["channel_group", "month_key"], as_index=False)
    return by_group["planned_units"].sum()


def first_new_day(world, is_incremental):
    """First day to be generated, from the row of int_simulated_days."""
    if is_incremental and world.closed_date:
        return world.closed_date + timedelta(days=1)
    return world.first_date


def stream_of_plan(plan, places, products, prices, promotion_days, levels, visits):
    """Rows of int_demand_plan with what is needed of their products, in the order of tasks.

    places: channel_group, price_zone and region of each location; prices: int_zone_prices;
    visits: see visits_with_customers.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    epoch = F.to_date(F.lit("1970-01-01"))
    end_of_life = F.coalesce("end_of_life_date", F.to_date(F.lit("9999-12-31")))
    products = products.select(
        "product_key",
        "colorway_key",
        "category_level_1",
        "category_level_2",
        "gender",
        "size_ladder",
        "return_rate_index",
        F.datediff("launch_date", epoch).alias("launch_day"),
        F.datediff(end_of_life, epoch).alias("last_day"),
    )
    entry = F.struct("day_of_month", "promotion_key", "discount_cents", "demand_uplift")
    promotion_days = (
        promotion_days.withColumn("month_key", F.expr("cast(date_key div 100 as int)"))
        .withColumn("day_of_month", F.expr("cast(date_key % 100 as int)"))
        .groupBy("product_key", "price_zone", "month_key")
        .agg(F.collect_list(entry).alias("promotion_days"))
    )
    rows = (
        plan.select("product_key", "location_key", "month_key", "demand_weight", "planned_weight")
        .join(places, "location_key")
        .join(products, "product_key")
        .join(
            prices.select("product_key", "price_zone", "list_price_cents"),
            ["product_key", "price_zone"],
        )
        .join(
            levels.select("region", "colorway_key", "month_key", "month_level", "monday_levels"),
            ["region", "colorway_key", "month_key"],
        )
        .drop("region")
        .join(promotion_days, ["product_key", "price_zone", "month_key"], "left")
        .join(visits, ["product_key", "location_key", "month_key"], "left")
    )
    # What is computed together comes together: locations of a price zone and month.
    group = Window.partitionBy("price_zone", "month_key", "location_key").orderBy("product_key")
    return rows.withColumn("stream_position", F.row_number().over(group))


# Longer than a screen: dbt finds what a model reads in the text of this function alone.
def model(dbt, session):
    """One row per cart line (OUTPUT_SCHEMA and cart_id)."""
    from pyspark.sql import functions as F

    seeds = {
        "channels": dbt.ref("channels"),
        "demand_by_hour": dbt.ref("demand_by_hour"),
        "basket_sizes": dbt.ref("basket_sizes"),
        "opening_hours": dbt.ref("opening_hours"),
        "int_holiday_calendar": dbt.ref("int_holiday_calendar"),
        "return_lags": dbt.ref("return_lags"),
        "gift_seasons": dbt.ref("gift_seasons"),
        "gift_return_days": dbt.ref("gift_return_days"),
        "return_rates": dbt.ref("return_rates"),
        "units_per_line": dbt.ref("units_per_line"),
        "web_funnel": dbt.ref("web_funnel"),
        "known_shares": dbt.ref("known_shares"),
        "shortage_responses": dbt.ref("shortage_responses"),
        "waiting_lags": dbt.ref("waiting_lags"),
    }
    config = {
        "random_seed": dbt.config.get("random_seed"),
        "cart_abandonment_base_rate": dbt.config.get("cart_abandonment_base_rate"),
        "cart_recovery_rate": dbt.config.get("cart_recovery_rate"),
        "return_rate": dbt.config.get("return_rate"),
        "return_delay_days": dbt.config.get("return_delay_days"),
        "substitution_rate": dbt.config.get("substitution_rate"),
        "waiting_rate": dbt.config.get("waiting_rate"),
    }
    habits = dbt.ref("customer_lives").toPandas().set_index("parameter")["parameter_value"]
    habits = habits.astype(float).to_dict()
    closeness = dbt.ref("substitute_closeness").toPandas().set_index("parameter")
    shape = shape_from(
        config,
        dbt.ref("demand_shape").toPandas(),
        dbt.ref("demand_levels").toPandas(),
        habits,
        float(closeness.loc["next_size_share", "parameter_value"]),
    )
    location_demand = dbt.ref("int_location_demand")
    locations = location_demand.toPandas().set_index("location_key")
    (world,) = dbt.ref("int_simulated_days").collect()
    first_day, last_day = first_new_day(world, dbt.is_incremental), world.last_date
    months = f"month_key between {first_day:%Y%m} and {last_day:%Y%m}"
    plan = dbt.ref("int_demand_plan").filter(months)
    promotion_days = dbt.ref("int_promotion_days").filter(f"date_key >= {first_day:%Y%m%d}")
    # A new day asks which days of its month were simulated before.
    simulated = f"calendar_date between '{world.first_date}' and '{last_day}'"
    traffic = dbt.ref("int_traffic_plan").filter(f"{months} and {simulated}").toPandas()
    planned_units = planned_units_by_group(plan, locations)
    formats = locations["store_format"].dropna().map(STORE_FORMATS.index).to_dict()
    groups = groups_from(
        lambda name: seeds[name].toPandas(), traffic, shape, planned_units, formats
    )
    products = dbt.ref("gold_product_dim")
    responses = seeds["shortage_responses"].toPandas()
    assortment = assortment_from(
        products.select("colorway_key", "category_level_2").distinct().toPandas(),
        dbt.ref("int_substitutes").toPandas(),
        responses,
    )
    attributes = dbt.ref("customer_attributes").filter("attribute = 'gender'").toPandas()
    segments = dbt.ref("customer_segments")
    lives = dbt.ref("int_customer_lives")
    # Whole millionths: a sum of doubles depends on the order that the engine takes.
    millionths = "cast(round(annual_orders * {} * 1000000) as bigint)"
    digital, store = (millionths.format(share) for share in ("(1 - store_share)", "store_share"))
    segment_orders = (
        lives.filter("joined_date < '1900-01-02'")
        .groupBy("first_rank")
        .agg(F.expr(f"sum({digital})").alias("digital"), F.expr(f"sum({store})").alias("store"))
        .collect()
    )
    shoppers = shoppers_from(
        dbt.ref("int_taste_affinities").toPandas(),
        attributes,
        dbt.ref("taste_classes").toPandas(),
        segments.toPandas(),
        {row.first_rank: (row.digital, row.store) for row in segment_orders},
        habits,
        responses,
    )
    customers = dbt.ref("gold_customer_dim").join(
        segments.select("segment", "segment_rank"), "segment"
    )
    visits = visits_with_customers(
        dbt.ref("int_customer_visits").filter(f"date_key >= {first_day:%Y%m%d}"),
        lives,
        customers,
    )
    daily_units = locations["average_daily_units"].astype(float).to_dict()

    from_date_key = int(f"{first_day:%Y%m%d}")
    days = min((last_day - first_day).days + 1, DAYS_OF_MONTH)

    def cart_lines(batches):
        for tables in joined(split_groups(batches), daily_units, days):
            units = [daily_units[table["location_key"][0].as_py()] for table in tables]
            group = groups[tables[0]["channel_group"][0].as_py()]
            lines = generate(tables, units, group, shoppers, assortment, shape, from_date_key)
            yield from lines.to_batches()

    # A stream and not applyInArrow: docs/engine_notes.md#streams-of-rows
    places = location_demand.select("location_key", "channel_group", "price_zone").join(
        dbt.ref("gold_location_dim").select("location_key", "region"), "location_key"
    )
    levels, prices = dbt.ref("int_demand_levels").filter(months), dbt.ref("int_zone_prices")
    stream = stream_of_plan(plan, places, products, prices, promotion_days, levels, visits)
    lines = stream.mapInArrow(cart_lines, spark_ddl(OUTPUT_SCHEMA))
    # The engine builds the text: row by row in Python it would take longer than all the rest.
    cart_id = F.concat(F.lit("CART_"), F.col("cart_number").cast("string")).alias("cart_id")
    first, *others = OUTPUT_SCHEMA.names
    return lines.select(first, cart_id, *others)
