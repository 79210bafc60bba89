"""Abandonment of carts with and without a trigger, and its statistics."""

from collections import defaultdict
from statistics import NormalDist

import plotly.graph_objects as go

from report.figures.style import DEMAND, PLAIN, TRIGGERED, base
from report.rows import Row

# Two-sided 95% of the normal distribution.
Z95 = NormalDist().inv_cdf(0.975)


def abandonment(segments: list[Row], increase: float) -> go.Figure | None:
    """Draw each segment's abandonment rate with and without a trigger, and the difference.

    Args:
        segments: rows of report_abandonment.
        increase: what a trigger adds to the rate, as built.
    """
    pairs = compared_segments(segments)
    if not pairs:
        return None
    figure = base(
        130 + 44 * len(pairs),
        1,
        cols=2,
        shared_yaxes=True,
        column_widths=[0.62, 0.38],
        horizontal_spacing=0.05,
    )
    add_rates(figure, pairs, "plain", "stock not low", PLAIN)
    add_rates(figure, pairs, "triggered", "stock low or capacity exceeded (triggered)", TRIGGERED)
    add_rises(figure, pairs, increase)
    figure.update_layout(margin={"l": 84, "t": 58})
    figure.update_xaxes(title_text="share of carts abandoned", tickformat=".0%", row=1, col=1)
    figure.update_xaxes(title_text="percentage points more when triggered", row=1, col=2)
    return figure


def add_rates(figure: go.Figure, pairs: list[Row], key: str, name: str, colour: str) -> None:
    """Add the rates of one kind, `plain` or `triggered`, with their intervals to the left plot."""
    rates = [pair[key] for pair in pairs]
    figure.add_scatter(
        x=[rate["rate"] for rate in rates],
        y=[pair["segment"] for pair in pairs],
        customdata=[
            [rate["abandoned"], rate["carts"], rate["low"], rate["high"]] for rate in rates
        ],
        error_x=asymmetric([(r["rate"], r["low"], r["high"]) for r in rates], colour),
        mode="markers",
        name=name,
        marker={"color": colour, "size": 10},
        hovertemplate=(
            "%{y}: %{x:.1%} abandoned (95%: %{customdata[2]:.1%} to %{customdata[3]:.1%})"
            "<br>%{customdata[0]:,} of %{customdata[1]:,} carts<extra></extra>"
        ),
        row=1,
        col=1,
    )


def add_rises(figure: go.Figure, pairs: list[Row], increase: float) -> None:
    """Add the rises with their intervals to the right plot, and a line where they were set."""
    rises = [
        (100 * pair["rise"], 100 * pair["rise_low"], 100 * pair["rise_high"]) for pair in pairs
    ]
    figure.add_scatter(
        x=[rise for rise, _, _ in rises],
        y=[pair["segment"] for pair in pairs],
        customdata=[bounds for _, *bounds in rises],
        error_x=asymmetric(rises, TRIGGERED),
        mode="markers",
        showlegend=False,
        marker={"color": TRIGGERED, "size": 10, "symbol": "diamond"},
        hovertemplate=(
            "%{y}: %{x:.1f} points more (95%: %{customdata[0]:.1f} to %{customdata[1]:.1f})"
            "<extra></extra>"
        ),
        row=1,
        col=2,
    )
    figure.add_vline(
        x=100 * increase, line={"color": DEMAND, "width": 1.5, "dash": "dash"}, row=1, col=2
    )
    figure.add_annotation(
        x=100 * increase,
        y=1,
        yref="y2 domain",
        yanchor="bottom",
        text=f"as set: +{100 * increase:g} points",
        showarrow=False,
        row=1,
        col=2,
    )


def compared_segments(segments: list[Row]) -> list[Row]:
    """Return rates, rise and 95% intervals of the segments that have carts of both kinds."""
    counts: dict[str, dict[bool, Row]] = defaultdict(dict)
    for row in segments:
        counts[row["segment"]][row["is_triggered"]] = row
    pairs = []
    for segment, kinds in sorted(counts.items(), reverse=True):
        if len(kinds) < 2:
            continue
        plain, triggered = (
            wilson(kinds[kind]["abandoned_carts"], kinds[kind]["carts"]) for kind in (False, True)
        )
        rise = triggered["rate"] - plain["rate"]
        # Newcombe's interval of a difference, from those of the two rates (1998, method 10).
        below = (triggered["rate"] - triggered["low"]) ** 2 + (plain["high"] - plain["rate"]) ** 2
        above = (triggered["high"] - triggered["rate"]) ** 2 + (plain["rate"] - plain["low"]) ** 2
        pairs.append(
            {
                "segment": segment,
                "plain": plain,
                "triggered": triggered,
                "rise": rise,
                "rise_low": rise - below**0.5,
                "rise_high": rise + above**0.5,
            }
        )
    return pairs


def wilson(successes: int, trials: int) -> Row:
    """Return a share with its 95% interval (Wilson score)."""
    rate = successes / trials
    spread = Z95**2 / trials
    middle = (rate + spread / 2) / (1 + spread)
    reach = Z95 * (rate * (1 - rate) / trials + spread / (4 * trials)) ** 0.5 / (1 + spread)
    bounds = {"low": middle - reach, "high": middle + reach}
    return {"rate": rate, "abandoned": successes, "carts": trials, **bounds}


def asymmetric(intervals: list[tuple[float, float, float]], colour: str) -> Row:
    """Return plotly's error bars of (value, low, high)."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, _, high in intervals],
        "arrayminus": [value - low for value, low, _ in intervals],
        "color": colour,
        "thickness": 2,
        "width": 5,
    }
