"""Tables of the local target as arrays by product, location and day: see learnability.py."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

# Else threads of scikit-learn spin while they wait: minutes more where cores are busy.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

Array = Any
# Products, locations and days together: more products than this holds are sampled by a hash.
CELLS = 12_000_000
DAYS_A_WEEK = 7


class MissingTableError(Exception):
    """A table that is asked for has not been built."""


def read_columns(schema: Path, table: str, columns: list[str]) -> "Iterator[pa.Table]":
    """Yield columns of a table file by file, so that one file is in memory.

    Raises:
        MissingTableError: there is no such table.
    """
    from deltalake import DeltaTable
    from pyarrow import parquet

    if not DeltaTable.is_deltatable(str(schema / table)):
        raise MissingTableError(table)
    for file in sorted(DeltaTable(str(schema / table)).file_uris()):
        yield parquet.read_table(unquote(file), columns=columns)


def read_arrays(schema: Path, table: str, columns: list[str]) -> dict[str, Array]:
    """Return columns of a table as arrays in the order of its files; texts and dates as objects."""
    import pyarrow as pa

    whole = pa.concat_tables(read_columns(schema, table, columns))
    return {name: whole[name].to_numpy() for name in columns}


def codes(values: Array) -> Array:
    """Return the number of each value among the sorted ones, from 0; None counts as a text."""
    return np.unique([str(value) for value in values], return_inverse=True)[1]


def days_of(values: Array) -> Array:
    """Return dates, or date keys such as 20251231, as days since 1970; NaN for no date."""
    values = np.asarray(values)
    if values.dtype.kind not in "iu":
        dates = values.astype("datetime64[D]")
        return np.where(np.isnat(dates), np.nan, dates.astype(np.int64).astype(np.float64))
    unique, places = np.unique(values, return_inverse=True)
    texts = [f"{key // 10000:04}-{key // 100 % 100:02}-{key % 100:02}" for key in unique]
    return np.array(texts, "datetime64[D]").astype(np.int64)[places]


@dataclass
class Panel:
    """Units, stock and prices by product, location and day, with what is known of each.

    Attributes:
        products: columns of gold_product_dim of the products kept, in the order of their keys.
        locations: columns of gold_location_dim, in the order of their keys.
        calendar: columns of gold_date_dim from the first day to a year after it.
        first_day: days since 1970 of the first day with sales.
        units: units sold, shape (products, locations, days).
        available: units free to sell at the end of the day, -1 before the first delivery.
        inbound: units in transit at the end of the day.
        discount: planned share taken off the list price, shape (products, 2, days of the calendar);
            the kinds are stores and digital channels.
        paid: paid share of the list price of what was sold, NaN of nothing, (products, days).
        share_kept: share of the products that are kept.
    """

    products: dict[str, Array]
    locations: dict[str, Array]
    calendar: dict[str, Array]
    first_day: int
    units: Array
    available: Array
    inbound: Array
    discount: Array
    paid: Array
    share_kept: float

    @property
    def days(self) -> int:
        """Number of days with sales."""
        return int(self.units.shape[2])

    def on_sale(self) -> Array:
        """Return whether a product is on sale, shape (products, days)."""
        day = self.first_day + np.arange(self.days)
        ends = np.nan_to_num(self.products["last_day"], nan=np.inf)
        return (day >= self.products["launch_day"][:, None]) & (day <= ends[:, None])

    def weeks(self) -> Array:
        """Return the days, from 0, on which the whole weeks begin; weeks begin on Mondays."""
        # 1970-01-01 was a Thursday.
        first_monday = -(self.first_day + 3) % DAYS_A_WEEK
        return np.arange(first_monday, self.days - DAYS_A_WEEK + 1, DAYS_A_WEEK)


PRODUCT_COLUMNS = [
    *("product_key", "launch_date", "end_of_life_date", "base_price", "price_tier", "brand"),
    *("category_level_1", "category_level_2", "category_level_3", "season_profile", "season_code"),
]
LOCATION_COLUMNS = [
    *("location_key", "location_type", "store_format", "region", "state", "channel"),
    *("selling_sqft", "latitude"),
]
CALENDAR_COLUMNS = ["date_key", "is_holiday", "is_peak_season", "is_sale_period"]
SALES_COLUMNS = [
    *("product_key", "location_key", "date_key", "quantity_sold", "is_return"),
    *("unit_price", "discount_amount"),
]
STOCK_COLUMNS = [
    *("product_key", "location_key", "date_key", "quantity_available", "quantity_in_transit"),
]
PROMOTION_COLUMNS = ["product_key", "price_zone", "date_key", "discount_cents"]


def _ordered(rows: dict[str, Array], key: str) -> dict[str, Array]:
    order = np.argsort(rows[key], kind="stable")
    return {name: column[order] for name, column in rows.items()}


def _places(keys: Array, values: Array) -> Array:
    """Return the place of each value among sorted keys, -1 where it is not one of them."""
    at = np.minimum(np.searchsorted(keys, values), len(keys) - 1)
    return np.where(keys[at] == values, at, -1)


def hashed(*keys: Array) -> Array:
    """Return a share in [0, 1) that depends on keys alone, to sample by."""
    mixed = np.zeros(np.broadcast_shapes(*(np.shape(key) for key in keys)), np.uint64)
    for key in keys:
        mixed = (mixed ^ np.asarray(key).astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(32)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53


def load(schema: Path) -> Panel:
    """Read the tables of a schema.

    Raises:
        MissingTableError: a table has not been built.
    """
    products = _ordered(read_arrays(schema, "gold_product_dim", PRODUCT_COLUMNS), "product_key")
    locations = _ordered(read_arrays(schema, "gold_location_dim", LOCATION_COLUMNS), "location_key")
    calendar = _ordered(read_arrays(schema, "gold_date_dim", CALENDAR_COLUMNS), "date_key")
    dates = np.concatenate(
        [
            np.unique(part["date_key"])
            for part in read_columns(schema, "gold_sales_fact", ["date_key"])
        ]
    )
    first_day, last_day = days_of(np.array([dates.min(), dates.max()]))
    days = int(last_day - first_day + 1)
    share_kept = min(
        1.0, CELLS / (len(products["product_key"]) * len(locations["location_key"]) * days)
    )
    kept = hashed(products["product_key"]) < share_kept
    products = {name: column[kept] for name, column in products.items()}
    products["launch_day"] = days_of(products["launch_date"])
    products["last_day"] = days_of(products["end_of_life_date"])
    calendar = {
        name: column[days_of(calendar["date_key"]) >= first_day]
        for name, column in calendar.items()
    }
    shape = (len(products["product_key"]), len(locations["location_key"]), days)
    panel = Panel(
        products=products,
        locations=locations,
        calendar=calendar,
        first_day=int(first_day),
        units=np.zeros(shape, np.int16),
        available=np.full(shape, -1, np.int16),
        inbound=np.zeros(shape, np.int16),
        discount=np.zeros((shape[0], 2, len(calendar["date_key"])), np.float32),
        paid=np.zeros((shape[0], days)),
        share_kept=float(share_kept),
    )
    _fill_sales(panel, schema)
    _fill_stock(panel, schema)
    _fill_promotions(panel, schema)
    return panel


def _cells(panel: Panel, part: dict[str, Array]) -> tuple[Array, Array]:
    """Return the places of rows in an array of the panel, and which of the rows have one."""
    product = _places(panel.products["product_key"], part["product_key"])
    location = _places(panel.locations["location_key"], part["location_key"])
    day = days_of(part["date_key"]) - panel.first_day
    has = (product >= 0) & (location >= 0) & (day >= 0) & (day < panel.days)
    cells = (product * panel.units.shape[1] + location) * panel.days + day
    return cells[has], has


def _arrays(part: "pa.Table") -> dict[str, Array]:
    return {name: part[name].to_numpy() for name in part.column_names}


def _fill_sales(panel: Panel, schema: Path) -> None:
    paid, listed = np.zeros((2, *panel.paid.shape)).reshape(2, -1)
    for table in read_columns(schema, "gold_sales_fact", SALES_COLUMNS):
        part = _arrays(table)
        part = {name: column[~part["is_return"].astype(bool)] for name, column in part.items()}
        cells, has = _cells(panel, part)
        quantity = part["quantity_sold"][has]
        np.add.at(panel.units.reshape(-1), cells, quantity.astype(np.int16))
        of_day = cells // panel.days // panel.units.shape[1] * panel.days + cells % panel.days
        list_price = panel.products["base_price"][cells // panel.days // panel.units.shape[1]]
        price = part["unit_price"][has] - part["discount_amount"][has]
        paid += np.bincount(of_day, price * quantity, len(paid))
        listed += np.bincount(of_day, list_price * quantity, len(paid))
    with np.errstate(invalid="ignore", divide="ignore"):
        panel.paid[:] = (paid / listed).reshape(panel.paid.shape)


def _fill_stock(panel: Panel, schema: Path) -> None:
    for table in read_columns(schema, "gold_inventory_fact", STOCK_COLUMNS):
        part = _arrays(table)
        cells, has = _cells(panel, part)
        panel.available.reshape(-1)[cells] = part["quantity_available"][has]
        panel.inbound.reshape(-1)[cells] = part["quantity_in_transit"][has]


def _fill_promotions(panel: Panel, schema: Path) -> None:
    for table in read_columns(schema, "int_promotion_days", PROMOTION_COLUMNS):
        part = _arrays(table)
        product = _places(panel.products["product_key"], part["product_key"])
        day = _places(panel.calendar["date_key"], part["date_key"])
        # Standard stores stand for all of them.
        is_digital = part["price_zone"] == "digital"
        has = (product >= 0) & (day >= 0) & (is_digital | (part["price_zone"] == "standard"))
        kind = is_digital.astype(np.int64)
        share = part["discount_cents"][has] / 100 / panel.products["base_price"][product[has]]
        panel.discount[product[has], kind[has], day[has]] = share


def rows_of_days(
    panel: Panel, schema: Path, table: str, columns: tuple[str, ...], days: list[int]
) -> dict[int, dict[str, Array]]:
    """Return columns of a table on some days, each of shape (products, locations), NaN for none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shape = panel.units.shape[:2]
    found = {day: {name: np.full(shape, np.nan, np.float32) for name in columns} for day in days}
    keys = [panel.calendar["date_key"][day] for day in days]
    named = ["product_key", "location_key", "date_key", *columns]
    for part in read_columns(schema, table, named):
        wanted = pc.is_in(part["date_key"], pa.array(keys, part.schema.field("date_key").type))
        arrays = _arrays(part.filter(wanted))
        cells, has = _cells(panel, arrays)
        place, day = cells // panel.days, cells % panel.days
        for each in np.unique(day):
            of_day = day == each
            for name in columns:
                values = arrays[name][has][of_day].astype(np.float32)
                found[int(each)][name].reshape(-1)[place[of_day]] = values
    return found
