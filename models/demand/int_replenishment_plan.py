"""How stock is ordered: levels by month, opening stock, and the orders that suppliers fail.

Each location reviews its stock periodically and orders up to a level that covers planned demand
(periodic review, order-up-to or (R, S) policy: Silver, Pyke and Thomas 2017, section 6.7).
Suppliers have outages during which orders fail; how often they begin is calibrated, on an
independent sample, so that the target share of product-location-days has nothing available.
Nothing here looks at simulated sales, and nothing depends on how many days are simulated.

While orders fail, the shelf lives on the last order that came. So the expected stockout rate is a
sum over the number of failed orders in a row: how often so many fail, times how often the stock is
empty after them. The second factor does not depend on outages; it is simulated once for all.

P is the number of products of a location, M of months, R of rows (see ShelvesByFailures).
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# Streams of random numbers: one number for each use, never reused (1 to 3: int_cart_lines).
OUTAGES, BURN_IN, CALIBRATION, CALIBRATION_WEEK, OUTAGE_AGE = 4, 5, 6, 7, 8

MOST_FAILURES = 12  # failed orders in a row that are told apart
SAMPLE_SIZE = 1000  # positions of the calibration sample of a location
MONTHS_TO_EMPTY = 2  # the outages of a month empty shelves in so many months after it
MONTHS_AHEAD = MONTHS_TO_EMPTY + 2  # orders look two months ahead
HIGHEST_START = 0.4  # an outage begins at a review with at most this probability

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
    """Supply of a location type, in days; outage_mean_days is how long a supplier is out.

    adjustment_rate: units that vanish or get damaged per unit sold.
    """

    review_period_days: int
    lead_time_days: int
    cover_days: int
    outage_mean_days: float
    adjustment_rate: float

    def outage_chances(self, strength):
        """Probabilities that an outage begins at a review, and that it lasts into the next one.

        Outages have exponential lengths. strength: of 0 to 1; from HIGHEST_START on outages do not
        begin more often but last longer.
        """
        stay = np.exp(-self.review_period_days / self.outage_mean_days)
        beyond = max(strength - HIGHEST_START, 0) / (1 - HIGHEST_START)
        return min(strength, HIGHEST_START), 1 - (1 - stay) * (1 - beyond)


@dataclass(frozen=True)
class Selling:
    """How stock leaves and comes back in stores or through digital channels.

    day_index: dict of day number -> demand index relative to its month. return_rate: share of sold
    units that come back, return_days later on average. share_bought_if_low: units bought by carts
    that meet fewer than low_inventory_threshold units of a product, per unit planned; 1 where that
    keeps no cart from buying. other_lines: dict of lines in the same cart -> share of lines.
    """

    day_index: dict
    return_rate: float
    return_days: float
    low_inventory_threshold: int
    share_bought_if_low: float
    units_per_line: float
    other_lines: dict

    def share_bought(self, low):
        """Units bought per unit planned of a line that is not low; others are with chance low."""
        alone = sum(share * (1 - low) ** lines for lines, share in self.other_lines.items())
        return round(float(alone + (1 - alone) * self.share_bought_if_low), 4)


@dataclass(frozen=True)
class Location:
    """One location and its calendar, in days since 1970-01-01; first_day is the first simulated.

    days_since_review: on the first day; 0 is a review day.
    """

    seed: int
    location_key: int
    first_day: int
    days_since_review: int
    schedule: Schedule
    selling: Selling

    def uniforms(self, stream, day):
        """Generator of the uniforms of a day."""
        return uniforms(self.seed, stream, self.location_key, int(day))

    def days_from_review(self, day):
        """Days from the last review before the day: review_period_days on a review day."""
        period = self.schedule.review_period_days
        return (day - self.first_day + self.days_since_review) % period or period


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


def levels_for(demand):
    """Order-up-to levels for the units wanted in the days to cover (any shape).

    One unit more, so that slow movers are not bought too late.
    """
    return np.where(demand > 0, np.ceil(demand) + 1, 0).astype(np.int64)


def order_up_to_levels(stocking_demand, cover_days):
    """(M - 2, P) levels that cover the next cover_days, seen from any day up to mid-month.

    stocking_demand: (M, P) units a day. The higher of the first day's and the middle's, so that
    stock is in place before a peak and still enough at the beginning of a decline.
    """
    demand = []
    for days_left in (30, 15):
        this_month = min(days_left, cover_days)
        next_month = min(30, cover_days - this_month)
        later = cover_days - this_month - next_month
        demand.append(
            this_month * stocking_demand[:-2]
            + next_month * stocking_demand[1:-1]
            + later * stocking_demand[2:]
        )
    return levels_for(np.maximum(*demand))


def failure_shares(start, stay):
    """(MOST_FAILURES + 1,) long-run shares of reviews after 0, 1, 2, ... failed orders in a row.

    The stationary state of the Markov chain of outages; the last share is that of all longer ones.
    """
    failing = start / (1 - stay + start)
    shares = np.append(1 - failing, (1 - failing) * start * stay ** np.arange(MOST_FAILURES))
    shares[-1] = 1 - shares[:-1].sum()
    return shares


def after_review(shares, start, stay):
    """Shares by failed orders in a row, (..., MOST_FAILURES + 1), after one more review."""
    failed = shares * np.where(np.arange(MOST_FAILURES + 1) == 0, start, stay)
    after = np.empty_like(shares)
    after[..., 0] = (shares - failed).sum(axis=-1)
    after[..., 1:] = failed[..., :-1]
    after[..., -1] += failed[..., -1]
    return after


def strength_for(target_rate, schedule, rate_of):
    """Strength of outages (see Schedule) at which rate_of(start, stay) is the target."""
    low, high = 0.0, 0.999
    for _ in range(20):
        strength = (low + high) / 2
        if rate_of(*schedule.outage_chances(strength)) < target_rate:
            low = strength
        else:
            high = strength
    return low


class ShelvesByFailures:
    """Stock of the same positions, for the same demand, after 0, 1, 2, ... failed orders in a row.

    stock: (R, P) units. At each review a row, used in turn, starts with the level: the order placed
    then is the last one that comes. Until the order arrives its row is not what is on the shelf.
    """

    def __init__(self, selling, level):
        """level: (P,) units to begin with."""
        self.selling = selling
        self.stock = np.tile(level, (MOST_FAILURES + 2, 1))
        # Two waits one after the other: few come back at once, most after about return_days.
        self.with_customer, self.on_the_way = np.zeros((2, *self.stock.shape))
        self.newest = 0
        self.is_ordered = level > 0

    def rows(self, newest_has_arrived):
        """(MOST_FAILURES + 1,) rows of the shelf after 0, 1, 2, ... failed orders."""
        last = self.newest if newest_has_arrived else self.newest - 1
        return (last - np.arange(MOST_FAILURES + 1)) % len(self.stock)

    def sell(self, wanted, wanted_if_low, adjusted, return_draws, days=1):
        """Returns, then sales, then adjustments, of some days.

        wanted, wanted_if_low, adjusted: (P,) units; return_draws: (P,) uniforms.
        """
        share = 1 - (1 - 2 / self.selling.return_days) ** days
        self.stock += (self.on_the_way * share + return_draws).astype(np.int64)
        self.on_the_way += self.with_customer * share - self.on_the_way * share
        self.with_customer *= 1 - share
        if wanted_if_low is not wanted:
            is_low = self.stock < self.selling.low_inventory_threshold
            wanted = np.where(is_low, wanted_if_low, wanted)
        sold = np.minimum(self.stock, wanted)
        self.stock = np.maximum(self.stock - sold - adjusted, 0)
        self.with_customer += sold * self.selling.return_rate

    def review(self, level):
        """Order up to the level, (P,): the next row."""
        last, self.newest = self.newest, (self.newest + 1) % len(self.stock)
        self.is_ordered = level > 0
        for state in (self.stock, self.with_customer, self.on_the_way):
            state[self.newest] = state[last]
        self.stock[self.newest] = np.maximum(level, self.stock[last])

    def receive(self):
        """The last order comes, where one was placed: others keep what earlier failures left."""
        at = np.flatnonzero(~self.is_ordered)
        for state in (self.stock, self.with_customer, self.on_the_way):
            state[:, at] = np.roll(state[:, at], 1, axis=0)

    def forget_returns(self):
        """Sales before the first day are not known, so nothing of them comes back after it."""
        self.with_customer[:] = self.on_the_way[:] = 0


def leaving_units(location, share_bought, means, draws):
    """What leaves the shelf if there is enough: wanted, wanted when stock is low, adjusted units.

    Each (..., P) from means (..., P), units planned, and draws (..., P, 3). share_bought: units
    wanted per unit planned when stock is not low.
    """
    selling = location.selling

    def wanted(share):
        lines = poisson_quantiles(means * share / selling.units_per_line, draws[..., 0])
        return np.floor(lines * selling.units_per_line + draws[..., 1]).astype(np.int64)

    # What vanishes or gets damaged is spread evenly over the products.
    adjustments = means.mean(axis=-1, keepdims=True) * location.schedule.adjustment_rate
    adjusted = poisson_quantiles(np.broadcast_to(adjustments, means.shape), draws[..., 2])
    units = wanted(share_bought)
    if selling.share_bought_if_low < 1:
        return units, wanted(selling.share_bought_if_low), adjusted
    return units, units, adjusted


def burn_in(location, stream, share_bought, demand, level):
    """Shelves on the eve of the first day, and their stock just before the last review.

    demand, level: (P,) units a day that leave, and the level, as if they and share_bought (see
    leaving_units) had always held.
    """
    period = location.schedule.review_period_days
    last_review = location.first_day - location.days_from_review(location.first_day)
    reviews = range(last_review - (MOST_FAILURES + 1) * period, last_review + 1, period)
    weeks = [  # (first day, days) of the weeks after each review
        [(day, min(7, end - day)) for day in range(review + 1, end, 7)]
        for review in reviews
        for end in [min(review + period + 1, location.first_day)]
    ]
    days, lengths = np.array([week for of_review in weeks for week in of_review]).T
    draws = np.array([location.uniforms(stream, day).random((len(demand), 6)) for day in days])
    means = demand * lengths[:, None] * gamma_quantiles(draws[..., :2])
    leaving = leaving_units(location, share_bought, means, draws[..., 2:5])
    sales = zip(*leaving, draws[..., 5], lengths, strict=True)
    shelves = ShelvesByFailures(location.selling, level)
    for of_review in weeks:
        before_review = shelves.stock.copy()
        shelves.review(level)
        for _ in of_review:
            shelves.sell(*next(sales))
    shelves.forget_returns()
    return shelves, before_review


def opening_stock(location, share_bought, demand, level, shares, start, stay):
    """Stock on the eve of the first day.

    share_bought, demand, level: as burn_in takes them. shares: (MOST_FAILURES + 1,) of positions
    by failed orders in a row up to the last one due before the first day; start, stay: chances of
    an order that is due later. Returns (available, in transit, supplier is failing), each (P,).
    """
    shelves, before_review = burn_in(location, BURN_IN, share_bought, demand, level)
    since_review = location.days_from_review(location.first_day)
    last_review = location.first_day - since_review
    is_due_later = since_review <= location.schedule.lead_time_days
    draws = location.uniforms(OUTAGE_AGE, last_review).random(len(demand))
    failures = np.minimum(np.searchsorted(np.cumsum(shares), draws, side="right"), MOST_FAILURES)
    at = shelves.rows(not is_due_later)[failures], np.arange(len(demand))
    failing, in_transit = failures > 0, np.zeros(len(demand), np.int64)
    if is_due_later:
        draws = location.uniforms(OUTAGES, last_review).random(len(demand))
        failing = draws < np.where(failing, stay, start)
        in_transit = np.where(failing, 0, np.maximum(level - before_review[at], 0))
    return shelves.stock[at], in_transit, failing


def month_days(month_key):
    """First day of a month (YYYYMM) and of the next one."""
    month = np.datetime64(f"{month_key // 100}-{month_key % 100:02d}", "M")
    return tuple(int((month + n).astype("datetime64[D]").astype(np.int64)) for n in (0, 1))


def play_months(location, shelves, months, share_bought, demand, level):
    """How often shelves are empty or low on each day from the first one on, by failed orders.

    months: (M,) YYYYMM; share_bought: (M,), see leaving_units; demand, level: (M, P). Plays on
    with the shelves. Returns the days (D,), and two arrays (D, MOST_FAILURES + 1): the share of
    positions with nothing available, and the share of demand that meets low stock.
    """
    schedule, selling = location.schedule, location.selling
    size = demand.shape[1]
    all_days, empty, low = [], [], []
    for n, month in enumerate(months):
        first, stop = month_days(month)
        days = np.arange(max(first, location.first_day), stop)
        mondays, week = np.unique(days - (days + 3) % 7, return_inverse=True)  # day 0: a Thursday
        weeks = [location.uniforms(CALIBRATION_WEEK, day).random((size, 2)) for day in mondays]
        index = np.array([selling.day_index[day] for day in days.tolist()])
        means = demand[n] * index[:, None] * gamma_quantiles(np.array(weeks))[week]
        draws = np.array([location.uniforms(CALIBRATION, day).random((size, 4)) for day in days])
        leaving = leaving_units(location, share_bought[n], means, draws[..., :3])
        sales = zip(*leaving, draws[..., 3], strict=True)
        for day, of_day in zip(days.tolist(), sales, strict=True):
            from_review = location.days_from_review(day)
            if from_review == schedule.lead_time_days:
                shelves.receive()
            rows = shelves.rows(from_review >= schedule.lead_time_days)
            if selling.share_bought_if_low < 1:
                is_low = shelves.stock[rows] < selling.low_inventory_threshold
                low.append((is_low * demand[n]).sum(axis=1) / max(demand[n].sum(), 1e-9))
            shelves.sell(*of_day)
            empty.append((shelves.stock[rows] == 0).mean(axis=1))
            if from_review == schedule.review_period_days:
                shelves.review(level[n])
        all_days.append(days)
    return np.concatenate(all_days), np.array(empty), np.array(low)


def rate_by_opening(location, days, empty, start, stay):
    """(MOST_FAILURES + 1,) expected stockout rate of the days, by failed orders before them.

    The last order due before the first day came, or was the n-th to fail in a row. days: (D,);
    empty: (D, MOST_FAILURES + 1).
    """
    on_shelf = np.eye(MOST_FAILURES + 1)
    ordered = on_shelf
    lead_time, period = location.schedule.lead_time_days, location.schedule.review_period_days
    if location.days_from_review(location.first_day) <= lead_time:
        ordered = after_review(on_shelf, start, stay)
    rates = np.zeros(MOST_FAILURES + 1)
    for day, empty_today in zip(days.tolist(), empty, strict=True):
        from_review = location.days_from_review(day)
        if from_review == lead_time:
            on_shelf = ordered
        rates += on_shelf @ empty_today
        if from_review == period:
            ordered = after_review(ordered, start, stay)
    return rates / len(days)


def sample_of(location, *by_product):
    """The columns of SAMPLE_SIZE positions of the location from arrays (..., P)."""
    # Another choice of products at each location, so that errors of the choice average out.
    count = by_product[0].shape[-1]
    order = np.argsort(location.uniforms(CALIBRATION, 0).random(count), kind="stable")
    sample = np.sort(np.resize(order, SAMPLE_SIZE))
    return tuple(values[..., sample] for values in by_product)


def long_run_chances(target_rate, schedule, empty):
    """Chances of outages that meet the target on days with these rows of play_months."""
    average = empty.mean(axis=0)
    strength = strength_for(target_rate, schedule, lambda *c: failure_shares(*c) @ average)
    return schedule.outage_chances(strength)


def shares_bought(location, target_rate, months, demand, opening_level, level):
    """(M,) units wanted per unit planned of lines that are not low; the rest is lost by others.

    Arguments as calibrate takes them. A month is played with the share of the one before.
    """
    selling = location.selling
    if selling.share_bought_if_low == 1:  # no cart is lost
        return np.ones(len(months))
    shares = [(1 + selling.share_bought_if_low) / 2]
    shelves, _ = burn_in(location, CALIBRATION, shares[0], demand[0], opening_level)
    for n in range(len(months)):
        of_month = slice(n, n + 1)
        _, empty, low = play_months(
            location, shelves, months[of_month], shares[-1:], demand[of_month], level[of_month]
        )
        failures = failure_shares(*long_run_chances(target_rate, location.schedule, empty))
        shares.append(selling.share_bought(failures @ low.mean(axis=0)))
    return np.array(shares[1:])


def calibrate(location, target_rate, months, share_bought, demand, opening_level, level):
    """Outages that are expected to meet the target, before the first day and in each month.

    Those of a month, had they always held, meet it in the months in which they empty shelves. The
    first months have the same; those before the first day make these months meet it on average.
    months, share_bought: (M,); demand, level: (M, P) of a sample; opening_level: (P,).
    Returns (MOST_FAILURES + 1,) shares of positions by failed orders before the first day, and
    M - MONTHS_TO_EMPTY pairs of chances (see Schedule).
    """
    schedule = location.schedule
    shelves, _ = burn_in(location, CALIBRATION, share_bought[0], demand[0], opening_level)
    days, empty, _ = play_months(location, shelves, months, share_bought, demand, level)
    month = np.searchsorted([month_days(month)[1] for month in months], days, side="right")
    first_months = MONTHS_TO_EMPTY + 1
    chances = []
    for n in range(len(months) - MONTHS_TO_EMPTY):
        before = 0 if n < first_months else n
        is_emptied = (month > before) & (month <= before + MONTHS_TO_EMPTY)
        chances.append(long_run_chances(target_rate, schedule, empty[is_emptied]))
    is_first = month < first_months
    rates = rate_by_opening(location, days[is_first], empty[is_first], *chances[0])
    strength = strength_for(target_rate, schedule, lambda *c: failure_shares(*c) @ rates)
    return failure_shares(*schedule.outage_chances(strength)), chances


def plan_location(table, location, target_rate):
    """Plan of one location: table of OUTPUT_SCHEMA from its rows of int_demand_plan (Arrow table).

    The last MONTHS_AHEAD months only serve to look ahead.
    """
    columns = {name: np.asarray(table[name].combine_chunks()) for name in table.column_names}
    order = np.lexsort((columns["product_key"], columns["month_key"]))
    columns = {name: values[order] for name, values in columns.items()}
    products = np.unique(columns["product_key"])
    all_months = np.unique(columns["month_key"])
    stocking, planned = (
        columns[name].reshape(len(all_months), len(products))
        for name in ("stocking_daily_demand", "planned_daily_demand")
    )
    schedule = location.schedule
    level = order_up_to_levels(stocking, schedule.cover_days)
    opening_level = levels_for(stocking[0] * schedule.cover_days)
    sample = sample_of(location, planned[:-2], opening_level, level)
    share_bought = shares_bought(location, target_rate, all_months[:-2], *sample)
    shares, chances = calibrate(location, target_rate, all_months[:-2], share_bought, *sample)
    available, in_transit, failing = opening_stock(
        location, share_bought[0], planned[0], opening_level, shares, *chances[0]
    )

    months = all_months[:-MONTHS_AHEAD]
    planned, level = planned[: len(months)], level[: len(months)]
    failed_days = []
    for month, (start, stay) in zip(months, chances, strict=True):
        first, stop = month_days(month)
        failed = np.zeros((len(products), stop - first), dtype=bool)
        for day in range(max(first, location.first_day), stop):
            if location.days_from_review(day) == schedule.review_period_days:
                draws = location.uniforms(OUTAGES, day).random(len(products))
                failing = draws < np.where(failing, stay, start)
                failed[:, day - first] = failing
        day = np.nonzero(failed)[1]
        offsets = np.concatenate([[0], np.cumsum(failed.sum(axis=1))]).astype(np.int32)
        failed_days.append(pa.ListArray.from_arrays(offsets, pa.array(day + 1, pa.int32())))

    is_first = np.repeat(np.arange(len(months)) == 0, len(products))
    exposure = schedule.review_period_days + schedule.lead_time_days
    values = {
        "location_key": np.full(len(is_first), location.location_key),
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


def sellings_from(read, traffic, config):
    """Selling of each channel group; read(name) gives a seed as a pandas frame.

    traffic: int_traffic_plan as a pandas frame, with the column promotion_uplift: how many times
    its usual demand the average product has that day. config: dict of the model's variables.
    """
    rates = read("return_rates").set_index("channel_group")["return_rate_index"].astype(float)
    lags, baskets = read("return_lags"), read("basket_sizes")
    digital_share = config["digital_share"]
    mean_index = digital_share * rates["digital"] + (1 - digital_share) * rates["store"]
    increase, recovery_rate = config["cart_abandonment_increase"], config["cart_recovery_rate"]
    base_rate = config["cart_abandonment_base_rate"]
    bought = 1 - base_rate * (1 - recovery_rate)
    abandoned_if_low = min(base_rate + increase, 1)
    bought_if_low = 1 - abandoned_if_low * (1 - max(recovery_rate - increase, 0))
    line = read("units_per_line").astype(float)
    sellings = {}
    for group in ("store", "digital"):
        days = traffic[traffic["channel_group"] == group].sort_values("date_key")
        day = days["calendar_date"].to_numpy("datetime64[D]").astype(np.int64)
        index = (days["demand_index"] * days["promotion_uplift"]).to_numpy(float)
        month = np.unique(days["month_key"].to_numpy(int), return_inverse=True)[1]
        relative = index / (np.bincount(month, weights=index) / np.bincount(month))[month]
        lag = lags[lags["channel_group"] == group].astype({"lag_days": int, "weight": float})
        basket = baskets[baskets["channel_group"] == group]
        items, weight = basket["items_count"].to_numpy(float), basket["weight"].to_numpy(float)
        is_affected = group == "digital" and bought > 0
        sellings[group] = Selling(
            day_index=dict(zip(day.tolist(), relative.tolist(), strict=True)),
            return_rate=min(config["return_rate"] * rates[group] / mean_index, 1.0),
            return_days=np.average(lag["lag_days"], weights=lag["weight"])
            + np.mean(config["return_delay_days"]),
            low_inventory_threshold=config["low_inventory_threshold"],
            share_bought_if_low=bought_if_low / bought if is_affected else 1.0,
            units_per_line=np.average(line["quantity"], weights=line["weight"]),
            other_lines=dict(
                zip((items - 1).tolist(), weight * items / (weight @ items), strict=True)
            ),
        )
    return sellings


def model(dbt, session):
    """One row per product, location and month (OUTPUT_SCHEMA)."""
    from pyspark.sql import functions as F

    config = {
        "return_rate": float(dbt.config.get("return_rate")),
        "return_delay_days": tuple(dbt.config.get("return_delay_days")),
        "digital_share": float(dbt.config.get("digital_share")),
        "low_inventory_threshold": int(dbt.config.get("low_inventory_threshold")),
        "cart_abandonment_base_rate": float(dbt.config.get("cart_abandonment_base_rate")),
        "cart_abandonment_increase": float(dbt.config.get("cart_abandonment_increase")),
        "cart_recovery_rate": float(dbt.config.get("cart_recovery_rate")),
    }
    seed = int(dbt.config.get("random_seed"))
    target_rate = float(dbt.config.get("target_stockout_rate"))
    seeds = {
        "basket_sizes": dbt.ref("basket_sizes"),
        "return_lags": dbt.ref("return_lags"),
        "return_rates": dbt.ref("return_rates"),
        "units_per_line": dbt.ref("units_per_line"),
    }
    # A sum of whole ten thousandths: a sum of doubles depends on the order that the engine takes.
    extra = F.sum(F.expr("cast(round((demand_uplift - 1) * 10000) as bigint)"))
    promotions = dbt.ref("int_promotion_days").groupBy("channel_group", "date_key")
    promotions = promotions.agg(extra.alias("extra_ten_thousandths")).toPandas()
    traffic = dbt.ref("int_traffic_plan").toPandas()
    traffic = traffic.merge(promotions, "left", on=["channel_group", "date_key"])
    product_count = dbt.ref("gold_product_dim").count()
    traffic["promotion_uplift"] = (
        1 + traffic["extra_ten_thousandths"].fillna(0) / 10000 / product_count
    )
    sellings = sellings_from(lambda name: seeds[name].toPandas(), traffic, config)
    schedules = {
        row.location_type: Schedule(
            review_period_days=int(row.review_period_days),
            lead_time_days=int(row.lead_time_days),
            cover_days=int(row.cover_days),
            outage_mean_days=float(row.supplier_outage_mean_days),
            adjustment_rate=float(row.shrinkage_rate) + float(row.damage_rate),
        )
        for row in dbt.ref("supply_schedule").toPandas().itertuples()
    }
    location_type = {
        row.location_key: row.location_type
        for row in dbt.ref("gold_location_dim").select("location_key", "location_type").collect()
    }
    channel_group = {
        row.location_key: row.channel_group
        for row in dbt.ref("int_location_demand").select("location_key", "channel_group").collect()
    }
    calendar = dbt.ref("int_supply_calendar")
    first_date = calendar.agg({"calendar_date": "min"}).collect()[0][0]
    first_day = int(np.datetime64(first_date, "D").astype(np.int64))
    locations = {
        row.location_key: Location(
            seed=seed,
            location_key=row.location_key,
            first_day=first_day,
            days_since_review=row.days_since_review,
            schedule=schedules[location_type[row.location_key]],
            selling=sellings[channel_group[row.location_key]],
        )
        for row in calendar.filter(calendar.calendar_date == first_date)
        .select("location_key", "days_since_review")
        .collect()
    }

    def one_location(table):
        return plan_location(table, locations[table["location_key"][0].as_py()], target_rate)

    demand = dbt.ref("int_demand_plan").select(
        "location_key", "product_key", "month_key", "planned_daily_demand", "stocking_daily_demand"
    )
    return demand.groupBy("location_key").applyInArrow(one_location, OUTPUT_DDL)
