"""How often customers of the tables buy again: see learnability.py."""

from pathlib import Path
from typing import Any

import numpy as np
from learnability_metrics import bg_nbd
from learnability_panel import DAYS_A_WEEK, days_of, hashed, read_arrays, read_columns

Array = Any
# More are sampled by a hash.
CUSTOMERS = 50_000


def purchase_days(schema: Path) -> tuple[Array, Array, int]:
    """Return customers and days of purchases, once for each pair, in order, and the last day.

    A customer is a customer_id, whatever the version; who has none, or a key below 1, is nobody
    known and left out.
    """
    known = read_arrays(schema, "gold_customer_dim", ["customer_key", "customer_id"])
    order = np.argsort(known["customer_key"])
    keys = known["customer_key"][order]
    _, numbers = np.unique(known["customer_id"][order].astype(str), return_inverse=True)
    pairs = []
    columns = ["customer_key", "date_key", "is_return"]
    for part in read_columns(schema, "gold_sales_fact", columns):
        key, date, is_return = (part[name].to_numpy() for name in columns)
        bought = ~is_return.astype(bool) & (key > 0)
        at = np.minimum(np.searchsorted(keys, key[bought]), len(keys) - 1)
        has = keys[at] == key[bought]
        days = days_of(date[bought])[has]
        pairs.append(np.unique(numbers[at[has]] * 100_000 + days))
    unique = np.unique(np.concatenate(pairs))
    customers, days = unique // 100_000, unique % 100_000
    kept = hashed(customers) < CUSTOMERS / max(len(np.unique(customers)), 1)
    return customers[kept], days[kept], int(days.max())


def repeat_purchases(schema: Path) -> dict[str, float]:
    """Return the BG/NBD fit of days with a purchase, in weeks, and the share that buys again.

    Every customer counts from the first purchase that the tables hold.
    """
    customers, days, last_day = purchase_days(schema)
    _, first, counts = np.unique(customers, return_index=True, return_counts=True)
    begun, ended = days[first], days[first + counts - 1]
    fitted = bg_nbd(counts - 1, (ended - begun) / DAYS_A_WEEK, (last_day - begun) / DAYS_A_WEEK)
    return {
        "customers": len(counts),
        "repeat_share": float((counts > 1).mean()),
        "days_with_a_purchase": float(counts.mean()),
        **fitted,
    }
