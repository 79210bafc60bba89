"""What customers want: every cart line with all of its randomness, before stock is known.

A group is one location and month. Every draw is a uniform from a Philox stream that is keyed by
(seed, stream, location, day) and mapped through an inverse CDF, so a group's rows depend on nothing
else: not on the engine, the number of partitions, or how many days are simulated.

Inside a group, D is the number of simulated days, P of products, C of carts and L of cart lines.
"""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pyarrow as pa

# Streams of random numbers: one number for each use, never reused.
CARTS, LINES, PRODUCT_WEEK = 1, 2, 3

# Columns of the uniform draws of a cart and of a line. Append only: the order is part of the data.
CART_DRAWS = (
    "product",
    "customer_prefers_category",
    "customer",
    "items",
    "channel_is_preferred",
    "channel",
    "device",
    "hour",
    "quarter_hour",
    "abandonment",
    "recovery",
    "recovery_lag",
)
LINE_DRAWS = (
    "same_category",
    "product",
    "quantity",
    "allocation",
    "is_returned",
    "return_lag",
    "restock_delay",
    "recovery_allocation",
)

DEVICES = ("desktop", "mobile", "tablet")  # device_number 1, 2 and 3 of the seed web_funnel

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
    ]
)
SPARK_TYPES = {
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.float64(): "double",
    pa.bool_(): "boolean",
}
OUTPUT_DDL = ", ".join(f"{field.name} {SPARK_TYPES[field.type]}" for field in OUTPUT_SCHEMA)


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
    category_loyalty: float
    channel_loyalty: float
    low_units_share: float
    expected_abandonment_increase: float


@dataclass(frozen=True)
class Group:
    """What differs between stores and digital channels.

    traffic: dict of date_key -> demand index. channel_key: (N,) channels; channel_cdf: (N,)
    cumulative shares; device_cdf: (N, 3) cumulative shares of DEVICES or None in stores;
    device_abandonment: (3,) abandonment rate of DEVICES relative to other ones, None in stores.
    preferred_channels: dict of a customer's preferred channel -> indices into channel_key.
    hour_cdf: (24,); items_cdf: (most items,); lag_cdf: (longest lag,) from 1 day;
    return_rate: dict of month_key -> share of sold lines that come back.
    """

    is_digital: bool
    traffic: dict
    channel_key: np.ndarray
    channel_cdf: np.ndarray
    device_cdf: np.ndarray | None
    device_abandonment: np.ndarray | None
    preferred_channels: dict
    hour_cdf: np.ndarray
    items_cdf: np.ndarray
    lag_cdf: np.ndarray
    return_rate: dict


@dataclass(frozen=True)
class Customers:
    """Customers by number (N,) and their versions (V,) sorted by customer and first day.

    version_order: customer * 2**20 + first day of the version; segment: index per version.
    frequency: relative visits. location: dict of is_digital -> (N,) location that serves them.
    segment_frequency, segment_abandonment: relative to other segments.
    tier_preference: (segments, T) visits for a product of a price tier relative to any product.
    """

    frequency: np.ndarray
    preferred_category: np.ndarray
    preferred_channel: np.ndarray
    location: dict
    first_version: np.ndarray
    version_order: np.ndarray
    version_key: np.ndarray
    segment: np.ndarray
    segment_frequency: np.ndarray
    segment_abandonment: np.ndarray
    tier_preference: np.ndarray


def uniforms(seed, stream, location, day):
    """Generator of a block's uniforms in [0, 1): the same with every machine and NumPy version."""
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, location, day]))


def pick(cdf, draws):
    """Inverse CDF: index of the first cumulative share above each draw."""
    return np.minimum(np.searchsorted(cdf, draws, side="right"), len(cdf) - 1)


def cumulative(weights):
    """Cumulative shares along the last axis."""
    sums = np.cumsum(np.asarray(weights, dtype=np.float64), axis=-1)
    return sums / sums[..., -1:]


def rates_with_mean(mean, index, weights):
    """Rates in proportion to an index and at most 1, whose weighted mean is `mean`."""
    shares = np.asarray(weights, dtype=np.float64) / np.sum(weights)
    capped = np.zeros(len(shares), dtype=bool)
    while True:
        rest = shares @ np.where(capped, 0.0, index)
        if rest <= 0:
            return capped.astype(np.float64)
        rates = np.where(capped, 1.0, np.multiply(index, (mean - shares[capped].sum()) / rest))
        if (rates <= 1).all():
            return rates
        capped |= rates > 1


def poisson_quantile(mean, draw):
    """Inverse CDF of the Poisson distribution (normal approximation above a mean of 500)."""
    if mean <= 0:
        return 0
    if mean > 500:
        return max(0, round(NormalDist(mean, mean**0.5).inv_cdf(min(max(draw, 1e-12), 1 - 1e-12))))
    counts = np.arange(1, int(mean + 12 * mean**0.5) + 20)
    cdf = np.exp(-mean) * np.concatenate([[1.0], np.cumprod(mean / counts)]).cumsum()
    return int(np.searchsorted(cdf, draw, side="right"))


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


def weekly_shocks(seed, days, product_position, product_count):
    """(D, P) factors with mean 1: demand of a product in a week is gamma distributed, shape 2."""
    weeks = (days + 3) // 7  # weeks since 1970-01-01 that start on Monday
    factors = {}
    for week in np.unique(weeks):
        draws = uniforms(seed, PRODUCT_WEEK, 0, int(week)).random((product_count, 2))
        factors[week] = -np.log1p(-draws).sum(axis=1)[product_position] / 2
    return np.array([factors[week] for week in weeks])


def customers_at(customers, location_key, is_digital, first_day):
    """Members of a location sorted by preferred category: indices, weights and segments (M,)."""
    members = np.flatnonzero(customers.location[is_digital] == location_key)
    if not len(members):  # a location without customers of its own serves passers-by
        members = np.arange(len(customers.frequency))
    members = members[np.argsort(customers.preferred_category[members], kind="stable")]
    segment = customers.segment[version_of(customers, members, first_day)]
    return members, customers.frequency[members] * customers.segment_frequency[segment], segment


def version_of(customers, customer, day):
    """Index of the customer's version in force on the day (arrays of one length, or one day)."""
    at = np.searchsorted(customers.version_order, customer * 2**20 + day, side="right") - 1
    return np.maximum(at, customers.first_version[customer])


def channel_shares(group, preferred_channel, member_weight, channel_loyalty):
    """(N,) expected share of each channel in the carts of the members of a location."""
    shares = np.diff(group.channel_cdf, prepend=0.0)
    expected = shares.copy()
    for code, choices in group.preferred_channels.items():
        if len(choices):
            prefers = preferred_channel == code
            loyal = channel_loyalty * member_weight[prefers].sum() / member_weight.sum()
            own = np.zeros(len(shares))
            own[choices] = shares[choices] / shares[choices].sum()
            expected += loyal * (own - shares)
    return expected


def segment_shares(segment, weight, tier_preference, tier_share):
    """Expected share of each segment in the carts, given the share of each price tier (T,)."""
    of_segment = np.bincount(segment, weights=weight, minlength=len(tier_preference))
    of_tier = of_segment[:, None] * tier_preference
    return (of_tier / of_tier.sum(axis=0)) @ tier_share


def base_rates_by_day(group, customers, members, member_weight, days, tier_share, shape):
    """(D, segments, 3) abandonment rates whose mean over the carts is the variable.

    Segments change with time, so each week has the rates of its first day: what comes later may be
    after the last simulated day, and unknown.
    """
    of_channel = channel_shares(
        group, customers.preferred_channel[members], member_weight, shape.channel_loyalty
    )
    of_device = of_channel @ np.diff(group.device_cdf, prepend=0.0)
    index = np.outer(customers.segment_abandonment, group.device_abandonment)
    _, first_days, week = np.unique((days + 3) // 7, return_index=True, return_inverse=True)
    rates = []
    for day in days[first_days]:
        segment = customers.segment[version_of(customers, members, day)]
        share = segment_shares(segment, member_weight, customers.tier_preference, tier_share)
        weights = np.outer(share, of_device)
        of_week = rates_with_mean(shape.cart_abandonment_base_rate, index.ravel(), weights.ravel())
        rates.append(np.round(of_week, 4).reshape(index.shape))
    return np.array(rates)[week]


def share_not_abandoned(shape, increase=0.0):
    """Share of digital carts that buy in the end, when abandonment is higher by `increase`.

    At least 5%: no number of carts meets the plan when all are abandoned.
    """
    abandoned = min(shape.cart_abandonment_base_rate + increase, 1.0)
    recovered = max(shape.cart_recovery_rate - increase, 0.0)
    return max(0.05, 1 - abandoned * (1 - recovered))


def pick_within(sums, start, stop, draws):
    """Index in [start, stop) by the weights whose cumulative sums are given (inverse CDF)."""
    padded = np.concatenate([[0], sums])
    low, high = padded[start], padded[stop]
    at = np.searchsorted(sums, low + draws * (high - low), side="right")
    return np.clip(at, start, stop - 1)


def generate(table, location_key, average_daily_units, group, customers, shape, quantity_cdf):
    """Cart lines of one location and month.

    table: Arrow table with one row per product (int_demand_plan joined with the product), sorted by
    category; returns a table of OUTPUT_SCHEMA sorted by day and line.
    """
    size = table.num_rows
    column = {
        name: np.asarray(table[name].combine_chunks())
        for name in table.column_names
        if name != "promotion_days"
    }
    month_key = int(column["month_key"][0])
    date_keys = np.array([key for key in sorted(group.traffic) if key // 100 == month_key])
    if not len(date_keys):
        return OUTPUT_SCHEMA.empty_table()
    month_start = np.datetime64(f"{month_key // 100}-{month_key % 100:02d}-01", "D")
    days = month_start.astype(np.int64) + date_keys % 100 - 1
    category = column["category_code"]
    category_start = np.searchsorted(category, np.arange(category[-1] + 2))

    promotion, discount, uplift = promotion_matrices(table["promotion_days"], date_keys % 100)
    on_sale = (column["launch_day"] <= days[:, None]) & (days[:, None] <= column["last_day"])
    shocks = weekly_shocks(
        shape.random_seed, days, column["product_position"], int(column["product_count"][0])
    )
    weights = (column["demand_weight"] * uplift * shocks * on_sale).astype(np.int64)
    product_sums = np.cumsum(weights, axis=1)
    members, member_weight, member_segment = customers_at(
        customers, location_key, group.is_digital, int(days[0])
    )

    # Units that a cart brings on average, so that carts x units meets the plan.
    tier_share = np.bincount(
        column["price_tier_code"],
        weights=np.maximum(column["planned_weight"], 1),
        minlength=customers.tier_preference.shape[1],
    )
    tier_share /= tier_share.sum()
    mean_items = (1 - group.items_cdf).sum() + 1
    mean_quantity = (1 - quantity_cdf).sum() + 1
    units_per_cart = mean_quantity * mean_items
    if group.is_digital:
        units_per_cart *= share_not_abandoned(shape)

    # Carts, day by day: how many, and their first product.
    planned_weight = column["planned_weight"].sum()
    draws, main_products, cart_counts = [], [], []
    for n, day in enumerate(days):
        rng = uniforms(shape.random_seed, CARTS, location_key, int(day))
        normal = rng.random(12).sum() - 6  # Irwin-Hall approximation of a standard normal
        traffic = group.traffic[int(date_keys[n])] * max(0.3, 1 + shape.traffic_noise * normal)
        total = product_sums[n, -1]
        units = average_daily_units * traffic * total / planned_weight
        count = poisson_quantile(units / units_per_cart, rng.random()) if total else 0
        block = rng.random((count, len(CART_DRAWS)))
        draws.append(block)
        main_products.append(pick_within(product_sums[n], 0, size, block[:, 0]))
        cart_counts.append(count)
    cart_draw = dict(zip(CART_DRAWS, np.concatenate(draws).T, strict=True))
    cart_counts = np.array(cart_counts)
    if not cart_counts.sum():
        return OUTPUT_SCHEMA.empty_table()
    cart_day = np.repeat(np.arange(len(days)), cart_counts)
    main_product = np.concatenate(main_products)

    # Their customers: often one who likes the category of the first product, and of a segment
    # that likes its price tier.
    member_category = customers.preferred_category[members]
    likes = category[main_product]
    start = np.searchsorted(member_category, likes)
    stop = np.searchsorted(member_category, likes, side="right")
    anyone = (cart_draw["customer_prefers_category"] >= shape.category_loyalty) | (start == stop)
    start, stop = np.where(anyone, 0, start), np.where(anyone, len(members), stop)
    customer = np.empty(len(likes), np.int64)
    for tier, preference in enumerate(customers.tier_preference.T):
        at = np.flatnonzero(column["price_tier_code"][main_product] == tier)
        sums = np.cumsum(member_weight * preference[member_segment])
        customer[at] = members[pick_within(sums, start[at], stop[at], cart_draw["customer"][at])]
    version = version_of(customers, customer, days[cart_day])
    segment = customers.segment[version]

    channel = pick(group.channel_cdf, cart_draw["channel"])
    loyal = cart_draw["channel_is_preferred"] < shape.channel_loyalty
    for code, choices in group.preferred_channels.items():
        if len(choices):
            chosen = loyal & (customers.preferred_channel[customer] == code)
            share = np.diff(group.channel_cdf, prepend=0.0)[choices]
            channel[chosen] = choices[pick(cumulative(share), cart_draw["channel"][chosen])]
    hour = pick(group.hour_cdf, cart_draw["hour"])
    time_key = hour * 100 + (cart_draw["quarter_hour"] * 4).astype(np.int64) * 15
    items = 1 + pick(group.items_cdf, cart_draw["items"])

    # Lines, day by day: the other products of each cart.
    cart = np.repeat(np.arange(len(items)), items)
    line_day = cart_day[cart]
    is_main = np.diff(cart, prepend=-1) > 0
    line_cuts = np.searchsorted(line_day, np.arange(len(days) + 1))
    product = main_product[cart]
    draws = []
    for n, day in enumerate(days):
        rng = uniforms(shape.random_seed, LINES, location_key, int(day))
        lines = slice(line_cuts[n], line_cuts[n + 1])
        block = rng.random((line_cuts[n + 1] - line_cuts[n], len(LINE_DRAWS)))
        draws.append(block)
        similar = block[:, 0] < shape.same_category_share
        liked = category[product[lines]]
        start = np.where(similar, category_start[liked], 0)
        stop = np.where(similar, category_start[liked + 1], size)
        other = pick_within(product_sums[n], start, stop, block[:, 1])
        product[lines] = np.where(is_main[lines], product[lines], other)
    draws = np.concatenate(draws)

    # A product is at most once in a cart: its first line asks for the units of all, up to the most
    # that a line may have.
    quantity = 1 + pick(quantity_cdf, draws[:, LINE_DRAWS.index("quantity")])
    _, kept, line = np.unique(cart * size + product, return_index=True, return_inverse=True)
    quantity = np.bincount(line, weights=quantity)[np.argsort(kept)].astype(np.int64)
    quantity = np.minimum(quantity, len(quantity_cdf))
    kept = np.sort(kept)
    cart, line_day, product, draws = cart[kept], line_day[kept], product[kept], draws[kept]
    line_draw = dict(zip(LINE_DRAWS, draws.T, strict=True))

    date_key = date_keys[line_day]
    block_id = (date_key.astype(np.int64) * 10_000 + location_key) * 1_000_000
    line_in_day = np.arange(len(cart)) - np.searchsorted(line_day, line_day)
    cart_in_day = np.arange(len(cart_day)) - np.searchsorted(cart_day, cart_day)
    lags = 1 + pick(group.lag_cdf, line_draw["return_lag"])
    shortest, longest = shape.return_delay_days
    delays = shortest + (line_draw["restock_delay"] * (longest - shortest + 1)).astype(np.int64)
    at = line_day, product
    # Over what is wanted that day the mean is the group's.
    return_rates = [
        rates_with_mean(
            group.return_rate[month_key], column["return_rate_index"], np.maximum(wanted, 1)
        )
        for wanted in weights
    ]
    kept_by_customer = line_draw["is_returned"] >= np.array(return_rates)[at]
    if group.is_digital:
        base_rates = base_rates_by_day(
            group, customers, members, member_weight, days, tier_share, shape
        )
        devices = (cart_draw["device"][:, None] >= group.device_cdf[channel]).sum(axis=1)
        devices = np.minimum(devices, len(DEVICES) - 1)
        base_rate = base_rates[cart_day, segment, devices]
        device_number = 1 + devices[cart]
    else:
        base_rate = np.zeros(len(items))
        device_number = np.ma.masked_all(len(cart), np.int32)
    columns = {
        "cart_line_id": block_id + line_in_day,
        "cart_number": block_id + cart_in_day[cart],
        "customer_key": customers.version_key[version][cart],
        "channel_key": group.channel_key[channel][cart],
        "location_key": np.full(len(cart), location_key),
        "date_key": date_key,
        "time_key": time_key[cart],
        "product_key": column["product_key"][product],
        "quantity_requested": quantity,
        "unit_price": column["price_cents"][product] / 100,
        "discount_amount": discount[at] / 100,
        "promotion_key": promotion[at],
        "is_digital": np.full(len(cart), group.is_digital),
        "base_abandonment_rate": base_rate[cart],
        "abandonment_draw": cart_draw["abandonment"][cart],
        "allocation_draw": line_draw["allocation"],
        "return_lag_days": np.ma.array(lags, mask=kept_by_customer),
        "restock_delay_days": np.ma.array(delays, mask=kept_by_customer),
        "recovery_draw": cart_draw["recovery"][cart],
        "recovery_lag_days": 1 + (cart_draw["recovery_lag"] * 7).astype(np.int64)[cart],
        "recovery_allocation_draw": line_draw["recovery_allocation"],
        "device_number": device_number,
    }
    arrays = []
    for field in OUTPUT_SCHEMA:
        values = columns[field.name]
        mask = np.ma.getmaskarray(values) if np.ma.isMaskedArray(values) else None
        arrays.append(pa.array(np.ma.getdata(values), mask=mask).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=OUTPUT_SCHEMA)


def customers_from(frame, segments, price_tiers):
    """Customers from the versions in gold_customer_dim and the seed of segments (pandas frames).

    price_tiers: names of the T tiers in the order of their codes.
    """
    frame = frame.sort_values(["customer_id", "version"], ignore_index=True)
    is_first = (frame["version"] == 1).to_numpy()
    first = frame[is_first]
    number = np.cumsum(is_first) - 1
    segments = segments.set_index("segment")
    segment = segments.index.get_indexer(frame["segment"])
    first_day = frame["effective_date"].to_numpy("datetime64[D]").astype(np.int64)
    # Exponential heterogeneity of purchase frequency (Ehrenberg 1959: gamma and Poisson).
    frequency = -np.log1p(-first["visit_frequency_draw"].to_numpy())
    return Customers(
        frequency=frequency,
        preferred_category=first["preferred_category_code"].to_numpy(),
        preferred_channel=first["preferred_channel"].to_numpy(str),
        location={
            True: first["fulfillment_location_id"].to_numpy(),
            False: first["nearest_store_id"].to_numpy(),
        },
        first_version=np.flatnonzero(is_first),
        version_order=number * 2**20 + first_day,
        version_key=frame["customer_key"].to_numpy(),
        segment=segment,
        segment_frequency=segments["visit_frequency_index"].to_numpy(float),
        segment_abandonment=segments["base_abandonment_index"].to_numpy(float),
        tier_preference=segments[[f"{tier}_index" for tier in price_tiers]].to_numpy(float),
    )


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


def groups_from(read, is_simulated_traffic, shape, planned_units):
    """Group of each channel group from the seeds; read(name) gives a seed as a pandas frame.

    planned_units: rows of channel_group, month_key, planned_units.
    """
    channels, hours, baskets = read("channels"), read("demand_by_hour"), read("basket_sizes")
    lags = read("return_lags")
    funnel = read("web_funnel").set_index("device_type").loc[list(DEVICES)]
    abandonment = funnel["base_abandonment_index"].to_numpy(float)
    return_rates = return_rates_by_month(read("return_rates"), planned_units, shape)
    groups = {}
    for name in ("store", "digital"):
        is_digital = name == "digital"
        own = channels[channels["channel_group"] == name].sort_values("channel_key")
        traffic = is_simulated_traffic[is_simulated_traffic["channel_group"] == name]
        hour = hours[hours["channel_group"] == name].sort_values("hour")
        basket = baskets[baskets["channel_group"] == name].sort_values("items_count")
        lag = lags[lags["channel_group"] == name].sort_values("lag_days")
        lag_weights = np.zeros(int(lag["lag_days"].max()))
        lag_weights[lag["lag_days"].to_numpy(int) - 1] = lag["weight"].to_numpy(float)
        devices = own[[f"{device}_weight" for device in DEVICES]]
        category = own["channel_category"].to_numpy(str)
        preferences = {"web": "web", "app": "mobile_app", "social": "social", "store": "store"}
        groups[name] = Group(
            is_digital=is_digital,
            traffic=dict(
                zip(
                    traffic["date_key"].astype(int).tolist(),
                    traffic["demand_index"].astype(float).tolist(),
                    strict=True,
                )
            ),
            channel_key=own["channel_key"].to_numpy(int),
            channel_cdf=cumulative(own["weight"].to_numpy(float)),
            device_cdf=cumulative(devices.to_numpy(float)) if is_digital else None,
            device_abandonment=abandonment if is_digital else None,
            preferred_channels={
                code: np.flatnonzero(category == kind) for code, kind in preferences.items()
            },
            hour_cdf=cumulative(hour["weight"].to_numpy(float)),
            items_cdf=cumulative(basket["weight"].to_numpy(float)),
            lag_cdf=cumulative(lag_weights),
            return_rate={month: rate for (of, month), rate in return_rates.items() if of == name},
        )
    return groups


def split_groups(batches):
    """Regroup a stream of Arrow batches into one Arrow table per location and month.

    Raises ValueError when stream_position does not count from 1 in each of them: an engine that
    reorders must not go unnoticed.
    """
    pending, last_key, last_position = [], None, 0
    for batch in batches:
        location, month, position = (
            np.asarray(batch.column(name)).astype(np.int64)
            for name in ("location_key", "month_key", "stream_position")
        )
        if not len(position):
            continue
        key = location * 1_000_000 + month
        goes_on = np.append(key[0] == last_key, key[1:] == key[:-1])
        before = np.append(last_position, position[:-1])
        if (position != np.where(goes_on, before + 1, 1)).any():
            raise ValueError("rows of a group must arrive in the order of stream_position")
        last_key, last_position = key[-1], position[-1]
        cuts = np.flatnonzero(position == 1)
        for start, stop in zip([0, *cuts], [*cuts, len(position)], strict=True):
            if position[start] == 1 and pending:
                yield pa.Table.from_batches(pending)
                pending = []
            if start < stop:
                pending.append(batch.slice(start, stop - start))
    if pending:
        yield pa.Table.from_batches(pending)


def model(dbt, session):
    """One row per cart line (OUTPUT_SCHEMA and cart_id)."""
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    seeds = {
        "channels": dbt.ref("channels"),
        "demand_by_hour": dbt.ref("demand_by_hour"),
        "basket_sizes": dbt.ref("basket_sizes"),
        "return_lags": dbt.ref("return_lags"),
        "return_rates": dbt.ref("return_rates"),
        "web_funnel": dbt.ref("web_funnel"),
    }
    parameters = dbt.ref("demand_shape").toPandas().set_index("parameter")["parameter_value"]
    shape = Shape(
        random_seed=int(dbt.config.get("random_seed")),
        cart_abandonment_base_rate=float(dbt.config.get("cart_abandonment_base_rate")),
        cart_recovery_rate=float(dbt.config.get("cart_recovery_rate")),
        return_rate=float(dbt.config.get("return_rate")),
        return_delay_days=tuple(dbt.config.get("return_delay_days")),
        traffic_noise=float(parameters["traffic_noise"]),
        same_category_share=float(parameters["same_category_share"]),
        category_loyalty=float(parameters["category_loyalty"]),
        channel_loyalty=float(parameters["channel_loyalty"]),
        low_units_share=float(parameters["low_units_share"]),
        expected_abandonment_increase=float(parameters["expected_abandonment_increase"]),
    )
    segments = dbt.ref("customer_segments").toPandas().sort_values("segment")
    locations = dbt.ref("int_location_demand").toPandas().set_index("location_key")
    traffic = dbt.ref("int_traffic_plan").filter("is_simulated").toPandas()
    # A sum of whole millionths: a sum of doubles depends on the order that the engine takes.
    millionths = "cast(round(planned_daily_demand * 1000000) as bigint)"
    planned_units = (
        dbt.ref("int_demand_plan")
        .filter("is_simulated")
        .groupBy("location_key", "month_key")
        .agg(F.expr(f"sum({millionths})").alias("planned_units"))
        .toPandas()
    )
    planned_units["channel_group"] = planned_units["location_key"].map(locations["channel_group"])
    groups = groups_from(
        lambda name: seeds[name].toPandas(),
        traffic,
        shape,
        planned_units.groupby(["channel_group", "month_key"], as_index=False)[
            "planned_units"
        ].sum(),
    )
    products = dbt.ref("gold_product_dim").select(
        "product_key",
        "category_level_2",
        "price_tier",
        F.round(F.col("base_price") * 100).cast("bigint").alias("price_cents"),
        "return_rate_index",
        F.datediff("launch_date", F.to_date(F.lit("1970-01-01"))).alias("launch_day"),
        F.datediff(
            F.coalesce("end_of_life_date", F.to_date(F.lit("9999-12-31"))),
            F.to_date(F.lit("1970-01-01")),
        ).alias("last_day"),
    )
    product_keys = sorted(row[0] for row in products.select("product_key").collect())
    categories = sorted(row[0] for row in products.select("category_level_2").distinct().collect())
    customer_frame = (
        dbt.ref("gold_customer_dim")
        .select(
            "customer_id",
            "version",
            "customer_key",
            "segment",
            "effective_date",
            "visit_frequency_draw",
            "preferred_category",
            "preferred_channel",
            "fulfillment_location_id",
            "nearest_store_id",
        )
        .toPandas()
    )
    customer_frame["preferred_category_code"] = np.searchsorted(
        categories, customer_frame["preferred_category"].to_numpy(str)
    )
    # dbt finds a ref only where nothing is taken out of its result by brackets.
    tiers = dbt.ref("price_tiers").toPandas()
    price_tiers = sorted(tiers["price_tier"])
    customers = customers_from(customer_frame, segments, price_tiers)
    quantity = dbt.ref("units_per_line").toPandas().sort_values("quantity")
    quantity_cdf = cumulative(quantity["weight"].to_numpy(float))

    def one_group(table):
        location_key = table["location_key"][0].as_py()
        codes = np.searchsorted(categories, np.asarray(table["category_level_2"]).astype(str))
        tiers = np.searchsorted(price_tiers, np.asarray(table["price_tier"]).astype(str))
        keys = np.asarray(table["product_key"].combine_chunks())
        position = np.searchsorted(product_keys, keys)
        table = (
            table.drop_columns(["category_level_2", "price_tier", "channel_group"])
            .append_column("category_code", pa.array(codes))
            .append_column("price_tier_code", pa.array(tiers))
            .append_column("product_position", pa.array(position))
            .append_column("product_count", pa.array(np.full(len(keys), len(product_keys))))
            .take(pa.array(np.lexsort((keys, codes))))
        )
        location = locations.loc[location_key]
        return generate(
            table,
            location_key,
            float(location["average_daily_units"]),
            groups[location["channel_group"]],
            customers,
            shape,
            quantity_cdf,
        )

    promotion_days = (
        dbt.ref("int_promotion_days")
        .withColumn("month_key", F.expr("cast(date_key div 100 as int)"))
        .withColumn("day_of_month", F.expr("cast(date_key % 100 as int)"))
        .groupBy("product_key", "channel_group", "month_key")
        .agg(
            F.collect_list(
                F.struct("day_of_month", "promotion_key", "discount_cents", "demand_uplift")
            ).alias("promotion_days")
        )
    )
    channel_groups = dbt.ref("int_location_demand").select("location_key", "channel_group")
    plan = (
        dbt.ref("int_demand_plan")
        .filter("is_simulated")
        .select("product_key", "location_key", "month_key", "demand_weight", "planned_weight")
        .join(channel_groups, "location_key")
        .join(products, "product_key")
        .join(promotion_days, ["product_key", "channel_group", "month_key"], "left")
    )
    # A stream and not applyInArrow, whose results the embedded engine keeps until the last group.
    group = Window.partitionBy("location_key", "month_key").orderBy("product_key")
    stream = plan.withColumn("stream_position", F.row_number().over(group))
    lines = stream.mapInArrow(
        lambda batches: (
            batch for table in split_groups(batches) for batch in one_group(table).to_batches()
        ),
        OUTPUT_DDL,
    )
    # The engine builds the text: row by row in Python it would take longer than all the rest.
    cart_id = F.concat(F.lit("CART_"), F.col("cart_number").cast("string")).alias("cart_id")
    first, *others = OUTPUT_SCHEMA.names
    return lines.select(first, cart_id, *others)
