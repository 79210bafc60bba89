"""What an analyst sees of sales and stock, and beside it the truth: see demand_recovery.py."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from learnability_panel import (
    DAYS_A_WEEK,
    codes,
    days_of,
    hashed,
    read_arrays,
    read_columns,
)

Array = Any
# Products, locations and days together: more locations than this holds are sampled by a hash.
CELLS = 20_000_000
PRODUCT_COLUMNS = [
    *("product_key", "launch_date", "end_of_life_date", "brand", "style_id", "gender"),
    *("category_level_2", "size_ladder", "size_order"),
]
LOCATION_COLUMNS = ["location_key", "location_type"]
KEYS = ["product_key", "location_key", "date_key"]
# Products of one section come in question for each other: one kind of thing in one size.
SECTION = ("category_level_2", "gender", "size_ladder", "size_order")


@dataclass
class Seen:
    """Sales and stock by product, location and day; nothing of first choices or lost sales.

    Attributes:
        products: columns of gold_product_dim, in the order of their keys.
        locations: columns of gold_location_dim of the locations kept, in the order of their keys.
        first_day: days since 1970 of the first day.
        units: units sold, whatever for, shape (products, locations, days).
        available: units free to sell at the end of the day, -1 where the inventory has no row.
        is_stockout: whether the inventory calls the day a stockout.
        ranged: whether the inventory has a row and the product is on sale.
        share_kept: share of the locations that are kept.
    """

    products: dict[str, Array]
    locations: dict[str, Array]
    first_day: int
    units: Array
    available: Array
    is_stockout: Array
    ranged: Array
    share_kept: float = 1.0

    @property
    def days(self) -> int:
        """Number of days."""
        return int(self.units.shape[2])

    def weeks(self) -> Array:
        """Return the days, from 0, on which whole weeks begin; weeks begin on Mondays."""
        # 1970-01-01 was a Thursday.
        first_monday = -(self.first_day + 3) % DAYS_A_WEEK
        return np.arange(first_monday, self.days - DAYS_A_WEEK + 1, DAYS_A_WEEK)

    def week_numbers(self) -> Array:
        """Return the week of each day, from 0 on, those cut off by the window among them."""
        first = (self.first_day + 3) // DAYS_A_WEEK
        return (self.first_day + np.arange(self.days) + 3) // DAYS_A_WEEK - first

    def opening(self) -> Array:
        """Return what was available on the evening before; on the first day that of the day."""
        return np.concatenate([self.available[:, :, :1], self.available[:, :, :-1]], axis=2)

    def category(self) -> Array:
        """Return the number of the second-level category of each product."""
        return codes(self.products["category_level_2"])

    def location_type(self) -> Array:
        """Return the number of the type of each location."""
        return codes(self.locations["location_type"])

    def circles(self) -> list[Array]:
        """Return three numbers of each product, of ever narrower circles of substitutes.

        Those of its section, of its brand in it, and of its style in it.
        """
        texts = np.array(["|".join(map(str, row)) for row in zip(*self._section(), strict=True)])
        brand = np.char.add(np.char.add(texts, "|"), self.products["brand"].astype(str))
        style = np.char.add(np.char.add(brand, "|"), self.products["style_id"].astype(str))
        return [codes(texts), codes(brand), codes(style)]

    def _section(self) -> list[Array]:
        return [self.products[name] for name in SECTION]

    def by_week(self, daily: Array) -> Array:
        """Return sums by whole week of a figure by day, shape (products, locations, weeks)."""
        weeks = self.weeks()
        if not len(weeks):
            return np.zeros((*daily.shape[:2], 0))
        whole = daily[:, :, weeks[0] : weeks[-1] + DAYS_A_WEEK]
        return whole.reshape(*daily.shape[:2], len(weeks), DAYS_A_WEEK).sum(3, dtype=np.float64)


@dataclass
class Truth:
    """What was wanted, for judging alone; all of shape (products, locations, days).

    Attributes:
        wanted: units of first choices.
        sold_first: units of these that were sold at once.
        demand_class: class of demand of each position, "" of none, (products, locations).
    """

    wanted: Array
    sold_first: Array
    demand_class: Array


def places(keys: Array, values: Array) -> Array:
    """Return the place of each value among sorted keys, -1 where it is not one of them."""
    at = np.minimum(np.searchsorted(keys, values), len(keys) - 1)
    return np.where(keys[at] == values, at, -1)


def _ordered(rows: dict[str, Array], key: str) -> dict[str, Array]:
    order = np.argsort(rows[key], kind="stable")
    return {name: column[order] for name, column in rows.items()}


def _window(schema: Path) -> tuple[int, int]:
    """Return the first day of the inventory and the number of days."""
    dates = np.unique(
        np.concatenate(
            [
                np.unique(part["date_key"].to_numpy())
                for part in read_columns(schema, "gold_inventory_fact", ["date_key"])
            ]
        )
    )
    first, last = days_of(dates[[0, -1]])
    return int(first), int(last - first + 1)


def _cells(seen: Seen, part: Any) -> tuple[Array, Array]:
    """Return the places of rows in a flat array, and which of the rows have one."""
    product = places(seen.products["product_key"], part["product_key"].to_numpy())
    location = places(seen.locations["location_key"], part["location_key"].to_numpy())
    day = days_of(part["date_key"].to_numpy()) - seen.first_day
    has = (product >= 0) & (location >= 0) & (day >= 0) & (day < seen.days)
    cells = (product * len(seen.locations["location_key"]) + location) * seen.days + day
    return cells[has], has


def load(schema: Path) -> Seen:
    """Read what an analyst sees.

    Raises:
        MissingTableError: a table has not been built.
    """
    products = _ordered(read_arrays(schema, "gold_product_dim", PRODUCT_COLUMNS), "product_key")
    locations = _ordered(read_arrays(schema, "gold_location_dim", LOCATION_COLUMNS), "location_key")
    first_day, days = _window(schema)
    # Never products, for their substitutes would be missing.
    draw = hashed(locations["location_key"])
    fit = max(1, CELLS // (len(products["product_key"]) * days))
    kept = draw <= np.sort(draw)[min(fit, len(draw)) - 1]
    locations = {name: column[kept] for name, column in locations.items()}
    shape = (len(products["product_key"]), len(locations["location_key"]), days)
    seen = Seen(
        products=products,
        locations=locations,
        first_day=first_day,
        units=np.zeros(shape, np.int16),
        available=np.full(shape, -1, np.int16),
        is_stockout=np.zeros(shape, bool),
        ranged=np.zeros(shape, bool),
        share_kept=float(kept.mean()),
    )
    most = np.iinfo(np.int16).max
    for part in read_columns(
        schema, "gold_inventory_fact", [*KEYS, "quantity_available", "is_stockout"]
    ):
        cells, has = _cells(seen, part)
        available = np.minimum(part["quantity_available"].to_numpy()[has], most)
        seen.available.reshape(-1)[cells] = available
        seen.is_stockout.reshape(-1)[cells] = part["is_stockout"].to_numpy()[has]
    for part in read_columns(schema, "gold_sales_fact", [*KEYS, "quantity_sold", "is_return"]):
        sales = part.filter(np.logical_not(part["is_return"].to_numpy()))
        cells, has = _cells(seen, sales)
        sold = sales["quantity_sold"].to_numpy()[has].astype(np.int16)
        np.add.at(seen.units.reshape(-1), cells, sold)
    day = first_day + np.arange(days)
    ends = np.nan_to_num(days_of(products["end_of_life_date"]), nan=np.inf)
    on_sale = (day >= days_of(products["launch_date"])[:, None]) & (day <= ends[:, None])
    seen.ranged[:] = (seen.available >= 0) & on_sale[:, None, :]
    return seen


def load_truth(schema: Path, seen: Seen) -> Truth:
    """Read what was wanted.

    Raises:
        MissingTableError: a table has not been built.
    """
    truth = Truth(
        wanted=np.zeros(seen.units.shape, np.int16),
        sold_first=np.zeros(seen.units.shape, np.int16),
        demand_class=np.full(seen.units.shape[:2], "", "U12"),
    )
    columns = [*KEYS, "quantity_wanted", "quantity_sold_first"]
    for part in read_columns(schema, "gold_demand_truth", columns):
        cells, has = _cells(seen, part)
        truth.wanted.reshape(-1)[cells] = part["quantity_wanted"].to_numpy()[has]
        truth.sold_first.reshape(-1)[cells] = part["quantity_sold_first"].to_numpy()[has]
    series = read_arrays(schema, "int_demand_series", [*KEYS[:2], "demand_class"])
    product = places(seen.products["product_key"], series["product_key"])
    location = places(seen.locations["location_key"], series["location_key"])
    has = (product >= 0) & (location >= 0)
    truth.demand_class[product[has], location[has]] = series["demand_class"][has].astype(str)
    return truth
