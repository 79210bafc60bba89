"""Where the boxes of a lineage stand: a column for each layer, time runs from left to right."""

from dataclasses import dataclass

from lineage.tables import Parents

WIDTH, HEIGHT, TOP, BOX_WIDTH, BOX_HEIGHT = 1568, 760, 40, 168, 46
ROW = 78  # from one box to the next below it, where there is room
LINE_LENGTH = 21  # letters that fit into a box
SWEEPS = 24


@dataclass(frozen=True)
class Place:
    """The upper left corner of a box in pixels, and the lines of its name."""

    left: float
    top: float
    lines: list[str]


@dataclass(frozen=True)
class Drawing:
    """Boxes by key, the path of each edge by its ends, and the height."""

    places: dict[str, Place]
    edges: dict[tuple[str, str], str]
    height: float


def name_lines(name: str) -> list[str]:
    """Return a name in one line, or in two that end at an underscore."""
    if len(name) <= LINE_LENGTH:
        return [name]
    cuts = [n + 1 for n, letter in enumerate(name) if letter == "_"]
    cut = min(cuts, key=lambda cut: max(cut, len(name) - cut))
    return [name[:cut], name[cut:]]


def ordered(columns: list[list[str]], parents: Parents) -> list[list[str]]:
    """Return the columns with each box near those that it has an edge with."""
    near: dict[str, list[str]] = {key: [] for key in parents}
    for key, of in parents.items():
        for parent in of:
            near[key].append(parent)
            near[parent].append(key)
    height: dict[str, float] = {}

    def place(column: list[str]) -> None:
        for row, key in enumerate(column):
            height[key] = row - (len(column) - 1) / 2

    columns = [sorted(column) for column in columns]
    for column in columns:
        place(column)
    for _ in range(SWEEPS):
        for column in columns:
            pull = {
                key: sum(height[other] for other in near[key]) / max(len(near[key]), 1)
                for key in column
            }
            column.sort(key=pull.__getitem__)
            place(column)
    return columns


def edge_path(start: Place, end: Place) -> str:
    """Return the SVG path of an edge: to the right, or at the left side within a column."""
    y1, y2 = (place.top + BOX_HEIGHT / 2 for place in (start, end))
    x2 = end.left
    if start.left == end.left:
        x1, out = x2, -18 - abs(y2 - y1) / 14  # the longer, the further out
        back = out
    else:
        x1 = start.left + BOX_WIDTH
        out, back = (x2 - x1) / 2, (x1 - x2) / 2
    numbers = x1, y1, x1 + out, y1, x2 + back, y2, x2, y2
    return "M{:.0f} {:.0f}C{:.0f} {:.0f} {:.0f} {:.0f} {:.0f} {:.0f}".format(*numbers)


def draw(columns: list[list[str]], parents: Parents) -> Drawing:
    """Draw boxes that are given by column."""
    columns = ordered(columns, parents)
    most = max(map(len, columns))
    row_height = min(ROW, (HEIGHT - TOP) / most)
    step = (WIDTH - BOX_WIDTH) / max(len(columns) - 1, 1)
    places = {}
    for n, column in enumerate(columns):
        above = TOP + (most - len(column)) * row_height / 2 + (row_height - BOX_HEIGHT) / 2
        for row, key in enumerate(column):
            places[key] = Place(n * step, above + row * row_height, name_lines(key))
    edges = {
        (parent, key): edge_path(places[parent], places[key])
        for key, of in parents.items()
        for parent in sorted(of)
    }
    return Drawing(places, edges, TOP + most * row_height)
