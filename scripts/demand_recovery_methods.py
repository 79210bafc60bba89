"""Estimates of first choices from sales and stock: see demand_recovery.py.

A method takes what an analyst sees and returns units by product, location and whole week.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from demand_recovery_panel import Seen
from learnability_panel import DAYS_A_WEEK

Array = Any
# What an analyst takes for granted: how much rather a shopper takes another colour of the style,
# or another style of the brand, than something else of the section.
SAME_STYLE = 3.0
SAME_BRAND = 2.0
# Units that what is expected of a position, or of a category in a week, counts for.
POSITION_PRIOR = 1.0
WEEK_PRIOR = 5.0
FIRST_THETA = 0.5
MOST_STEPS = 60
# The fit ends when a step changes all demand by a smaller share.
TOLERANCE = 2e-5
WEEKS_BEFORE = 4
DAYS_A_YEAR = 52 * DAYS_A_WEEK
# Weeks of a window that holds a last year.
LEAST_WEEKS_OF_A_YEAR = 53


def in_place_of_ranged(seen: Seen, daily: Array) -> Array:
    """Return estimates by week: those given of ranged days, and sales on others."""
    return seen.by_week(np.where(seen.ranged, daily, seen.units))


def sales_as_they_are(seen: Seen) -> Array:
    """Return what was sold."""
    return seen.by_week(seen.units)


def in_stock_days(seen: Seen) -> Array:
    """Return the mean of days in stock for each ranged day of a week.

    In stock is a day with something available on the evening before and at its end. Without such
    a day in the week the mean is that of the position, without any that of its category.
    """
    in_stock = seen.ranged & ~seen.is_stockout & (seen.opening() > 0)
    sold = np.where(in_stock, seen.units, 0)
    category = seen.category()
    units, days = sold.sum((1, 2)), in_stock.sum((1, 2))
    of_category = np.bincount(category, units) / np.maximum(np.bincount(category, days), 1)
    units, days = sold.sum(2), in_stock.sum(2)
    mean = np.where(days > 0, units / np.maximum(days, 1), of_category[category][:, None])
    units, days = seen.by_week(sold), seen.by_week(in_stock)
    in_week = np.where(days > 0, units / np.maximum(days, 1), mean[:, :, None])
    not_ranged = seen.by_week(np.where(seen.ranged, 0, seen.units))
    return in_week * seen.by_week(seen.ranged) + not_ranged


def expected_above(rate: Array, least: Array) -> Array:
    """Return the mean of a Poisson variable that is known to be `least` or more."""
    from scipy.special import gammainc

    # P(D >= n) is gammainc(n, rate), and 1 for n = 0.
    at_least = np.where(least > 0, gammainc(np.maximum(least, 1), rate), 1.0)
    one_less = np.where(least > 1, gammainc(np.maximum(least - 1, 1), rate), 1.0)
    mean = rate * one_less / np.maximum(at_least, 1e-300)
    # So far out in the tail that nothing more is expected.
    return np.where(at_least > 1e-12, np.maximum(mean, least), least)


class Sums:
    """Sums over groups of products, by location and day."""

    def __init__(self, groups: Array) -> None:
        """Take the number of the group of each product."""
        from scipy.sparse import csr_matrix

        self.groups = groups
        shape = (int(groups.max()) + 1, len(groups))
        ones = np.ones(len(groups), np.float32)
        self._members = csr_matrix((ones, (groups, np.arange(len(groups)))), shape)

    def of(self, values: Array) -> Array:
        """Return the sums, shape (groups, locations, days)."""
        flat = np.ascontiguousarray(values, np.float32).reshape(len(values), -1)
        return (self._members @ flat).reshape(-1, *values.shape[1:])


def grouped(values: Array, axis: int, groups: Array) -> Array:
    """Return values with sums over groups in place of an axis."""
    return np.moveaxis(Sums(groups).of(np.moveaxis(values, axis, 0)), 0, axis)


class Rates:
    """Demand by day as constant of a position x factor of its category's week x that of the day.

    Factors are of each type of location.
    """

    def __init__(self, seen: Seen) -> None:
        """Take what is sold on days that end with stock for a first guess."""
        self._categories = Sums(seen.category())
        self._types = seen.location_type()
        self._weeks = seen.week_numbers()
        self._ranged = seen.ranged.astype(np.float32)
        shape = (self._types.max() + 1, seen.days)
        self.of_day = np.ones(shape, np.float32)
        self.of_week = np.ones((self._categories.groups.max() + 1, *shape), np.float32)
        self.constant = np.ones(seen.units.shape[:2], np.float32)
        exact = seen.ranged & ~seen.is_stockout
        self._fit_constant(np.where(exact, seen.units, 0).sum(2), exact.sum(2))

    def index(self) -> Array:
        """Return the two factors by category, location and day."""
        return (self.of_week * self.of_day)[:, self._types]

    def daily(self) -> Array:
        """Return the demand that is expected of ranged days."""
        index = self.index()[self._categories.groups]
        index *= self.constant[:, :, None]
        index *= self._ranged
        return index

    def fit(self, demand: Array) -> None:
        """Fit the factors, and then the constants, to the demand of ranged days."""
        expected = grouped(self._categories.of(self.daily()), 1, self._types)
        wanted = grouped(self._categories.of(demand), 1, self._types)
        ratio = wanted.sum(0) / np.maximum(expected.sum(0), 1e-9)
        self.of_day *= np.where(expected.sum(0) > 0, ratio, 1)
        expected *= np.where(expected.sum(0) > 0, ratio, 1)
        wanted, expected = (grouped(each, 2, self._weeks) for each in (wanted, expected))
        ratio = (wanted + WEEK_PRIOR) / (expected + WEEK_PRIOR)
        self.of_week *= ratio[:, :, self._weeks]
        index = self.index()
        exposure = np.einsum("pld,pld->pl", self._ranged, index[self._categories.groups])
        self._fit_constant(demand.sum(2, dtype=np.float64), exposure)

    def _fit_constant(self, units: Array, exposure: Array) -> None:
        """Fit the constants; a unit's worth is what the product sells elsewhere."""
        groups = self._categories.groups
        of_category = self._categories.of(units), self._categories.of(exposure)
        usual = of_category[0] / np.maximum(of_category[1], 1e-9)
        expected = (usual[groups] * exposure).sum(1)
        level = (units.sum(1) + POSITION_PRIOR) / (expected + POSITION_PRIOR)
        mean = np.maximum(level[:, None] * usual[groups], 1e-6)
        fitted = (units + POSITION_PRIOR) / (exposure + POSITION_PRIOR / mean)
        self.constant = fitted.astype(np.float32)


@dataclass
class Fit:
    """Demand by day that a fit of censored sales finds.

    Attributes:
        daily: first choices on ranged days.
        steps: steps that the fit took.
        theta: share of what is missing that is taken from the section; 0 where none is assumed.
    """

    daily: Array
    steps: int
    theta: float


def inflow(missing: Array, rate: Array, receives: Array, circles: list[Sums]) -> Array:
    """Return the units that come to products with stock if all that is missing elsewhere does.

    Of what is missing of a product each in the section that receives gets a part in proportion
    to its rate and likeness; all of shape (products, locations, days).
    """
    weights = (1.0, SAME_BRAND - 1.0, SAME_STYLE - SAME_BRAND)
    offered = rate * receives
    total = np.zeros_like(rate)
    for weight, circle in zip(weights, circles, strict=True):
        total += weight * circle.of(offered)[circle.groups]
    each = np.divide(missing, total, out=np.zeros_like(rate), where=total > 0)
    total[:] = 0
    for weight, circle in zip(weights, circles, strict=True):
        total += weight * circle.of(each)[circle.groups]
    return total * offered


def next_theta(theta: float, units: Array, rate: Array, shifted: Array) -> float:
    """Return a share nearer to the likeliest one, by a step of scoring."""
    at = shifted > 0
    if not at.any():
        return theta
    came, mean = shifted[at].astype(np.float64), (rate[at] + theta * shifted[at]).astype(np.float64)
    score = np.sum(came * (units[at] - mean) / mean)
    return float(np.clip(theta + score / np.sum(came * came / mean), 0.0, 1.0))


def fit_censored(seen: Seen, substitution: bool, theta: float | None = None) -> Fit:
    """Fit rates by EM; sales of days that end empty are lower bounds of demand.

    Args:
        seen: what an analyst sees.
        substitution: whether what is missing of a product comes to others of its section.
        theta: the share that does, if it is known; otherwise it is estimated.
    """
    rates = Rates(seen)
    circles = [Sums(groups) for groups in seen.circles()] if substitution else []
    share = (FIRST_THETA if theta is None else theta) if substitution else 0.0
    censored = seen.ranged & seen.is_stockout
    receives = seen.ranged & ~seen.is_stockout
    sold = np.where(seen.ranged, seen.units, 0).astype(np.float32)
    bounds = seen.units[censored].astype(np.float64)
    before, steps = 0.0, 0
    for step in range(MOST_STEPS):
        steps = step + 1
        rate = rates.daily()
        demand = sold.copy()
        expected = expected_above(rate[censored].astype(np.float64), bounds)
        demand[censored] = expected
        if substitution:
            missing = np.zeros_like(rate)
            missing[censored] = expected - bounds
            shifted = inflow(missing, rate, receives, circles)
            if theta is None:
                share = next_theta(share, sold, rate, shifted)
            mean = rate + share * shifted
            # Of a Poisson sum each part has its share.
            np.multiply(demand, rate / np.maximum(mean, 1e-30), out=demand, where=shifted > 0)
        rates.fit(demand)
        total = float(demand.sum(dtype=np.float64))
        if abs(total - before) <= TOLERANCE * total:
            break
        before = total
    return Fit(demand, steps, share)


def index_of_sales(seen: Seen) -> Array:
    """Return sales of a category by ranged day and type of location, shape (products, l, d)."""
    categories, types = Sums(seen.category()), seen.location_type()
    sold = categories.of(np.where(seen.ranged, seen.units, 0))
    ranged = categories.of(seen.ranged)
    weeks = seen.week_numbers()
    sums = [grouped(grouped(each, 1, types), 2, weeks) for each in (sold, ranged)]
    index = sums[0] / np.maximum(sums[1], 1)
    of_days: Array = index[:, types][:, :, weeks][categories.groups].astype(np.float32)
    return of_days


def past_sales(seen: Seen) -> Array:
    """Return what the past says of each week: the same week of last year, if the window holds it.

    Otherwise the four weeks before, scaled by the seasonal index of the category; where there are
    fewer days before, those, and where there is none, the index itself.
    """
    index = index_of_sales(seen)
    index *= seen.ranged
    sold = np.where(seen.ranged, seen.units, 0)
    by_week = seen.by_week(index)
    has_a_year = len(seen.weeks()) > LEAST_WEEKS_OF_A_YEAR
    found = np.zeros(by_week.shape)
    for number, day in enumerate(seen.weeks()):
        if has_a_year and day >= DAYS_A_YEAR:
            last_year = slice(day - DAYS_A_YEAR, day - DAYS_A_YEAR + DAYS_A_WEEK)
            found[:, :, number] = sold[:, :, last_year].sum(2)
            continue
        before = slice(max(0, day - WEEKS_BEFORE * DAYS_A_WEEK), day)
        usual = index[:, :, before].sum(2, dtype=np.float64)
        level = sold[:, :, before].sum(2) / np.where(usual > 0, usual, 1)
        found[:, :, number] = by_week[:, :, number] * np.where(usual > 0, level, 1)
    not_ranged: Array = seen.by_week(np.where(seen.ranged, 0, seen.units))
    return found + not_ranged


def frame_of(seen: Seen) -> Any:
    """Return a data frame with a row for each ranged product, location and day."""
    import pandas as pd

    product, location, day = np.nonzero(seen.ranged)
    dates = (seen.first_day + day).astype("datetime64[D]").astype("datetime64[s]")
    columns = {
        "product_key": seen.products["product_key"][product],
        "location_key": seen.locations["location_key"][location],
        "date": dates,
        "units_sold": seen.units[seen.ranged],
        "is_stockout": seen.is_stockout[seen.ranged],
        "quantity_available": seen.available[seen.ranged],
        "opening_available": seen.opening()[seen.ranged],
    }
    for name in ("category_level_2", "gender", "brand", "style_id", "size_ladder", "size_order"):
        columns[name] = pd.Categorical(seen.products[name])[product]
    columns["location_type"] = pd.Categorical(seen.locations["location_type"])[location]
    return pd.DataFrame(columns)


def by_frame(estimate: Callable[[Any], Any]) -> Callable[[Seen], Array]:
    """Return a method from a function of a frame, which returns demand row by row."""

    def method(seen: Seen) -> Array:
        rows = np.asarray(estimate(frame_of(seen)), np.float64)
        if rows.shape != (int(seen.ranged.sum()),):
            raise ValueError(f"{rows.shape} estimates of {int(seen.ranged.sum())} rows")
        daily = np.zeros(seen.units.shape)
        daily[seen.ranged] = rows
        return in_place_of_ranged(seen, daily)

    return method


def bias(truth: Array, estimate: Array) -> float:
    """Return by what share estimates are above the truth in sum."""
    total = float(np.sum(truth, dtype=np.float64))
    return float(np.sum(estimate, dtype=np.float64)) / total - 1 if total else float("nan")
