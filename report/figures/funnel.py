"""How far the visits to the shop get."""

import plotly.graph_objects as go

from report.figures.style import DEVICES, PLAIN, base
from report.rows import Row

STAGES = (
    ("visits", "visit"),
    ("product_visits", "saw a product"),
    ("cart_visits", "filled a cart"),
    ("checkout_visits", "started checkout"),
    ("order_visits", "ordered"),
)


def funnel(devices: list[Row]) -> go.Figure | None:
    """Draw the share of each device's visits that gets as far as each stage."""
    if not devices:
        return None
    figure = base(380)
    for row in devices:
        counts = [row[key] for key, _ in STAGES]
        figure.add_bar(
            x=[name for _, name in STAGES],
            y=[count / row["visits"] for count in counts],
            customdata=counts,
            name=f"{row['device_type']} ({row['visits']:,} visits)",
            marker={"color": DEVICES.get(row["device_type"], PLAIN)},
            text=[short_percent(count / row["visits"]) for count in counts],
            textposition="outside",
            textfont={"size": 12},
            textangle=0,
            cliponaxis=False,
            hovertemplate="%{y:.2%}: %{customdata:,} visits<extra></extra>",
        )
    figure.update_yaxes(title_text="share of visits", tickformat=".0%", range=[0, 1.08])
    return figure


def short_percent(value: float) -> str:
    """Return a share as a percentage with two digits or three."""
    return f"{100 * value:.{0 if value >= 0.1 else 1}f}%"
