"""Read tables of the local target straight from their folders, which takes no time.

Folder and schema are those of profiles.yml: STOCKTRUE_WAREHOUSE and STOCKTRUE_SCHEMA choose others.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    import pyarrow as pa

ROOT = Path(__file__).resolve().parent.parent


def local_schema() -> Path:
    """Return the folder that holds the tables of the local target."""
    warehouse = ROOT / os.environ.get("STOCKTRUE_WAREHOUSE", "warehouse")
    return warehouse / os.environ.get("STOCKTRUE_SCHEMA", "stocktrue")


def read_files(folder: Path, version: int | None = None) -> "list[pa.Table]":
    """Return the rows of a version of a Delta table, the newest without one, file by file.

    The threads of to_pyarrow_table can abort the interpreter when it ends.
    """
    from deltalake import DeltaTable
    from pyarrow import parquet

    files = sorted(DeltaTable(str(folder), version=version).file_uris())
    return [parquet.read_table(unquote(file)) for file in files]


def read_delta(folder: Path) -> list[dict[str, Any]] | None:
    """Return the rows of a Delta table, or None when there is none in the folder."""
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(str(folder)):
        return None
    return [row for part in read_files(folder) for row in part.to_pylist()]
