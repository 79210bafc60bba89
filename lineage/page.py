"""The first page: the story, and for each of its boxes what it follows from and its columns."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from markupsafe import Markup, escape

from lineage.columns import (
    VARIABLES,
    Column,
    ColumnLineage,
    declared_origins,
    is_python,
    origin_column,
)
from lineage.drawing import BOX_HEIGHT, BOX_WIDTH, WIDTH, Drawing, draw
from lineage.tables import SEEDS, Box, Parents, Tables

# Folders that stand in the column of another one, and a table that comes after all of them.
IN_COLUMN_OF = {"web": "facts", "world": "quality"}
STORY = "story"
SITE, COLUMNS = "dbt.html", "columns.html"


@dataclass(frozen=True)
class Origin:
    """A table that a column comes from, and its columns there: the name and link of each."""

    table: str
    columns: list[tuple[str, str]]


@dataclass(frozen=True)
class ColumnRow:
    """A column of a table, what it means and where it comes from; link: its lineage."""

    name: str
    meaning: str
    origins: list[Origin]
    link: str


@dataclass(frozen=True)
class Section:
    """What the page shows of one box, or of the story; members: of a folder, by name and text."""

    key: str
    box: Box | None
    drawing: Drawing
    groups: dict[str, list[str]]
    members: list[tuple[str, str, str]]
    columns: list[ColumnRow]


def site_link(node_id: str) -> str:
    """Return the link to a table's page in the site of dbt."""
    return f"{SITE}#!/{node_id.split('.')[0]}/{node_id}"


def column_link(table: str, column: str | None = None) -> str:
    """Return the link to a table, or one of its columns, in the page of dbt-colibri."""
    path = {"column": column, "parents": 3, "focus": "true", "hideSidebars": "true"}
    asked = {"model": table} | (path if column else {"parents": 1})
    return f"{COLUMNS}?{urlencode(asked)}"


def code_marked(text: str) -> Markup:
    """Return a text as HTML, what stands between backticks as code."""
    return Markup(re.sub(r"`(.+?)`", r"<code>\1</code>", str(escape(text))))


class Page:
    """Writes the page of a project."""

    def __init__(
        self, manifest: dict[str, Any], folders: list[str], column_lineage: ColumnLineage
    ) -> None:
        """Take the manifest, and the folders of models in the order in which data flows."""
        self.manifest, self.column_lineage = manifest, column_lineage
        self.tables = Tables(manifest)
        self.folders = [SEEDS, *folders]
        nodes = manifest["nodes"].values()
        self.colors = {
            SEEDS if node["resource_type"] == "seed" else node["fqn"][1]: node["docs"]["node_color"]
            for node in nodes
            if node["resource_type"] in ("seed", "model")
        }

    def _drawing(self, parents: Parents) -> Drawing:
        columns: dict[str, list[str]] = {}
        for folder in self.folders:
            columns.setdefault(IN_COLUMN_OF.get(folder, folder), [])
        for key in parents:
            columns[self.column(key)].append(key)
        return draw([column for column in columns.values() if column], parents)

    def folder(self, key: str) -> str:
        """Return the folder of a box or of a group of private models."""
        box = self.tables.boxes.get(key)
        return box.folder if box else key.split("/")[0]

    def column(self, key: str) -> str:
        """Return the folder in whose column a box stands."""
        folder = self.folder(key)
        return IN_COLUMN_OF.get(key, IN_COLUMN_OF.get(folder, folder))

    def heads(self, drawing: Drawing) -> list[tuple[list[str], float]]:
        """Return the folders in each column of a drawing, and where the column is."""
        found: dict[float, set[str]] = {}
        for key, place in drawing.places.items():
            found.setdefault(place.left + BOX_WIDTH / 2, set()).add(self.folder(key))
        return [(sorted(of, key=self.folders.index), middle) for middle, of in found.items()]

    def sections(self) -> list[Section]:
        """Return the story and a section for each of its boxes."""
        story = self.tables.story()
        sections = [Section(STORY, None, self._drawing(story), {}, [], [])]
        for key in sorted(story):
            box = self.tables.boxes[key]
            parents, groups = self.tables.view(key)
            is_model = len(box.node_ids) == 1 and box.folder != SEEDS
            columns = self._columns(box.node_ids[0]) if is_model else []
            members = [] if is_model else self._members(box)
            sections.append(Section(key, box, self._drawing(parents), groups, members, columns))
        return sections

    def _members(self, box: Box) -> list[tuple[str, str, str]]:
        nodes = self.manifest["nodes"]
        return [(nodes[i]["name"], nodes[i]["description"], site_link(i)) for i in box.node_ids]

    def _columns(self, node_id: str) -> list[ColumnRow]:
        node = self.manifest["nodes"][node_id]
        rows = []
        for name, column in node["columns"].items():
            if is_python(node):
                found = [origin_column(origin, node) for origin in declared_origins(node)[name]]
            else:
                found = self.column_lineage.origins((node_id, name))
            link = column_link(node_id, name)
            rows.append(ColumnRow(name, column["description"], self._origins(found), link))
        return rows

    def _origins(self, columns: list[Column]) -> list[Origin]:
        by_table: dict[str, list[tuple[str, str]]] = {}
        for table, column in columns:
            name = table.rsplit(".", 1)[1]
            if table == VARIABLES:
                link = f"{SITE}#!/overview"
            elif name in self.tables.shown:
                link = f"#{name}.{column}"
            else:
                link = site_link(table)
            by_table.setdefault(name, []).append((column, link))
        return [Origin(*of) for of in by_table.items()]

    def write(self, path: Path) -> None:
        """Write one HTML file, which asks no network."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("lineage", "."),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters["code_marked"] = code_marked
        template = environment.get_template("page.html.jinja")
        html = template.render(
            project=self.manifest["metadata"]["project_name"],
            sections=self.sections(),
            page=self,
            boxes=self.tables.boxes,
            size=(WIDTH, BOX_WIDTH, BOX_HEIGHT),
            site=SITE,
            columns_page=COLUMNS,
            site_link=site_link,
            column_link=column_link,
        )
        path.write_text(html)
