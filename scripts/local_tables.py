"""Read tables of the local target straight from their folders, which takes no time.

Folder and schema are those of profiles.yml: STOCKTRUE_WAREHOUSE and STOCKTRUE_SCHEMA choose others.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent


def local_schema() -> Path:
    """Return the folder that holds the tables of the local target."""
    warehouse = ROOT / os.environ.get("STOCKTRUE_WAREHOUSE", "warehouse")
    return warehouse / os.environ.get("STOCKTRUE_SCHEMA", "stocktrue")


def read_delta(folder: Path) -> list[dict[str, Any]] | None:
    """Return the rows of a Delta table, or None when there is none in the folder."""
    from deltalake import DeltaTable
    from pyarrow import parquet

    if not DeltaTable.is_deltatable(str(folder)):
        return None
    # File by file: the threads of to_pyarrow_table can abort the interpreter when it ends.
    files = [unquote(uri) for uri in DeltaTable(str(folder)).file_uris()]
    return [row for file in files for row in parquet.read_table(file).to_pylist()]
