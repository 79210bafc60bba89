"""The stock history of one position."""

import plotly.graph_objects as go

from report.figures.days import fit_days, shade
from report.figures.style import LOST, RETURNS, SALES, STOCK, base
from report.rows import Row


def inventory(days: list[Row]) -> go.Figure | None:
    """Draw one position's stock with receipts and stockouts, above its sales, losses and returns.

    Args:
        days: rows of report_inventory of one example, by day.
    """
    if not days:
        return None
    dates = [day["calendar_date"] for day in days]
    figure = base(380, 2, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.07)
    figure.add_scatter(
        x=dates,
        y=[day["quantity_available"] for day in days],
        customdata=[day["quantity_in_transit"] for day in days],
        name="available units",
        line={"color": STOCK, "width": 2, "shape": "hvh"},
        hovertemplate="%{y:,} available, %{customdata:,} on order<extra></extra>",
        row=1,
        col=1,
    )
    receipts = [day for day in days if day["units_received"]]
    figure.add_scatter(
        x=[day["calendar_date"] for day in receipts],
        y=[day["quantity_available"] for day in receipts],
        customdata=[day["units_received"] for day in receipts],
        name="delivery",
        mode="markers",
        marker={"symbol": "triangle-up", "size": 10, "color": STOCK},
        hovertemplate="%{customdata:,} received<extra></extra>",
        row=1,
        col=1,
    )
    for key, name, colour, sign in (
        ("units_sold", "sold", SALES, 1),
        ("units_lost", "lost", LOST, 1),
        ("units_returned", "returned to the shelf", RETURNS, -1),
    ):
        figure.add_bar(
            x=dates,
            y=[sign * day[key] for day in days],
            customdata=[day[key] for day in days],
            name=name,
            marker={"color": colour},
            hovertemplate=f"%{{customdata:,}} {name}<extra></extra>",
            row=2,
            col=1,
        )
    shade(
        figure,
        [day["calendar_date"] for day in days if day["is_stockout"]],
        "rgba(163, 25, 91, 0.16)",
        "nothing available",
    )
    fit_days(figure, dates)
    figure.update_layout(barmode="relative", hovermode="x unified", bargap=0.1)
    figure.update_yaxes(title_text="units", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text="units a day", row=2, col=1)
    return figure
