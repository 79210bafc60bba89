"""How stock is ordered: levels by month, opening stock, and the orders that suppliers fail.

Each location reviews its stock periodically and orders up to a level that covers planned demand
(periodic review, order-up-to or (R, S) policy: Silver, Pyke and Thomas 2017, section 6.7).
Suppliers have outages during which orders fail; how often they begin is calibrated, on an
independent sample, so that the target share of product-location-days has nothing available.
Nothing here looks at simulated sales, and nothing depends on how many days are simulated.

Orders are rounded up to whole packs, and none is made below the least order: what a pack leaves
over depends on how many orders failed before, which the calibration draws for each that comes.

Planners do not know what customers will want. They expect of a new product what is usual in its
category, learn from drawn sales of the weeks before a month, and err persistently; levels and all
figures of planning follow from this forecast, while shelves are emptied by true demand.

While orders fail, the shelf lives on the last order that came. So the expected stockout rate is a
sum over the number of failed orders in a row: how often so many fail, times how often the stock is
empty after them. The second factor does not depend on outages; it is simulated once for all.

Months are planned one after the other. The plan of a month keeps what that of the next one goes on
from, so a window that grows by a month has that month planned and no other.

A product is ranged at a location from its launch delivery on, which always comes: on the first
receipt day of the two weeks that end with the launch, or else on the day of the launch. Nothing is
delivered to a closed store: it comes on the next open day, for a launch on the one before. Levels
cover demand up to the end of life, and the last delivery comes some weeks before it; what is left
some days after it is liquidated, and the product is not ranged any more.

P is the number of products of a location, S of positions of its calibration sample, M of months, R
of rows (see ShelvesByFailures), K of failed orders in a row that are told apart.
"""

from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa

# Streams of random numbers: one number for each use, never reused (1 to 3: int_cart_lines).
OUTAGES, BURN_IN, CALIBRATION, OUTAGE_AGE = 4, 5, 6, 8
PAST_SALES, PLANNER_ERROR = 11, 12
FAILURES_BEFORE, LEFTOVER = 17, 18
# Of the shocks of products and of products at a location, by what they are drawn for.
SHOCKS = {CALIBRATION: (7, 13), BURN_IN: (14, 15)}

LONGEST_OUTAGE_DAYS = 224  # failed orders in a row are told apart up to so many days of them
SAMPLE_SIZE = 1000  # positions of the calibration sample of a location
MONTHS_TO_EMPTY = 2  # the outages of a month empty shelves in so many months after it
FIRST_MONTHS = MONTHS_TO_EMPTY + 1  # so many months have the same outages
MONTHS_AHEAD = MONTHS_TO_EMPTY + 2  # orders look two months ahead
DAYS_BEFORE_LAUNCH = 13  # a launch delivery comes so many days before the launch at the earliest
PAST_MONTHS = 3  # past sales are drawn in so many parts, one for each month before
SMALLEST_WEIGHT = 0.01  # innovations that weigh less than the newest by this factor are left out
NEVER = 2_932_896  # 9999-12-31, for products without an end of life
HIGHEST_START = 0.4  # an outage begins within two weeks with at most this probability

OUTPUT_SCHEMA = pa.schema(
    [
        ("location_key", pa.int32()),
        ("product_key", pa.int32()),
        ("month_key", pa.int32()),
        ("ranged_from_date_key", pa.int32()),
        ("liquidation_date_key", pa.int32()),
        ("planned_daily_demand", pa.float64()),
        ("order_up_to_level", pa.int32()),
        ("reorder_point", pa.int32()),
        ("reorder_quantity", pa.int32()),
        ("opening_available", pa.int32()),
        ("opening_in_transit", pa.int32()),
        ("failed_order_days", pa.list_(pa.int32())),
        ("is_failing", pa.bool_()),
        ("calibration", pa.list_(pa.float64())),
        ("sample_shelves", pa.list_(pa.int32())),
        ("forecast_ratio", pa.float64()),
        ("pack_units", pa.int32()),
        ("minimum_order_units", pa.int32()),
        ("last_order_date_key", pa.int32()),
    ]
)
# What the plan of the next month goes on from.
CARRIED = ["is_failing", "calibration", "sample_shelves"]


@dataclass(frozen=True)
class Schedule:
    """Supply of a location type, in days; outage_mean_days is how long a supplier is out.

    adjustment_rate: units that vanish or get damaged per unit sold. liquidation_lag_days: from the
    end of life of a product to its liquidation. orders_cartons: in place of packs.
    last_delivery_days: from the last delivery to the end of life at least.
    """

    review_period_days: int
    lead_time_days: int
    cover_days: int
    outage_mean_days: float
    adjustment_rate: float
    liquidation_lag_days: int
    orders_cartons: bool = False
    last_delivery_days: int = 0

    def outage_chances(self, strength):
        """Probabilities that an outage begins at a review, and that it lasts into the next one.

        Outages have exponential lengths. strength: of 0 to 1; from the highest chance to begin on
        outages do not begin more often but last longer.
        """
        stay = np.exp(-self.review_period_days / self.outage_mean_days)
        highest = 1 - (1 - HIGHEST_START) ** (self.review_period_days / 14)
        beyond = max(strength - highest, 0) / (1 - highest)
        return min(strength, highest), 1 - (1 - stay) * (1 - beyond)

    @property
    def most_failures(self):
        """Failed orders in a row that are told apart."""
        return -(-LONGEST_OUTAGE_DAYS // self.review_period_days)


@dataclass(frozen=True)
class Selling:
    """How stock leaves and comes back in stores or through digital channels.

    day_index: dict of day number -> demand index relative to its month. return_rate: share of sold
    units that come back, return_days later on average. share_bought_if_low: units bought by carts
    that meet fewer than low_inventory_threshold units of a product, per unit planned; 1 where that
    keeps no cart from buying. other_lines: dict of lines in the same cart -> share of lines.
    replacements: added demand for what is taken in place of missing units, per unit planned.
    """

    day_index: dict
    return_rate: float
    return_days: float
    low_inventory_threshold: int
    share_bought_if_low: float
    units_per_line: float
    other_lines: dict
    replacements: float

    def share_bought(self, low):
        """Units bought per unit planned of a line that is not low; others are with chance low."""
        alone = sum(share * (1 - low) ** lines for lines, share in self.other_lines.items())
        return round(float(alone + (1 - alone) * self.share_bought_if_low), 4)


@dataclass(frozen=True)
class Component:
    """A row of the seed demand_levels."""

    weekly_persistence: float
    log_deviation: float


@dataclass(frozen=True)
class Planner:
    """What planners go by: see the seed planner_settings."""

    prior_units: float
    product_error: float
    place_error: float


@dataclass(frozen=True)
class Shocks:
    """Factors with mean 1, (W, P), on the Mondays of the weeks from the first one on."""

    first_week: int
    levels: np.ndarray

    def on(self, days):
        """(D, P) factors on days (D,)."""
        return on_days(self.levels, self.first_week, days)


@dataclass(frozen=True)
class Location:
    """One location and its calendar, in days since 1970-01-01; first_day is the first simulated.

    days_since_review: on the first day; 0 is a review day. shocks: of a product and of a product
    at a location. closed_days: on which nothing is delivered.
    """

    seed: int
    location_key: int
    first_day: int
    days_since_review: int
    schedule: Schedule
    selling: Selling
    planner: Planner
    shocks: tuple
    closed_days: frozenset = frozenset()

    def uniforms(self, stream, days, size, uses=1):
        """(uses, D, size) uniforms in [0, 1) from a block of (size, uses) for each day."""
        draws, block = np.empty((uses, len(days), size)), np.empty((size, uses))
        locations = [self.location_key] * len(days)
        for n, generator in enumerate(block_generators(self.seed, stream, locations, days)):
            draws[:, n] = generator.random(out=block).T
        return draws

    def shocks_between(self, stream, first_day, last_day, size):
        """Shocks of so many positions, drawn with a stream, on any days from one to the other."""
        weeks = int(week_of(first_day)), int(week_of(last_day)) + 1
        product, place = (
            levels_between(component, self.seed, of_component, self.location_key, weeks, size)
            for component, of_component in zip(self.shocks, SHOCKS[stream], strict=True)
        )
        return Shocks(weeks[0], product * place)

    def days_from_review(self, day):
        """Days from the last review before the day: review_period_days on a review day."""
        period = self.schedule.review_period_days
        return (day - self.first_day + self.days_since_review) % period or period

    def arrival(self, day):
        """Day on which the order of the last review before the day arrives, or the next review."""
        from_review = self.days_from_review(day)
        arrival = day - from_review + self.schedule.lead_time_days
        while arrival in self.closed_days:
            arrival += 1
        return min(arrival, day - from_review + self.schedule.review_period_days)

    def ranged_from(self, launch_day):
        """(P,) days from which products with launch days (P,) are ranged here."""
        earliest = launch_day - DAYS_BEFORE_LAUNCH
        since_review = earliest - self.first_day + self.days_since_review
        wait = (self.schedule.lead_time_days - since_review) % self.schedule.review_period_days
        closed, receipt, launch_day = sorted(self.closed_days), earliest + wait, launch_day.copy()
        while (at := np.isin(receipt, closed)).any():
            receipt[at] += 1
        while (at := np.isin(launch_day, closed)).any():
            launch_day[at] -= 1
        return np.minimum(receipt, launch_day)


@dataclass(frozen=True)
class Packs:
    """What positions are ordered in, (P,) each: units of a pack and of the least order.

    until: the last day on which they are ordered.
    """

    units: np.ndarray
    least: np.ndarray
    until: np.ndarray

    @classmethod
    def single(cls, size):
        """Of so many positions that are ordered by the unit."""
        return cls(np.ones(size, int), np.ones(size, int), np.full(size, NEVER))

    def ordered(self, missing):
        """Units ordered when so many, (..., P), are missing: whole packs, or nothing."""
        units = np.ceil(np.maximum(missing, 0) / self.units) * self.units
        return np.where(units < self.least, 0, units)

    def level_on(self, day, level):
        """The level, (P,), that a review on the day orders up to."""
        return np.where(day <= self.until, level, 0)

    def launched(self, level):
        """Units of a launch delivery, (..., P): the least order at least."""
        units = np.maximum(np.ceil(level / self.units) * self.units, self.least)
        return np.where(level > 0, units, 0)

    def take(self, indexes):
        """Those of the positions at some indexes."""
        return Packs(self.units[indexes], self.least[indexes], self.until[indexes])


@dataclass(frozen=True)
class Launches:
    """The first deliveries of products that are launched on the first simulated day or later.

    day: (P,) the day from which their stock plays a part, 0 for products launched before. units:
    (P,) of the delivery. until: (P,) the day of the liquidation, from which stock plays none.
    """

    day: np.ndarray
    units: np.ndarray
    until: np.ndarray

    def take(self, indexes):
        """Those of the positions at some indexes."""
        return Launches(self.day[indexes], self.units[indexes], self.until[indexes])


@dataclass(frozen=True)
class Positions:
    """Positions of a location in months that are planned or looked at from there.

    months: (M,) YYYYMM; ranged_from: (P,) days; planned: (M, P) units a day that customers want;
    correction: (M - 2, P), what planners make of what is usual, and forecast, what they expect of
    them then; level: (M - 2, P), 0 until the launch delivery is ordered; opening_level: (P,), that
    of the first month without launches. shocks: of all days, of a calibration sample only.
    """

    product_key: np.ndarray
    months: np.ndarray
    ranged_from: np.ndarray
    planned: np.ndarray
    correction: np.ndarray
    forecast: np.ndarray
    level: np.ndarray
    opening_level: np.ndarray
    launches: Launches
    packs: Packs
    shocks: Shocks | None = None

    def take(self, indexes):
        """The positions at some indexes."""
        return Positions(
            self.product_key[indexes],
            self.months,
            self.ranged_from[indexes],
            self.planned[:, indexes],
            self.correction[:, indexes],
            self.forecast[:, indexes],
            self.level[:, indexes],
            self.opening_level[indexes],
            self.launches.take(indexes),
            self.packs.take(indexes),
        )

    def to_play(self, first, stop):
        """What play_months and shares_bought take of some months."""
        months = slice(first, stop)
        return self.planned[months], self.level[months], self.launches, self.packs, self.shocks


@dataclass(frozen=True)
class Calibration:
    """Outages of a month, and a sample of a location played MONTHS_TO_EMPTY months further.

    chances: see Schedule. The rest is of the last month played: share_bought, see leaving_units;
    empty_days: (K + 1,) days on which a position has nothing available, by failed
    orders in a row; shelves: packed at its end, and so is the trial of shares_bought, if any.
    """

    chances: tuple
    share_bought: float
    empty_days: np.ndarray
    shelves: list

    def packed(self):
        """Its numbers, floats, and those of its shelves, from which unpack makes it again."""
        return [*self.chances, self.share_bought, *self.empty_days], np.concatenate(self.shelves)

    @classmethod
    def unpack(cls, numbers, shelves):
        """The Calibration that packed gave."""
        start, stay, share_bought, *empty_days = numbers
        shelves = list(shelves.reshape(-1, (1 + 3 * (len(empty_days) + 1)) * SAMPLE_SIZE))
        return cls((start, stay), share_bought, np.array(empty_days), shelves)


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


def levels_for(demand):
    """Order-up-to levels for the units wanted in the days to cover (any shape).

    The nearest whole number, but one at least: slow movers sell out now and then, as they do in a
    shop, and suppliers are not to blame for all stockouts.
    """
    return np.where(demand > 0, np.maximum(np.floor(demand + 0.5), 1), 0).astype(np.int64)


def order_up_to_levels(stocking_demand, correction, cover_days):
    """(M - 2, P) levels that cover the next cover_days, seen from any day up to mid-month.

    stocking_demand: (M, P) usual units a day; correction: (M - 2, P), what planners make of them in
    each month. The higher of the first day's and the middle's, so that
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
    return levels_for(np.maximum(*demand) * correction)


def shares_until(end_of_life_day, months):
    """(M, P) shares of the days of months that are not after the last day of products, (P,)."""
    first, stop = np.array([month_days(month) for month in months]).T[:, :, None]
    return np.clip((end_of_life_day + 1 - first) / (stop - first), 0, 1)


def failure_shares(most, start, stay):
    """(most + 1,) long-run shares of reviews after 0, 1, 2, ... failed orders in a row.

    The stationary state of the Markov chain of outages; the last share is that of all longer ones.
    """
    failing = start / (1 - stay + start)
    shares = np.append(1 - failing, (1 - failing) * start * stay ** np.arange(most))
    shares[-1] = 1 - shares[:-1].sum()
    return shares


def after_review(shares, start, stay):
    """Shares by failed orders in a row, (..., K + 1), after one more review."""
    failed = shares * np.where(np.arange(shares.shape[-1]) == 0, start, stay)
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

    stock: (R, P) units. Each review puts a row in front that starts with the level: the order
    placed then is the last one that comes. Until the order arrives that row is not on the shelf.
    """

    def __init__(self, selling, most_failures, level):
        """level: (P,) units to begin with. K, below, is most_failures."""
        self.selling, self.most_failures = selling, most_failures
        # Stock and two waits one after the other: few units come back at once, most after about
        # return_days. Units are whole, but NumPy is several times as fast on floats.
        self.most_rows = most_failures + 2
        # Rows stand at the end of an array with room for as many in front.
        self.room: np.ndarray = np.zeros((3, 2 * self.most_rows, len(level)))
        self.first = self.room.shape[1] - 1
        self.stock[:] = level
        self.is_ordered = level > 0
        # Of one day's sales: much of the time would go into new arrays.
        self.scratch = np.empty((2, self.most_rows, len(level)))

    @property
    def state(self):
        return self.room[:, self.first : self.first + self.most_rows]

    @property
    def stock(self):
        return self.state[0]

    def on_shelf(self, newest_has_arrived):
        """(K + 1, P) units on the shelf after 0, 1, 2, ... failed orders."""
        first = 0 if newest_has_arrived else 1
        return self.stock[first : first + self.most_failures + 1]

    def sell(self, wanted, wanted_if_low, adjusted, return_draws, days=1):
        """Returns, then sales, then adjustments, of some days.

        wanted, wanted_if_low, adjusted: (P,) units; return_draws: (P,) uniforms.
        """
        share = 1 - (1 - 2 / self.selling.return_days) ** days
        stock, with_customer, on_the_way = self.state
        sent, units = np.multiply(self.state[1:], share, out=self.scratch[:, : len(stock)])
        sent -= units
        on_the_way += sent
        with_customer *= 1 - share
        units += return_draws
        stock += np.floor(units, out=units)  # come back
        if self.selling.share_bought_if_low < 1:
            # As many fewer as stock is low; np.where takes twice as long.
            is_low = stock < self.selling.low_inventory_threshold
            wanted = wanted - np.multiply(is_low, wanted - wanted_if_low, out=sent)
        np.minimum(stock, wanted, out=units)  # that are bought
        stock -= units
        units *= self.selling.return_rate
        with_customer += units
        at = np.flatnonzero(adjusted)  # few
        stock[:, at] = np.maximum(stock[:, at] - adjusted[at], 0)

    def review(self, level, packs, failures=0):
        """Order up to the level, (P,), in Packs: a row in front, whose order is yet to come.

        failures: (P,) failed orders in a row before this one comes, which decide what it leaves
        over of a pack.
        """
        kept = self.state[:, : self.most_rows - 1]
        if self.first == 0:
            self.first = self.room.shape[1] - kept.shape[1]
            self.room[:, self.first :] = kept
        failures = np.minimum(failures, kept.shape[1] - 1)
        before = kept[:, failures, np.arange(len(level))]
        self.first -= 1
        self.room[:, self.first] = before
        self.stock[0] += packs.ordered(level - self.stock[0])
        self.is_ordered = level > 0

    def receive(self):
        """The last order comes, where one was placed: others keep what earlier failures left."""
        at = np.flatnonzero(~self.is_ordered)
        self.state[:, :-1, at] = self.state[:, 1:, at]

    def launch(self, units, at):
        """The first delivery, units (P,), of the products at some indexes: it never fails."""
        if len(at):
            self.state[:, :, at] = 0
            self.stock[:, at] = units[at]

    def forget_returns(self):
        """Sales before the first day are not known, so nothing of them comes back after it."""
        self.state[1:] = 0

    def packed(self):
        """(P * (1 + 3 * (K + 2)),) integers: shelves after some reviews, waits in thousandths.

        Those of a position stand together: many are equal, so that files stay small.
        """
        stock, *waits = self.state
        numbers = np.vstack([self.is_ordered, stock, *(1000 * units for units in waits)])
        return np.rint(numbers).astype(np.int32).T.ravel()

    @classmethod
    def unpack(cls, selling, most_failures, numbers):
        """Shelves from what packed gave."""
        is_ordered, *state = numbers.reshape(-1, 1 + 3 * (most_failures + 2)).T
        shelves = cls(selling, most_failures, is_ordered)
        shelves.first -= most_failures + 1
        shelves.state[:] = np.reshape(state, (3, -1, len(is_ordered)))
        shelves.state[1:] /= 1000
        return shelves


def leaving_units(location, share_bought, means, draws):
    """What leaves the shelf if there is enough: wanted, wanted when stock is low, adjusted units.

    Each (..., P) whole floats from means (..., P), units planned, and draws (3, ..., P).
    share_bought: units wanted per unit planned when stock is not low.
    """
    selling = location.selling

    def wanted(share):
        units = means * share * (1 + selling.replacements)
        lines = poisson_quantile(units / selling.units_per_line, draws[0])
        return np.floor(lines * selling.units_per_line + draws[1])

    # What vanishes or gets damaged is spread evenly over the products.
    adjustments = means.mean(axis=-1, keepdims=True) * location.schedule.adjustment_rate
    adjusted = poisson_quantile(adjustments, draws[2]).astype(float)
    units = wanted(share_bought)
    if selling.share_bought_if_low < 1:
        return units, wanted(selling.share_bought_if_low), adjusted
    return units, units, adjusted


def failures_before(location, days, size, chances):
    """(D, size) failed orders in a row before those of review days (D,) come."""
    start, stay = chances
    shares = failure_shares(location.schedule.most_failures, start, stay)
    shares *= np.where(np.arange(len(shares)) == 0, 1 - start, 1 - stay)
    (draws,) = location.uniforms(FAILURES_BEFORE, days, size)
    found = np.searchsorted(np.cumsum(shares / max(shares.sum(), 1e-9)), draws, side="right")
    return np.minimum(found, len(shares) - 1)


def burn_in(location, stream, share_bought, demand, level, packs, chances):
    """Shelves on the eve of the first day, and their stock just before the last review.

    demand, level: (P,) units a day that leave, and the level, as if they, share_bought (see
    leaving_units) and chances (see Schedule) had always held.
    """
    schedule, period = location.schedule, location.schedule.review_period_days
    last_review = location.first_day - location.days_from_review(location.first_day)
    reviews = range(last_review - (schedule.most_failures + 1) * period, last_review + 1, period)
    weeks = [  # (first day, days) of the weeks after each review
        [(day, min(7, end - day)) for day in range(review + 1, end, 7)]
        for review in reviews
        for end in [min(review + period + 1, location.first_day)]
    ]
    days, lengths = np.array([week for of_review in weeks for week in of_review]).T
    draws = location.uniforms(stream, days, len(demand), 4)
    shocks = location.shocks_between(stream, days[0], days[-1], len(demand))
    means = demand * lengths[:, None] * shocks.on(days)
    leaving = leaving_units(location, share_bought, means, draws[:3])
    sales = zip(*leaving, draws[3], lengths, strict=True)
    # Anything from none to all but one unit of a pack is left over.
    ((draws,),) = location.uniforms(LEFTOVER, [reviews[0]], len(demand))
    leftover = np.floor(draws * packs.units) * (level > 0)
    shelves = ShelvesByFailures(location.selling, schedule.most_failures, level + leftover)
    failures = failures_before(location, reviews, len(demand), chances)
    for review, of_review, failed in zip(reviews, weeks, failures, strict=True):
        before_review = shelves.stock.copy()
        shelves.review(packs.level_on(review, level), packs, failed)
        for _ in of_review:
            shelves.sell(*next(sales))
    shelves.forget_returns()
    return shelves, before_review


def opening_stock(location, share_bought, demand, level, packs, shares, start, stay):
    """Stock on the eve of the first day.

    share_bought, demand, level, packs: as burn_in takes them. shares: (K + 1,) of positions
    by failed orders in a row up to the last one due before the first day; start, stay: chances of
    an order that is due later. Returns (available, in transit, supplier is failing), each (P,).
    """
    shelves, before_review = burn_in(
        location, BURN_IN, share_bought, demand, level, packs, (start, stay)
    )
    since_review = location.days_from_review(location.first_day)
    last_review = location.first_day - since_review
    is_due_later = location.arrival(location.first_day) >= location.first_day
    ((draws,),) = location.uniforms(OUTAGE_AGE, [last_review], len(demand))
    failures = np.searchsorted(np.cumsum(shares), draws, side="right")
    failures = np.minimum(failures, len(shares) - 1)
    at = failures, np.arange(len(demand))
    failing = failures > 0
    in_transit: np.ndarray = np.zeros(len(demand))
    if is_due_later:
        ((draws,),) = location.uniforms(OUTAGES, [last_review], len(demand))
        failing = draws < np.where(failing, stay, start)
        missing = packs.level_on(last_review, level) - before_review[at]
        in_transit = np.where(failing, 0, packs.ordered(missing))
    return shelves.on_shelf(not is_due_later)[at], in_transit, failing


def date_keys(days):
    """YYYYMMDD integers of day numbers since 1970-01-01 (any shape)."""
    dates = np.asarray(days, dtype=np.int64).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    year, month = np.divmod(months.astype(np.int64), 12)
    day = (dates - months.astype("datetime64[D]")).astype(np.int64) + 1
    return ((year + 1970) * 10000 + (month + 1) * 100 + day).astype(np.int32)


def months_between(month_key, other):
    """Months from one, YYYYMM, to the other."""
    return (other // 100 - month_key // 100) * 12 + other % 100 - month_key % 100


def month_days(month_key):
    """First day of a month (YYYYMM) and of the next one, since 1970-01-01."""
    month = np.datetime64(f"{month_key // 100}-{month_key % 100:02d}", "M")
    return tuple(int((month + n).astype("datetime64[D]").astype(np.int64)) for n in (0, 1))


def play_months(
    location, shelves, months, share_bought, chances, demand, level, launches, packs, shocks
):
    """How often shelves are empty or low on each day from the first one on, by failed orders.

    months: (M,) YYYYMM; share_bought: (M,), see leaving_units; chances: see Schedule, about those
    that orders fail by; demand, level: (M, P); launches, packs: of the P products; shocks: of all
    days of the months. Plays on with the shelves. Returns the days (D,), and two arrays (D, K + 1):
    the share of ranged positions with nothing available, and the share of their demand that meets
    low stock.
    """
    schedule, selling = location.schedule, location.selling
    size = demand.shape[1]
    all_days, empty, low = [], [], []
    for n, month in enumerate(months):
        first, stop = month_days(month)
        days = np.arange(max(first, location.first_day), stop)
        index = np.array([selling.day_index[day] for day in days.tolist()])
        means = demand[n] * index[:, None] * shocks.on(days)
        draws = location.uniforms(CALIBRATION, days, size, 4)
        leaving = leaving_units(location, share_bought[n], means, draws[:3])
        sales = zip(*leaving, draws[3], strict=True)
        all_ranged = (launches.day <= days[:, None]) & (days[:, None] < launches.until)
        period = schedule.review_period_days
        reviews = [day for day in days.tolist() if location.days_from_review(day) == period]
        failures = failures_before(location, reviews, size, chances)
        failures_on = dict(zip(reviews, failures, strict=True))
        for day, is_ranged, of_day in zip(days.tolist(), all_ranged, sales, strict=True):
            arrival = location.arrival(day)
            if day == arrival:
                shelves.receive()
            shelves.launch(launches.units, np.flatnonzero(launches.day == day))
            on_shelf = shelves.on_shelf(day >= arrival)
            if selling.share_bought_if_low < 1:
                is_low = on_shelf < selling.low_inventory_threshold
                ranged_demand = demand[n] * is_ranged
                low.append((is_low * ranged_demand).sum(axis=1) / max(ranged_demand.sum(), 1e-9))
            shelves.sell(*of_day)
            is_empty = (on_shelf == 0) & is_ranged
            empty.append(is_empty.sum(axis=1) / max(is_ranged.sum(), 1))
            if day in failures_on:
                shelves.review(packs.level_on(day, level[n]), packs, failures_on[day])
        all_days.append(days)
    return np.concatenate(all_days), np.array(empty), np.array(low)


def rate_by_opening(location, days, empty, start, stay):
    """(K + 1,) expected stockout rate of the days, by failed orders before them.

    The last order due before the first day came, or was the n-th to fail in a row. days: (D,);
    empty: (D, K + 1).
    """
    on_shelf = np.eye(empty.shape[1])
    ordered = on_shelf
    if location.arrival(location.first_day) >= location.first_day:
        ordered = after_review(on_shelf, start, stay)
    rates = np.zeros(empty.shape[1])
    for day, empty_today in zip(days.tolist(), empty, strict=True):
        if day == location.arrival(day):
            on_shelf = ordered
        rates += on_shelf @ empty_today
        if location.days_from_review(day) == location.schedule.review_period_days:
            ordered = after_review(ordered, start, stay)
    return rates / len(days)


def sample_of(location, positions):
    """SAMPLE_SIZE of the Positions of the location, in order, with their shocks."""
    # Another choice of products at each location, so that errors of the choice average out.
    count = len(positions.product_key)
    order = np.argsort(location.uniforms(CALIBRATION, [0], count)[0, 0], kind="stable")
    sample = positions.take(np.sort(np.resize(order, SAMPLE_SIZE)))
    days = month_days(sample.months[0])[0], month_days(sample.months[-1])[1] - 1
    return replace(sample, shocks=location.shocks_between(CALIBRATION, *days, SAMPLE_SIZE))


def long_run_chances(target_rate, schedule, rates):
    """Chances of outages that meet the target; rates: (K + 1,), by failed orders."""
    most = len(rates) - 1
    strength = strength_for(target_rate, schedule, lambda *c: failure_shares(most, *c) @ rates)
    return schedule.outage_chances(strength)


def usual_chances(target_rate, schedule):
    """About the chances of outages that meet the target: shelves last for the days to cover."""
    days = np.arange(schedule.most_failures + 1) * schedule.review_period_days
    return long_run_chances(target_rate, schedule, 1 - np.exp(-days / schedule.cover_days))


def shares_bought(
    location, target_rate, trial, share, months, chances, demand, level, launches, packs, shocks
):
    """(M,) units wanted per unit planned of lines that are not low; the rest is lost by others.

    trial: shelves on which the months are played, each with the share of the one before; None
    where no cart is lost. share: that of the month before. Other arguments as play_months takes
    them.
    """
    if trial is None:
        return np.ones(len(months))
    shares = [share]
    for n in range(len(months)):
        month = slice(n, n + 1)
        of_month = months[month], shares[-1:], chances, demand[month], level[month]
        _, empty, low = play_months(location, trial, *of_month, launches, packs, shocks)
        chances = long_run_chances(target_rate, location.schedule, empty.mean(axis=0))
        by_failures = failure_shares(location.schedule.most_failures, *chances)
        shares.append(location.selling.share_bought(by_failures @ low.mean(axis=0)))
    return np.array(shares[1:])


def first_calibration(location, target_rate, sample):
    """Calibration of the first month, and what holds before the first day.

    Outages of the first months are the same: had they always held, they would meet the target in
    all but the first. Those before the first day make all of them meet it on average.
    sample: Positions. Returns the Calibration, (K + 1,) shares of positions by failed
    orders before the first day, and share_bought of the first month.
    """
    schedule, if_low = location.schedule, location.selling.share_bought_if_low
    months, to_play = sample.months[:FIRST_MONTHS], sample.to_play(0, FIRST_MONTHS)
    share, trial = (1 + if_low) / 2, None
    guess = usual_chances(target_rate, schedule)
    opening = sample.planned[0], sample.opening_level, sample.packs, guess
    if if_low < 1:
        trial, _ = burn_in(location, CALIBRATION, share, *opening)
    shares = shares_bought(location, target_rate, trial, share, months, guess, *to_play)
    shelves, _ = burn_in(location, CALIBRATION, shares[0], *opening)
    days, empty, _ = play_months(location, shelves, months, shares, guess, *to_play)
    is_emptied = days >= month_days(months[1])[0]
    chances = long_run_chances(target_rate, schedule, empty[is_emptied].mean(axis=0))
    rates = rate_by_opening(location, days, empty, *chances)
    before = long_run_chances(target_rate, schedule, rates)
    before = failure_shares(schedule.most_failures, *before)
    empty_days = empty[days >= month_days(months[-1])[0]].sum(axis=0)
    return calibration_of(chances, shares, empty_days, shelves, trial), before, shares[0]


def next_calibration(location, target_rate, before, sample, n):
    """Calibration of the n-th of the months of the sample; before: that of the month before.

    Its outages, had they always held, meet the target in the MONTHS_TO_EMPTY months in which they
    empty shelves. The last of these is played.
    """
    schedule, selling = location.schedule, location.selling
    unpacked = [
        ShelvesByFailures.unpack(selling, schedule.most_failures, numbers)
        for numbers in before.shelves
    ]
    shelves, trial = (*unpacked, None)[:2]
    emptied = sample.months[n + 1 : n + 1 + MONTHS_TO_EMPTY]
    month, to_play = emptied[-1:], sample.to_play(n + MONTHS_TO_EMPTY, n + 1 + MONTHS_TO_EMPTY)
    chances = before.chances
    to_play = chances, *to_play
    shares = shares_bought(location, target_rate, trial, before.share_bought, month, *to_play)
    _, empty, _ = play_months(location, shelves, month, shares, *to_play)
    empty_days = empty.sum(axis=0)
    first_month = date_keys(location.first_day) // 100
    if months_between(first_month, sample.months[n]) >= FIRST_MONTHS:
        days = month_days(emptied[-1])[1] - month_days(emptied[0])[0]
        rates = (before.empty_days + empty_days) / days
        chances = long_run_chances(target_rate, schedule, rates)
    return calibration_of(chances, shares, empty_days, shelves, trial)


def calibration_of(chances, shares, empty_days, shelves, trial):
    """Calibration with the last of the shares, and with these shelves."""
    packed = [part.packed() for part in (shelves, trial) if part is not None]
    return Calibration(chances, float(shares[-1]), empty_days, packed)


def failed_orders(location, month, chances, failing, ranged_from):
    """Days of the month of failed orders, an Arrow list for each product, and failing after it.

    chances: see Schedule; failing: (P,), the last order before failed; ranged_from: (P,) days,
    before which nothing but the launch delivery is ordered.
    """
    start, stay = chances
    first, stop = month_days(month)
    failed = np.zeros((len(failing), stop - first), dtype=bool)
    for day in range(max(first, location.first_day), stop):
        if location.days_from_review(day) == location.schedule.review_period_days:
            ((draws,),) = location.uniforms(OUTAGES, [day], len(failing))
            failing = draws < np.where(failing, stay, start)
            failed[:, day - first] = failing & (ranged_from <= day)
    failed_on = pa.array(np.nonzero(failed)[1] + 1, pa.int32())
    offsets = np.concatenate([[0], np.cumsum(failed.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, failed_on), failing


def logistic(draws, log_deviation):
    """Factors with mean 1 whose logarithm has the logistic distribution, from uniforms.

    log_deviation: standard deviation of the logarithm, below 1.8.
    """
    if log_deviation == 0:
        return np.ones(len(draws))
    scale = log_deviation * 3**0.5 / np.pi
    draws = np.maximum(draws, 2**-53)
    return (draws / (1 - draws)) ** scale * np.sin(np.pi * scale) / (np.pi * scale)


def planner_errors(location, size):
    """(P,) factors by which planners are wrong for ever: about a product, and about it here."""
    company, here = (
        next(block_generators(location.seed, PLANNER_ERROR, [place], [0])).random(size)
        for place in (0, location.location_key)
    )
    planner = location.planner
    return logistic(company, planner.product_error) * logistic(here, planner.place_error)


def corrections(location, months, usual, past, past_days):
    """(M, P) what planners make of usual demand, from sales of the weeks before each month.

    usual, past: (M, P) units a day, past as customers wanted them in these weeks; past_days: (M, P)
    that the product was on sale in them. Past sales weigh the more the more were expected (gamma
    prior, Poisson sales). They are drawn by month, so that successive months see the same ones.
    """
    planner, errors = location.planner, planner_errors(location, usual.shape[1])
    made = np.empty_like(usual)
    for n, month in enumerate(months.tolist()):
        start = np.datetime64(f"{month // 100}-{month % 100:02d}", "M")
        before = [(start - ago).astype("datetime64[D]") for ago in range(1, PAST_MONTHS + 1)]
        days = [int(day.astype(np.int64)) for day in before]
        (draws,) = location.uniforms(PAST_SALES, days, usual.shape[1])
        sold = poisson_quantile(past[n] * past_days[n] / PAST_MONTHS, draws).sum(axis=0)
        made[n] = (planner.prior_units + sold) / (planner.prior_units + usual[n] * past_days[n])
    return made * errors


def packs_from(rows, location):
    """Packs of the products of rows of int_demand_plan: see plan_location."""
    pack, minimum, carton = (
        np.asarray(rows[name].combine_chunks()).astype(np.int64)
        for name in ("pack_units", "minimum_packs", "carton_units")
    )
    if location.schedule.orders_cartons:
        pack, minimum = carton, np.ones_like(carton)
    last_day = np.asarray(rows["end_of_life_day"].combine_chunks()).astype(np.int64)
    schedule = location.schedule
    last_order = last_day - schedule.last_delivery_days - schedule.lead_time_days
    until = np.where(last_day == NEVER, NEVER, last_order)
    return Packs(pack, pack * minimum, until)


def positions_from(table, location):
    """Positions from rows of int_demand_plan: see plan_location."""
    months = np.unique(np.asarray(table["month_key"]))
    columns = (
        np.asarray(table[name].combine_chunks()).reshape(len(months), -1)
        for name in (
            *("product_key", "launch_day", "end_of_life_day", "mean_daily_demand"),
            *("usual_daily_demand", "share_on_sale", "past_daily_demand", "past_days"),
        )
    )
    product_key, launch_day, last_day, planned, usual, share_on_sale, past, past_days = columns
    packs = packs_from(table.slice(0, len(product_key[0])), location)
    product_key, launch_day, last_day = product_key[0], launch_day[0], last_day[0]
    correction = corrections(location, months[:-2], usual[:-2], past[:-2], past_days[:-2])
    schedule = location.schedule
    until_the_end = usual * shares_until(last_day, months)
    level = order_up_to_levels(until_the_end, correction, schedule.cover_days)
    # An order is due as soon as if none were too small.
    level += (packs.least - packs.units) * (level > 0)
    # What is there was ordered by the last review, when there was more time left.
    ordered_before = schedule.review_period_days + schedule.lead_time_days
    days_left = last_day + 1 - np.minimum(location.first_day, packs.until) + ordered_before
    opening_level = levels_for(
        usual[0] * correction[0] * np.clip(days_left, 0, schedule.cover_days)
    )
    opening_level += (packs.least - packs.units) * (opening_level > 0)
    liquidated_on = np.minimum(last_day + schedule.liquidation_lag_days, NEVER)
    opening_level[liquidated_on < location.first_day] = 0

    ranged_from = location.ranged_from(launch_day)
    ordered_on = ranged_from - schedule.lead_time_days
    month_starts = [month_days(month)[0] for month in months]
    ordered_in = np.maximum(np.searchsorted(month_starts, ordered_on, side="right") - 1, 0)
    level[np.arange(len(level))[:, None] < ordered_in] = 0
    is_launch = launch_day >= location.first_day
    opening_level[is_launch] = 0
    launches = Launches(
        day=np.where(is_launch, np.maximum(ranged_from, location.first_day), 0),
        # 0 for what is ordered after the last of these levels.
        units=packs.launched(
            level[np.minimum(ordered_in, len(level) - 1), np.arange(len(product_key))]
        ),
        until=liquidated_on,
    )
    return Positions(
        product_key=product_key,
        months=months,
        ranged_from=ranged_from,
        planned=planned,
        correction=correction,
        forecast=usual[:-2] * correction * share_on_sale[:-2],
        level=level,
        opening_level=opening_level,
        launches=launches,
        packs=packs,
    )


def opening_of(location, positions, shares, share_bought, start, stay):
    """Stock on the eve of the first day with launch deliveries: see opening_stock."""
    planned, level = positions.planned[0], positions.opening_level
    available, in_transit, failing = opening_stock(
        location, share_bought, planned, level, positions.packs, shares, start, stay
    )
    ranged_from, units = positions.ranged_from, positions.launches.units
    ordered_on = ranged_from - location.schedule.lead_time_days
    is_there = (positions.launches.day > 0) & (ranged_from < location.first_day)
    is_due = (ordered_on < location.first_day) & (ranged_from >= location.first_day)
    return available + units * is_there, in_transit + units * is_due, failing


def plan_location(table, location, target_rate):
    """Plan of one location: table of OUTPUT_SCHEMA from its rows of int_demand_plan (Arrow table).

    The rows come by month and product, every product in every month. The last MONTHS_AHEAD months
    only serve to look ahead. If there are CARRIED columns, the first month has been planned before:
    its rows have what that plan carries on, NULL for false, and it is not planned again.
    """
    positions = positions_from(table, location)
    size = len(positions.product_key)
    sample = sample_of(location, positions)
    plans, opening, is_carried = [], [pa.nulls(size)] * 2, set(CARRIED) <= set(table.column_names)
    if is_carried:
        failing = np.asarray(table["is_failing"].slice(0, size).fill_null(False))
        numbers, shelves = table["calibration"][0], table["sample_shelves"][0]
        calibration = Calibration.unpack(numbers.as_py(), shelves.values.to_numpy())
    else:
        calibration, *before = first_calibration(location, target_rate, sample)
        *opening, failing = opening_of(location, positions, *before, *calibration.chances)
    for n in range(int(is_carried), len(positions.months) - MONTHS_AHEAD):
        if n > 0:
            calibration = next_calibration(location, target_rate, calibration, sample, n)
            opening = [pa.nulls(size)] * 2
        failed, failing = failed_orders(
            location, positions.months[n], calibration.chances, failing, positions.ranged_from
        )
        orders = *opening, failed, failing
        plans.append(plan_month(location, positions, n, orders, calibration))
    return pa.concat_tables(plans)


def plan_month(location, positions, n, orders, calibration):
    """Table of OUTPUT_SCHEMA of the n-th month, by product.

    orders: units available and in transit on the eve of the first day, NULL after the first month,
    and what failed_orders returns, each of P values.
    """
    schedule, forecast, size = location.schedule, positions.forecast[n], len(positions.product_key)
    packs = positions.packs
    available, in_transit, failed, failing = orders
    (numbers, shelves), others = calibration.packed(), [None] * (size - 1)
    values = {
        "location_key": np.full(size, location.location_key),
        "product_key": positions.product_key,
        "month_key": np.full(size, positions.months[n]),
        "ranged_from_date_key": date_keys(positions.ranged_from),
        "liquidation_date_key": date_keys(positions.launches.until),
        "planned_daily_demand": forecast,
        "order_up_to_level": positions.level[n],
        "reorder_point": np.ceil(
            forecast * (schedule.review_period_days + schedule.lead_time_days)
        ),
        "reorder_quantity": packs.launched(forecast * schedule.review_period_days),
        "opening_available": available,
        "opening_in_transit": in_transit,
        "failed_order_days": failed,
        "is_failing": failing,
        "calibration": [numbers, *others],
        "sample_shelves": [shelves, *others],
        "forecast_ratio": positions.correction[n],
        "pack_units": packs.units,
        "minimum_order_units": packs.least,
        "last_order_date_key": date_keys(packs.until),
    }
    arrays = [pa.array(data).cast(OUTPUT_SCHEMA.field(name).type) for name, data in values.items()]
    return pa.Table.from_arrays(arrays, schema=OUTPUT_SCHEMA)


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


def split_locations(batches):
    """Arrow tables of a stream, one for each location."""

    def number(batch):
        return np.asarray(batch.column("location_key"))

    return split_stream(batches, number, number)


def plan_stream(batches, locations, target_rate):
    """Arrow record batches of int_demand_plan -> record batches of OUTPUT_SCHEMA.

    locations: dict of location_key -> Location. The rows of a location must come in the order of
    stream_position: by month and product.
    """
    for table in split_locations(batches):
        location = locations[table["location_key"][0].as_py()]
        yield from plan_location(table, location, target_rate).to_batches()


def sellings_from(seeds, traffic, config):
    """Selling of each channel group; seeds: their pandas frames by name.

    traffic: int_traffic_plan as a pandas frame, with the column promotion_uplift: how many times
    its usual demand the average product has that day. config: dict of the model's variables.
    """
    rates = seeds["return_rates"].set_index("channel_group")["return_rate_index"].astype(float)
    lags, baskets = seeds["return_lags"], seeds["basket_sizes"]
    digital_share = config["digital_share"]
    mean_index = digital_share * rates["digital"] + (1 - digital_share) * rates["store"]
    increase, recovery_rate = config["cart_abandonment_increase"], config["cart_recovery_rate"]
    base_rate = config["cart_abandonment_base_rate"]
    bought = 1 - base_rate * (1 - recovery_rate)
    abandoned_if_low = min(base_rate + increase, 1)
    bought_if_low = 1 - abandoned_if_low * (1 - max(recovery_rate - increase, 0))
    line = seeds["units_per_line"].astype(float)
    responses = seeds["replacement_demand"].set_index("response")["units_per_stockout_rate"]
    target_rate = config["target_stockout_rate"]
    replacements = (
        target_rate
        * (1 - target_rate) ** 2
        * (
            config["substitution_rate"] * float(responses["substitute"])
            + config["waiting_rate"] * float(responses["wait"])
        )
    )
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
            replacements=replacements,
        )
    return sellings


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


def locations_from(frames, sellings, seed):
    """Dict of location_key -> Location.

    frames: pandas frames of gold_location_dim, int_location_demand, supply_schedule,
    planner_settings, demand_levels, of closed days of int_holiday_calendar, and of the first day of
    int_supply_calendar, by name. sellings: dict of channel group -> Selling.
    """
    schedules = {
        row.location_type: Schedule(
            review_period_days=int(row.review_period_days),
            lead_time_days=int(row.lead_time_days),
            cover_days=int(row.cover_days),
            outage_mean_days=float(row.supplier_outage_mean_days),
            adjustment_rate=float(row.shrinkage_rate) + float(row.damage_rate),
            liquidation_lag_days=int(row.liquidation_lag_days),
            orders_cartons=bool(row.orders_cartons),
            last_delivery_days=int(row.last_delivery_days),
        )
        for row in frames["supply_schedule"].itertuples()
    }
    settings = frames["planner_settings"].set_index("parameter")["parameter_value"].astype(float)
    components = frames["demand_levels"].set_index("component")
    shocks = tuple(
        Component(
            float(components["weekly_persistence"][name]), float(components["log_deviation"][name])
        )
        for name in ("product_shock", "store_shock")
    )
    closed_days = frames["int_holiday_calendar"]["holiday_date"].to_numpy("datetime64[D]")
    closed_days = frozenset(closed_days.astype(np.int64).tolist())
    rows = frames["int_supply_calendar"].merge(frames["gold_location_dim"], on="location_key")
    rows = rows.merge(frames["int_location_demand"], on="location_key")
    return {
        row.location_key: Location(
            seed=seed,
            location_key=row.location_key,
            first_day=int(np.datetime64(row.calendar_date, "D").astype(np.int64)),
            days_since_review=row.days_since_review,
            schedule=schedules[row.location_type],
            selling=sellings[row.channel_group],
            planner=Planner(**settings.to_dict()),
            shocks=shocks,
            closed_days=closed_days if row.location_type == "store" else frozenset(),
        )
        for row in rows.itertuples()
    }


def traffic_from(traffic, promotion_days, product_count):
    """int_traffic_plan as a pandas frame with promotion_uplift, see sellings_from."""
    from pyspark.sql import functions as F

    # A sum of whole ten thousandths: a sum of doubles depends on the order that the engine takes.
    extra = F.sum(F.expr("cast(round((demand_uplift - 1) * 10000) as bigint)"))
    promotions = promotion_days.groupBy("channel_group", "date_key")
    promotions = promotions.agg(extra.alias("extra_ten_thousandths")).toPandas()
    traffic = traffic.toPandas().merge(promotions, "left", on=["channel_group", "date_key"])
    uplift = 1 + traffic["extra_ten_thousandths"].fillna(0) / 10000 / product_count
    return traffic.assign(promotion_uplift=uplift)


def stream_of(demand, products, order_packs, planned):
    """Rows of int_demand_plan with what plan_location looks at, in the order of plan_stream.

    planned: rows of this model for the first of the months, if it has been planned; else None.
    """
    from pyspark.sql import Window
    from pyspark.sql import functions as F

    key = ["location_key", "product_key", "month_key"]
    days = {
        "launch_day": "datediff(launch_date, date '1970-01-01')",
        "end_of_life_day": f"coalesce(datediff(end_of_life_date, date '1970-01-01'), {NEVER})",
    }
    rows = demand.select(
        *key,
        "mean_daily_demand",
        "usual_daily_demand",
        "share_on_sale",
        "past_daily_demand",
        "past_days",
    )
    columns = [F.expr(sql).alias(name) for name, sql in days.items()]
    products = products.join(order_packs, "category_level_3").select(
        "product_key", *columns, "pack_units", "minimum_packs", "carton_units"
    )
    rows = rows.join(products, "product_key")
    if planned is not None:
        planned = planned.filter("is_failing or calibration is not null")
        rows = rows.join(planned.select(*key, *CARRIED), key, "left")
    group = Window.partitionBy("location_key").orderBy("month_key", "product_key")
    return rows.withColumn("stream_position", F.row_number().over(group))


# Longer than a screen: dbt finds what a model reads in the text of this function alone.
def model(dbt, session):
    """One row per product, location and month (OUTPUT_SCHEMA)."""
    (world,) = dbt.ref("int_simulated_days").collect()
    planned, months = None, "true"
    if dbt.is_incremental and world.closed_date:
        if f"{world.closed_date:%Y%m}" == f"{world.last_date:%Y%m}":
            return session.createDataFrame([], spark_ddl(OUTPUT_SCHEMA))
        last_planned = f"month_key = {world.closed_date:%Y%m}"
        planned = session.table(str(dbt.this)).filter(last_planned)
        months = f"month_key >= {world.closed_date:%Y%m}"

    config = {
        "return_rate": float(dbt.config.get("return_rate")),
        "return_delay_days": tuple(dbt.config.get("return_delay_days")),
        "digital_share": float(dbt.config.get("digital_share")),
        "low_inventory_threshold": int(dbt.config.get("low_inventory_threshold")),
        "cart_abandonment_base_rate": float(dbt.config.get("cart_abandonment_base_rate")),
        "cart_abandonment_increase": float(dbt.config.get("cart_abandonment_increase")),
        "cart_recovery_rate": float(dbt.config.get("cart_recovery_rate")),
        "substitution_rate": float(dbt.config.get("substitution_rate")),
        "waiting_rate": float(dbt.config.get("waiting_rate")),
        "target_stockout_rate": float(dbt.config.get("target_stockout_rate")),
    }
    seed = int(dbt.config.get("random_seed"))
    products = dbt.ref("gold_product_dim")
    # Nearly all stores are standard ones: their promotions are those of a store's days.
    promotion_days = dbt.ref("int_promotion_days").filter(
        months.replace("month_key", "date_key div 100")
        + " and price_zone in ('digital', 'standard')"
    )
    traffic = dbt.ref("int_traffic_plan").filter(months)
    calendar = dbt.ref("int_supply_calendar")
    tables = {
        "basket_sizes": dbt.ref("basket_sizes"),
        "return_lags": dbt.ref("return_lags"),
        "return_rates": dbt.ref("return_rates"),
        "units_per_line": dbt.ref("units_per_line"),
        "supply_schedule": dbt.ref("supply_schedule"),
        "planner_settings": dbt.ref("planner_settings"),
        "replacement_demand": dbt.ref("replacement_demand"),
        "demand_levels": dbt.ref("demand_levels"),
        "gold_location_dim": dbt.ref("gold_location_dim").select("location_key", "location_type"),
        "int_location_demand": dbt.ref("int_location_demand").select(
            "location_key", "channel_group"
        ),
        "int_supply_calendar": calendar.filter(calendar.calendar_date == world.first_date).select(
            "location_key", "calendar_date", "days_since_review"
        ),
        "int_holiday_calendar": dbt.ref("int_holiday_calendar")
        .filter("day_kind = 'closed' and precedence = 1")
        .select("holiday_date"),
    }
    frames = {name: table.toPandas() for name, table in tables.items()}
    traffic = traffic_from(traffic, promotion_days, products.count())
    locations = locations_from(frames, sellings_from(frames, traffic, config), seed)

    # A stream and not applyInArrow: docs/engine_notes.md#streams-of-rows
    demand = dbt.ref("int_demand_plan").filter(months)
    stream = stream_of(demand, products, dbt.ref("order_packs"), planned)
    return stream.mapInArrow(
        lambda batches: plan_stream(batches, locations, config["target_stockout_rate"]),
        spark_ddl(OUTPUT_SCHEMA),
    )
