"""Measures of what can be learned, as pure functions on arrays: see learnability.py."""

from typing import Any

import numpy as np

Array = Any


def wape(actual: Array, forecast: Array) -> float:
    """Return the weighted absolute percentage error: sum |actual - forecast| / sum actual.

    NaN where nothing was sold.
    """
    total = float(np.sum(actual, dtype=np.float64))
    error = float(np.sum(np.abs(np.asarray(actual, np.float64) - forecast), dtype=np.float64))
    return error / total if total else float("nan")


def tsb(units: Array, alpha: float = 0.1, beta: float = 0.1) -> Array:
    """Return the forecast of intermittent demand after the last period (Teunter, Syntetos, Babai).

    European Journal of Operational Research 214 (2011). The size of a sale is smoothed with `alpha`
    where there is one, the probability of a sale with `beta` in each period; the forecast is their
    product. Both start with their mean over the periods.

    Args:
        units: units of each series and period, shape (..., periods).
        alpha: weight of the newest size.
        beta: weight of the newest period in the probability.

    Returns:
        Units a period, shape (...).
    """
    units = np.asarray(units, np.float64)
    sells = units > 0
    probability = sells.mean(axis=-1)
    size = units.sum(axis=-1) / np.maximum(sells.sum(axis=-1), 1)
    for period in range(units.shape[-1]):
        sold = sells[..., period]
        probability = probability + beta * (sold - probability)
        size = np.where(sold, size + alpha * (units[..., period] - size), size)
    return probability * size


def auc(is_case: Array, score: Array) -> float:
    """Return the chance that a case has a higher score than another row, ties counted half.

    NaN without cases, or with nothing else.
    """
    is_case = np.asarray(is_case, bool)
    _, places, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    cases = int(is_case.sum())
    others = is_case.size - cases
    if not cases or not others:
        return float("nan")
    return float((ranks[places][is_case].sum() - cases * (cases + 1) / 2) / cases / others)


def bg_nbd(purchases: Array, recency: Array, age: Array) -> dict[str, float]:
    """Fit the BG/NBD model of repeat purchases by maximum likelihood.

    Fader, Hardie and Lee, Marketing Science 24 (2005), equation 6. Customers buy at a rate that is
    gamma (r, alpha) among them, and after each purchase stop for ever with a probability that is
    beta (a, b) among them.

    Args:
        purchases: repeat purchases of each customer, shape (customers,).
        recency: time from the first purchase to the last one.
        age: time from the first purchase to the end of the observations.

    Returns:
        r, alpha (in the unit of time), a and b.
    """
    from scipy.optimize import minimize
    from scipy.special import betaln, gammaln

    rows, counts = np.unique(
        np.column_stack([purchases, recency, age]).astype(np.float64), axis=0, return_counts=True
    )
    x, last, until = rows.T

    def minus_log_likelihood(logs: Array) -> float:
        r, alpha, a, b = np.exp(logs)
        first = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        active = betaln(a, b + x) - betaln(a, b) - (r + x) * np.log(alpha + until)
        again = x > 0
        gone = np.full(len(x), -np.inf)
        gone[again] = (
            betaln(a + 1, b + x[again] - 1)
            - betaln(a, b)
            - (r + x[again]) * np.log(alpha + last[again])
        )
        return -float(np.sum(counts * (first + np.logaddexp(active, gone)))) / counts.sum()

    found = minimize(
        minus_log_likelihood,
        np.log([0.5, max(float(np.mean(until)), 1e-3), 0.5, 2.0]),
        method="L-BFGS-B",
        bounds=[(-9, 9)] * 4,
    )
    return dict(zip(("r", "alpha", "a", "b"), (float(v) for v in np.exp(found.x)), strict=True))
