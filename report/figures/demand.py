"""Demand, sold and lost, by day."""

import plotly.graph_objects as go

from report.figures.days import fit_days, mark_holidays, shade_peak_season
from report.figures.style import DEMAND, LOST, SALES, base
from report.rows import Row, share


def demand(days: list[Row]) -> go.Figure | None:
    """Draw demand split into sold and lost, above the share that is lost."""
    if not any(day["units_requested"] for day in days):
        return None
    dates = [day["calendar_date"] for day in days]
    wanted = [day["units_requested"] for day in days]
    figure = base(460, 2, shared_xaxes=True, row_heights=[0.7, 0.3], vertical_spacing=0.06)
    for key, name, colour in (("units_sold", "sold", SALES), ("units_lost", "lost", LOST)):
        figure.add_bar(
            x=dates,
            y=[day[key] for day in days],
            name=name,
            marker={"color": colour, "line": {"width": 0}},
            hovertemplate=f"%{{y:,}} {name}<extra></extra>",
            row=1,
            col=1,
        )
    figure.add_scatter(
        x=dates,
        y=wanted,
        name="demand",
        mode="lines",
        line={"color": DEMAND, "width": 1.5, "shape": "hvh"},
        hovertemplate="%{y:,} wanted<extra></extra>",
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=dates,
        y=[share(day["units_lost"], day["units_requested"]) for day in days],
        name="lost share",
        showlegend=False,
        mode="lines",
        line={"color": LOST, "width": 2},
        hovertemplate="%{y:.1%} of demand lost<extra></extra>",
        row=2,
        col=1,
    )
    shade_peak_season(figure, days, rows=2)
    mark_holidays(figure, days)
    fit_days(figure, dates)
    figure.update_layout(barmode="stack", hovermode="x unified", bargap=0)
    figure.update_layout(legend={"traceorder": "normal"})
    figure.update_yaxes(title_text="units a day", range=[0, 1.15 * max(wanted)], row=1, col=1)
    figure.update_yaxes(title_text="lost share", tickformat=".0%", rangemode="tozero", row=2, col=1)
    return figure
