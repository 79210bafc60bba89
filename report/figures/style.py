"""Colours, fonts and the empty figure that every chart of the report starts from.

A colour means the same in every chart, and pairs that meet in one chart stay apart for readers who
see fewer colours.
"""

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from report.rows import Row, share

DEMAND = "#24292f"
SALES = "#0072b2"
LOST = "#d55e00"
STOCK = "#4d7ea8"
STOCKOUT = "#a3195b"
RETURNS = "#009e73"
RETURNS_IN_STORES = "#00543d"
TRIGGERED = "#e69f00"
PLAIN = "#7d8793"
FORECAST = "#7b5ea7"
PEAK_SEASON = "#fbf1dc"
APPENDED = "#dcefe3"
DEVICES = {"desktop": "#20558a", "mobile": "#5b9bd5", "tablet": "#b3cde8"}
GRID = "#e8ebee"
AXIS = "#c5ccd3"
TEXT = "#24292f"
MUTED = "#57606a"

FONT = '-apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif'


def base(height: int, rows: int = 1, **subplots: Any) -> go.Figure:
    """Return an empty figure in the style of the report, `height` pixels high."""
    figure = make_subplots(rows=rows, **subplots)
    figure.update_layout(
        height=height,
        template="none",
        font={"family": FONT, "size": 13, "color": TEXT},
        margin={"l": 64, "r": 16, "t": 40, "b": 48},
        legend={"orientation": "h", "x": 0, "y": 0.995, "yref": "container", "yanchor": "top"},
        hoverlabel={"bgcolor": "white", "font": {"family": FONT, "size": 12}},
        bargap=0.2,
    )
    title = {"font": {"size": 13}, "standoff": 8}
    figure.update_xaxes(gridcolor=GRID, zeroline=False, linecolor=AXIS, title=title)
    figure.update_yaxes(gridcolor=GRID, zeroline=False, linecolor=AXIS, title=title)
    return figure


def add_share_bars(
    figure: go.Figure,
    names: list[str],
    rows: list[Row],
    columns: tuple[str, str],
    name: str,
    colour: str,
    hover: str,
) -> None:
    """Add a bar to the right for each row: the share of one column in another, as a percentage.

    Args:
        figure: what the bars are added to.
        names: what the bars stand for, one for each row.
        rows: what they are computed from.
        columns: the part and the whole, which `hover` finds as customdata[0] and customdata[1].
        name: of all bars together, in the legend.
        colour: of all bars.
        hover: what follows name and share when the mouse is on a bar.
    """
    part, whole = columns
    figure.add_bar(
        y=names,
        x=[share(row[part], row[whole]) for row in rows],
        customdata=[[row[part], row[whole]] for row in rows],
        name=name,
        orientation="h",
        marker={"color": colour},
        texttemplate="%{x:.1%}",
        textposition="outside",
        cliponaxis=False,
        hovertemplate=f"%{{y}}: %{{x:.2%}}{hover}<extra></extra>",
    )
