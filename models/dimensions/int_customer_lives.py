"""Why customers buy as they do: rate, life, ticket and body of everybody who is known by name.

Customers buy at a rate of their own, a gamma quantile, and leave after an order with a constant
chance or, more rarely, for another reason (BG/NBD, Fader, Hardie and Lee 2005). A customer depends
on nothing but own draws and what all share, so tables of customers pass through in batches, and
millions need the memory of thousands. In shapes, N is the number of customers in a batch.
"""

import math
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

GRID = 20_000  # points at which a distribution is tabulated
LONGEST_DAYS = 36_500
FOUNDED_DAYS = 3650  # before the first day: nobody joined earlier
DAYS_OF_YEAR = 365.0
NEW_DAYS = 90  # as long a customer is new
TARGET_CHANCE = 0.75  # how much of the chance in a first segment is in the one that is earned
EPOCH = np.datetime64("1970-01-01")
FAR_BACK = int((np.datetime64("1900-01-01") - EPOCH).astype(int))
ONLINE = ("web", "app", "social")  # what is preferred by who does not prefer stores
TIERS = ("budget", "mid", "premium", "luxury")

# What others need of a profile passes through: they read lives alone, and join no customers.
PASSED_COLUMNS = [
    "customer_number",
    "joined_date",
    "is_digital_join",
    "first_location_key",
    "nearest_store_id",
    "fulfillment_location_id",
    "city_key",
]
PROFILE_COLUMNS = [
    *PASSED_COLUMNS,
    "is_male",
    "taste_number",
    "matures_after_days",
    "visit_frequency_draw",
    "age_draw",
    "leave_draw",
    "build_draw",
    "tops_draw",
    "bottoms_draw",
    "shoes_draw",
    "basket_draw",
    "preference_draw",
    "segment_draw",
    "phone_draw",
]

OUTPUT_SCHEMA = pa.schema(
    [
        ("customer_number", pa.int32()),
        ("joined_date", pa.date32()),
        ("is_digital_join", pa.bool_()),
        ("first_location_key", pa.int32()),
        ("nearest_store_id", pa.int32()),
        ("fulfillment_location_id", pa.int32()),
        ("city_key", pa.int32()),
        ("acquisition_date", pa.date32()),
        ("leave_date", pa.date32()),
        ("annual_orders", pa.float64()),
        ("store_share", pa.float64()),
        ("preferred_channel", pa.string()),
        ("shopper_class", pa.int32()),
        ("order_value_index", pa.float64()),
        ("basket_quantile", pa.float64()),
        ("build_tops", pa.float64()),
        ("build_bottoms", pa.float64()),
        ("build_shoes", pa.float64()),
        ("first_rank", pa.int32()),
        ("target_rank", pa.int32()),
        ("settled_date", pa.date32()),
        ("lifetime_value_cents", pa.int64()),
        ("spend_before_cents", pa.int64()),
        ("ios", pa.bool_()),
        ("device_draw", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Lives:
    """What all customers share.

    joining_rates, living_rates: (GRID,) quantiles of repeat orders a year at `pace` 1, of who joins
    and of who is a customer at a time. dropout: chance to leave after an order; other_leave_rate: a
    year, for other reasons. pace: how many times as fast everything happens as the seed says, so
    that orders meet the demand. first_bought: share of the carts with which customers join that are
    bought, in stores and online; mean_first_bought: of both. joining_days: see days_of_joining.
    store_share: of those who prefer stores and of the others;
    store_weight: of those who prefer stores, among all, who join in a store, and who join online.
    rank_bounds: scores between segments.
    """

    joining_rates: np.ndarray
    living_rates: np.ndarray
    dropout: float
    other_leave_rate: float
    pace: float
    first_bought: tuple
    mean_first_bought: float
    joining_days: np.ndarray
    store_share: tuple
    store_weight: tuple
    online_cdf: np.ndarray
    taste_price: np.ndarray
    rank_bounds: np.ndarray
    segment_noise: float
    order_value: float
    basket_spread: float
    build_correlations: tuple
    ios_share: float
    first_day: int


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


def gamma_quantiles(shape):
    """(GRID,) quantiles of the gamma distribution of scale 1 in the middle of equal shares.

    The CDF is the series of the lower incomplete gamma function (Abramowitz and Stegun 6.5.29).
    """
    log_x = np.linspace(math.log(1e-12) / shape - 1, math.log(60.0), 8000)
    x = np.exp(log_x)
    term = np.full(len(x), 1 / math.gamma(shape + 1))
    total = term.copy()
    for k in range(1, 400):
        term = term * x / (shape + k)
        total += term
    log_cdf = np.minimum(shape * log_x - x + np.log(total), 0.0)
    shares = (np.arange(GRID) + 0.5) / GRID
    return np.exp(np.interp(np.log(shares), np.maximum.accumulate(log_cdf), log_x))


def leave_rate_for(rates, dropout, first_order_share, first_bought):
    """Other leave rate at which so many orders are a customer's first; rates: (GRID,) a year.

    In a steady state each customer has `first_bought` first orders, as some leave their first cart
    behind, and on average rate / leaving rate more.
    """
    low, high = 1e-9, 1e3
    for _ in range(80):
        middle = math.sqrt(low * high)
        repeats = (rates / (dropout * rates + middle)).mean()
        if 1 + repeats / first_bought > 1 / first_order_share:
            low = middle
        else:
            high = middle
    return middle


def living_rates(rates, lives_rate):
    """(GRID,) rates in the middle of equal shares of those who are customers at a time.

    They are as many as join with a rate, times how long these stay; lives_rate: 1 / time.
    """
    stay = 1 / lives_rate
    cdf = (np.cumsum(stay) - stay / 2) / stay.sum()
    return np.interp((np.arange(GRID) + 0.5) / GRID, cdf, rates)


def orders_per_customer(rates, dropout, other_leave_rate, first_bought):
    """Orders of a customer in a year at pace 1, the first included where it is bought."""
    leaving = dropout * rates + other_leave_rate
    return (first_bought + (rates / leaving).mean()) / (1 / leaving).mean()


def days_of_joining(months, weekdays, carts, first_day):
    """(FOUNDED_DAYS + 1,) average days' worth of joining in so many days before the first.

    months, weekdays: factors of demand by channel group, as frames; carts: with which customers
    join, in stores and online. So joining has the seasons before the first day that it has after.
    """
    days = first_day - 1 - np.arange(FOUNDED_DAYS)
    dates = days.astype("datetime64[D]")
    month = dates.astype("datetime64[M]").astype(int) % 12
    weekday = (days + 3) % 7  # 0 is Monday
    factor = 0.0
    for group, weight in zip(("store", "digital"), carts, strict=True):
        by_month, by_weekday = (
            frame[frame["channel_group"] == group].sort_values(name)["factor"].to_numpy(float)
            for frame, name in ((months, "month"), (weekdays, "day_of_week"))
        )
        factor = factor + weight / sum(carts) * by_month[month] * by_weekday[weekday]
    return np.append(0.0, np.cumsum(factor))


def scores(ticket, rate, noise):
    """What earns a segment: the logarithm of what is spent in a year, roughly, and chance."""
    return np.log(ticket * (rate + 0.2)) + noise


def score_bounds(rates, tickets, weights, basket_spread, noise):
    """Scores between segments whose shares are `weights`, from the lowest; rates: of the living.

    tickets: (tastes,) that of an average customer of each.
    """
    steps = np.arange(GRID)
    # Sequences that fill the square evenly (Roberts 2018: powers of the plastic number).
    first, second = (steps * 0.7548776662466927) % 1, (steps * 0.5698402909980532) % 1
    ticket = tickets[(first * len(tickets)).astype(int)]
    # A customer's own order value and chance are two normals: their sum is one.
    deviation = math.sqrt(noise**2 + basket_spread**2)
    chance = deviation * normal_quantile(second) - basket_spread**2 / 2
    ordered = np.sort(scores(ticket, rates, chance))
    shares = np.cumsum(weights)[:-1] / np.sum(weights)
    return ordered[(shares * GRID).astype(int)]


# Longer than a screen: one column after the other, most of which need those before.
def lives_of(draws, lives):
    """Table of OUTPUT_SCHEMA from an Arrow table or batch of int_customer_profiles, (N,)."""

    def numbers(name):
        return draws.column(name).to_numpy(zero_copy_only=False)

    joined = numbers("joined_date").astype("datetime64[D]").astype(np.int64)
    is_base = joined == FAR_BACK
    middles, rate_draw = (np.arange(GRID) + 0.5) / GRID, numbers("visit_frequency_draw")
    rate = np.where(
        is_base,
        np.interp(rate_draw, middles, lives.living_rates),
        np.interp(rate_draw, middles, lives.joining_rates),
    )
    leaving = lives.pace * (lives.dropout * rate + lives.other_leave_rate) / DAYS_OF_YEAR
    rest = np.minimum(-np.log1p(-numbers("leave_draw")) / leaving, LONGEST_DAYS).astype(np.int64)
    # Exponential as well, but for those who would have come before there was anything to join.
    since_founding = -np.expm1(-leaving * lives.joining_days[-1])
    age = -np.log1p(-numbers("age_draw") * since_founding) / leaving
    days_before = np.searchsorted(lives.joining_days, age, side="right").clip(1, FOUNDED_DAYS)
    acquired = np.where(is_base, lives.first_day - days_before, joined)
    left = 1 + rest + np.where(is_base, lives.first_day, joined)

    online_join = numbers("is_digital_join").astype(bool)
    first_bought = np.array(lives.first_bought)[online_join.astype(int)]
    weight = np.array(lives.store_weight)[np.where(is_base, 0, 1 + online_join)]
    preference = numbers("preference_draw")
    likes_stores = preference < weight
    others = np.clip((preference - weight) / np.maximum(1 - weight, 1e-9), 0, 1 - 1e-12)
    online = np.searchsorted(lives.online_cdf, others, side="right")
    channels = np.array(["store", *ONLINE])
    taste = numbers("taste_number")
    basket = numbers("basket_draw")
    spread = lives.basket_spread
    ticket = lives.taste_price[taste] * np.exp(spread * normal_quantile(basket) - spread**2 / 2)
    chance = lives.segment_noise * normal_quantile(numbers("segment_draw"))
    first_rank, target_rank = (
        1 + np.searchsorted(lives.rank_bounds, scores(ticket, rate, noise))
        for noise in (chance, TARGET_CHANCE * chance)
    )
    is_new = ~is_base | (lives.first_day - acquired < NEW_DAYS)
    repeats = rate / (lives.dropout * rate + lives.other_leave_rate)
    tenure = (lives.first_day - acquired) / DAYS_OF_YEAR
    cents = 100 * lives.order_value * ticket
    build = normal_quantile(numbers("build_draw"))
    parts = [
        normal_share(r * build + math.sqrt(1 - r * r) * normal_quantile(numbers(name)))
        for r, name in zip(
            lives.build_correlations, ("tops_draw", "bottoms_draw", "shoes_draw"), strict=True
        )
    ]
    columns = {
        "acquisition_date": acquired,
        "leave_date": left,
        "annual_orders": np.round(lives.pace * rate, 9),
        "store_share": np.where(likes_stores, *lives.store_share),
        "preferred_channel": channels[np.where(likes_stores, 0, 1 + online)],
        "shopper_class": 8 * numbers("is_male").astype(np.int32) + taste,
        "order_value_index": np.round(ticket, 6),
        "basket_quantile": basket,
        "build_tops": np.round(parts[0], 9),
        "build_bottoms": np.round(parts[1], 9),
        "build_shoes": np.round(parts[2], 9),
        "first_rank": np.where(is_new, 0, first_rank),
        "target_rank": target_rank,
        "settled_date": acquired + np.where(is_new, numbers("matures_after_days"), 0),
        # The first order of who is a customer already is made, or was not.
        "lifetime_value_cents": np.floor(cents * (repeats + np.where(is_base, 0, first_bought))),
        "spend_before_cents": np.where(
            is_base, np.floor(cents * (lives.mean_first_bought + lives.pace * rate * tenure)), 0
        ),
        "ios": numbers("phone_draw") < lives.ios_share,
        # The last bits of a draw are a draw of their own.
        "device_draw": numbers("phone_draw") * 2**20 % 1,
    }
    arrays = []
    for field in OUTPUT_SCHEMA:
        if field.name in PASSED_COLUMNS:
            arrays.append(draws.column(field.name))
            continue
        values = columns[field.name]
        if field.type == pa.date32():
            arrays.append(pa.array(values.astype(np.int32), pa.int32()).cast(pa.date32()))
        elif field.type in (pa.string(), pa.bool_(), pa.float64()):
            arrays.append(pa.array(values, field.type))
        else:
            arrays.append(pa.array(values.astype(np.int64)).cast(field.type))
    return pa.Table.from_arrays(arrays, schema=OUTPUT_SCHEMA)


def store_weights(orders, store_loyalty, digital_loyalty):
    """Share of those who prefer stores: among all, among who join in a store, and online.

    orders: of a year, in stores and online. So many that the two groups' orders are shared so.
    """
    share = orders[0] / sum(orders)
    among_all = (share - (1 - digital_loyalty)) / (store_loyalty + digital_loyalty - 1)
    weight = min(max(among_all, 0.02), 0.98)
    joins = []
    for loyal, other in (
        (store_loyalty, 1 - digital_loyalty),
        (1 - store_loyalty, digital_loyalty),
    ):
        joins.append(weight * loyal / (weight * loyal + (1 - weight) * other))
    return weight, *joins


def taste_prices(tastes, brands):
    """(tastes,) price of what a taste buys relative to the average; seeds as pandas frames."""
    brands = brands.assign(weight=brands["weight"].astype(float))
    weight = brands.groupby("price_tier")["weight"].sum()
    price = brands.groupby("price_tier")["price_multiplier"].mean().astype(float)
    likes = tastes.sort_values("taste_number")[[f"{tier}_index" for tier in TIERS]]
    shares = likes.to_numpy(float) * weight[list(TIERS)].to_numpy(float)
    prices = (shares @ price[list(TIERS)].to_numpy(float)) / shares.sum(axis=1)
    return prices / prices.mean()


# Longer than a screen: one figure after the other, most of which need those before.
def lives_from(parameters, read, customers, orders, share_not_abandoned, first_day):
    """Lives from seeds: parameters, a dict of customer_lives; read(name) gives one as a frame.

    customers: known when the world begins; orders: of known customers in a year, in stores and
    online; share_not_abandoned: of digital carts; first_day: since 1970-01-01.
    """
    rates = gamma_quantiles(parameters["rate_shape"]) * parameters["annual_rate_scale"]
    dropout = parameters["dropout"]
    carts = orders[0], orders[1] / share_not_abandoned
    bought = sum(orders) / sum(carts)
    other = leave_rate_for(rates, dropout, parameters["first_order_share"], bought)
    pace = sum(orders) / customers / orders_per_customer(rates, dropout, other, bought)
    attributes = read("customer_attributes")
    preferred = attributes[attributes["attribute"] == "preferred_channel"]
    online = preferred.set_index("value")["weight"].astype(float)[list(ONLINE)].to_numpy()
    channels = read("channels").set_index("channel_code")["weight"].astype(float)
    segments = read("customer_segments").sort_values("segment_rank")
    taste_price = taste_prices(read("taste_classes"), read("brands"))
    living = living_rates(rates, dropout * rates + other)
    loyalties = parameters["store_loyalty"], parameters["digital_loyalty"]
    return Lives(
        joining_rates=rates,
        living_rates=living,
        dropout=dropout,
        other_leave_rate=other,
        pace=pace,
        first_bought=(1.0, share_not_abandoned),
        mean_first_bought=bought,
        joining_days=days_of_joining(
            read("demand_by_month"), read("demand_by_weekday"), carts, first_day
        ),
        store_share=(loyalties[0], 1 - loyalties[1]),
        store_weight=store_weights(orders, *loyalties),
        online_cdf=np.cumsum(online)[:-1] / online.sum(),
        taste_price=taste_price,
        rank_bounds=score_bounds(
            living,
            taste_price,
            segments["weight"].to_numpy(float)[1:],
            parameters["basket_spread"],
            parameters["segment_noise"],
        ),
        segment_noise=parameters["segment_noise"],
        order_value=parameters["order_value"],
        basket_spread=parameters["basket_spread"],
        build_correlations=tuple(
            parameters[f"build_{part}_correlation"] for part in ("tops", "bottoms", "shoes")
        ),
        ios_share=channels["APP_IOS"] / (channels["APP_IOS"] + channels["APP_ANDROID"]),
        first_day=first_day,
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


def share_not_abandoned(shape, increase=0.0):
    """Share of digital carts that buy in the end, when abandonment is higher by `increase`.

    At least 5%: no number of carts meets the plan when all are abandoned.
    """
    abandoned = min(shape.cart_abandonment_base_rate + increase, 1.0)
    recovered = max(shape.cart_recovery_rate - increase, 0.0)
    return max(0.05, 1 - abandoned * (1 - recovered))


def known_orders(locations, known_shares, baskets, quantities):
    """Orders of known customers in a year, in stores and online, from frames of what is planned."""
    units = quantities["quantity"].astype(float) @ quantities["weight"].astype(float)
    units /= quantities["weight"].astype(float).sum()
    orders = []
    for group in ("store", "digital"):
        own = baskets[baskets["channel_group"] == group]
        items = own["items_count"].astype(float) @ own["weight"].astype(float)
        items /= own["weight"].astype(float).sum()
        daily = locations.loc[locations["channel_group"] == group, "average_daily_units"]
        share = known_shares.set_index("channel_group")["known_share"].astype(float)[group]
        orders.append(float(daily.astype(float).sum()) * DAYS_OF_YEAR * share / (items * units))
    return orders


def model(dbt, session):
    """One row per known customer (OUTPUT_SCHEMA)."""
    seeds = {
        "customer_attributes": dbt.ref("customer_attributes"),
        "channels": dbt.ref("channels"),
        "customer_segments": dbt.ref("customer_segments"),
        "taste_classes": dbt.ref("taste_classes"),
        "brands": dbt.ref("brands"),
        "demand_by_month": dbt.ref("demand_by_month"),
        "demand_by_weekday": dbt.ref("demand_by_weekday"),
    }
    settings = dbt.ref("customer_lives").toPandas().set_index("parameter")["parameter_value"]
    orders = known_orders(
        dbt.ref("int_location_demand").toPandas().sort_values("location_key"),
        dbt.ref("known_shares").toPandas(),
        dbt.ref("basket_sizes").toPandas(),
        dbt.ref("units_per_line").toPandas(),
    )
    (world,) = dbt.ref("int_simulated_days").collect()
    first_day = int(np.datetime64(world.first_date, "D").astype(np.int64))
    lives = lives_from(
        settings.astype(float).to_dict(),
        lambda name: seeds[name].toPandas(),
        int(dbt.config.get("num_customers")),
        orders,
        share_not_abandoned(
            SimpleNamespace(
                cart_abandonment_base_rate=float(dbt.config.get("cart_abandonment_base_rate")),
                cart_recovery_rate=float(dbt.config.get("cart_recovery_rate")),
            )
        ),
        first_day,
    )
    profiles = dbt.ref("int_customer_profiles")
    if dbt.is_incremental and world.closed_date:
        profiles = profiles.filter(f"joined_date > '{world.closed_date}'")

    def lived(batches):
        for batch in batches:
            if batch.num_rows:
                yield from lives_of(batch, lives).to_batches()

    return profiles.select(*PROFILE_COLUMNS).mapInArrow(lived, spark_ddl(OUTPUT_SCHEMA))
