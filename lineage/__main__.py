"""Write the documentation from what `dbt docs generate --static` has left in a folder.

    python -m lineage target

<folder>/docs gets the first page, index.html, the site of dbt, dbt.html, and the page of columns,
columns.html. Each is one file that asks no network.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import yaml

from lineage.columns import ColumnLineage
from lineage.page import COLUMNS, SITE, Page

ROOT = Path(__file__).resolve().parent.parent


def read_project() -> tuple[list[str], list[str]]:
    """Return the folders of models in the order of dbt_project.yml, and the variables."""
    project = yaml.safe_load((ROOT / "dbt_project.yml").read_text())
    models: dict[str, Any] = project["models"][project["name"]]
    folders = [name for name in models if not name.startswith("+")]
    return folders, [name for name in project["vars"] if ":" not in name]  # that is a package's


def write_pages(target: Path) -> ColumnLineage:
    """Write the three pages from the files in a folder, and return the lineage of the columns."""
    docs = target / "docs"
    docs.mkdir(exist_ok=True)
    shutil.copy(target / "static_index.html", docs / SITE)
    manifest, catalog = (
        json.loads((target / f"{name}.json").read_text()) for name in ("manifest", "catalog")
    )
    folders, variables = read_project()
    column_lineage = ColumnLineage(manifest, catalog, variables)
    column_lineage.write(docs / COLUMNS)
    Page(manifest, folders, column_lineage).write(docs / "index.html")
    return column_lineage


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for problem in write_pages(folder).problems:
        print(f"lineage: {problem}")
    print(f"open {folder / 'docs' / 'index.html'}")
