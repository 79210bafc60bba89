"""How one table lies in its folder: a Delta log for Sail, versioned Parquet for Spark.

Both replace a table with one atomic step, keep the version before the current one for
readers that are still at it, and remove the files of older versions; Delta tables that change in
part keep some more. What neither the engine
nor this adapter has written is `foreign` and never removed.
"""

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dbt_common.exceptions import DbtRuntimeError
from pyspark.sql.types import DoubleType, FloatType, StructType

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# A data file of Sail and of Spark; a number behind it says that the write was cut short.
PART = rf"part-\d{{5}}-{UUID}(-c\d{{3}})?[.\w]*\.parquet(#\d+)?"


def first_foreign(folder: Path, own: re.Pattern[str]) -> Path | None:
    """The first path in `folder` whose name below it is not `own`; `folder` when it is a file."""
    if folder.exists() and not folder.is_dir():
        return folder
    for path in sorted(folder.rglob("*")):
        if not own.fullmatch(path.relative_to(folder).as_posix()) and path.name != ".DS_Store":
            return path
    return None


class DeltaStorage:
    """A Delta table, written by Sail; metadata is read with the `deltalake` library."""

    provider = "delta"
    COMMIT = re.compile(r"\d{20}\.(json|checkpoint.*\.parquet)")
    LOG = r"\d{20}\.[.\w-]+(#\d+)?|_last_checkpoint(#\d+)?|_commit_[\w-]+\.json\.tmp(#\d+)?"
    OWN = re.compile(rf"{PART}|_delta_log(/({LOG}))?")
    # A checkpoint in the log lets what comes before it go; Sail itself makes every tenth only.
    CHECKPOINT_EVERY = 5
    # Of a table that is changed in part: who follows its changes may be so far behind.
    KEPT_VERSIONS = 10

    def exists(self, folder: Path) -> bool:
        """True when the folder holds a committed version."""
        log = folder / "_delta_log"
        return log.is_dir() and any(self.COMMIT.fullmatch(name) for name in os.listdir(log))

    def foreign(self, folder: Path) -> Path | None:
        """The first file or folder in `folder` that no build has written."""
        return first_foreign(folder, self.OWN)

    def data_location(self, folder: Path) -> Path:
        return folder

    def overwrite(self, session: Any, frame: Any, folder: Path) -> None:
        """Replaces rows and schema in one commit."""
        writer = frame.write.format("delta").mode("overwrite")
        if not self.exists(folder):
            # What the log says of a file with one value is what Sail reads, the last bit wrong.
            exact = [
                f"`{f.name}`" for f in frame.schema if f.dataType not in (FloatType(), DoubleType())
            ]
            writer = writer.option("delta.dataSkippingStatsColumns", ",".join(exact))
        writer.option("overwriteSchema", "true").save(str(folder))

    def append(self, session: Any, frame: Any, folder: Path) -> None:
        frame.write.format("delta").mode("append").save(str(folder))

    def replace(self, frame: Any, folder: Path, predicate: str) -> None:
        """Replaces the rows that `predicate`, SQL of columns and literals, is true for."""
        writer = frame.write.format("delta").mode("overwrite")
        writer.option("replaceWhere", predicate).save(str(folder))

    def version(self, folder: Path) -> int | None:
        """Number of the current version."""
        from deltalake import DeltaTable

        return DeltaTable(folder).version()

    def add_columns(self, session: Any, folder: Path, columns: StructType) -> None:
        from deltalake import DeltaTable, Schema

        DeltaTable(folder).alter.add_columns(list(Schema.from_json(columns.json()).fields))

    def statistics(self, folder: Path) -> tuple[int, int]:
        """Rows and bytes of the current version, from the log alone."""
        import pyarrow as pa
        from deltalake import DeltaTable

        actions = pa.table(DeltaTable(folder).get_add_actions(flatten=True))
        rows = sum(count or 0 for count in actions["num_records"].to_pylist())
        return rows, sum(actions["size_bytes"].to_pylist())

    def remove_old_files(self, folder: Path) -> None:
        """Removes data files that no version uses which may still be read: see `_kept`."""
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        table = DeltaTable(folder)
        current = table.version()
        used = {Path(uri).name for uri in table.file_uris()}
        oldest = current
        if current > 0:
            try:
                oldest, removed = self._kept(folder / "_delta_log", current)
            except OSError:  # the log of such a version may be gone: keep everything
                return
            used.update(removed)
            if current % self.CHECKPOINT_EVERY == 0:
                # Of the previous version, which others may look for as long as the hint is there.
                with suppress(DeltaError, OSError):  # as on a full disk: a later one does as well
                    table.load_as_version(current - 1)
                    table.create_checkpoint()
            # With this hint Sail finds no version before the last checkpoint; without, it looks.
            (folder / "_delta_log" / "_last_checkpoint").unlink(missing_ok=True)
        for path in folder.glob("*.parquet*"):
            if path.name not in used and self.OWN.fullmatch(path.name):
                path.unlink(missing_ok=True)
        self._shorten_log(folder / "_delta_log", oldest)

    def _kept(self, log: Path, current: int) -> tuple[int, set[str]]:
        """The oldest version that may still be read, and the files that it and later ones use.

        That is the one before all rows were last replaced, but at most `KEPT_VERSIONS` are kept.
        """
        removed: set[str] = set()
        oldest = max(current - self.KEPT_VERSIONS + 1, 0)
        for version in range(current, oldest, -1):
            is_replaced = False
            for line in (log / f"{version:020}.json").read_text(encoding="utf-8").splitlines():
                action = json.loads(line)
                if "remove" in action:
                    removed.add(Path(unquote(action["remove"]["path"])).name)
                parameters = action.get("commitInfo", {}).get("operationParameters", {})
                is_replaced |= parameters.get("mode") == "Overwrite" and not parameters.get(
                    "predicate"
                )
            if is_replaced:
                return version - 1, removed
        return oldest, removed

    def _shorten_log(self, log: Path, oldest: int) -> None:
        """Removes what comes before the last checkpoint that is older than the oldest version kept.

        So whoever began to read without that checkpoint has had the time of a build for it.
        """
        numbered = [(int(name[:20]), name) for name in os.listdir(log) if name[:20].isdigit()]
        starts = [version for version, name in numbered if name.endswith(".checkpoint.parquet")]
        start = max((version for version in starts if version < oldest), default=0)
        for version, name in numbered:
            if version < start:
                (log / name).unlink(missing_ok=True)


class ParquetStorage:
    """Parquet in `v<n>` folders; the file `_current` names the one to read."""

    provider = "parquet"
    VERSION = rf"v\d+(/(_temporary(/.*)?|\._SUCCESS\.crc|_SUCCESS|{PART}|\.{PART}\.crc))?"
    OWN = re.compile(rf"{VERSION}|_current(\.new)?")

    def exists(self, folder: Path) -> bool:
        return (folder / "_current").is_file()

    def foreign(self, folder: Path) -> Path | None:
        """The first file or folder in `folder` that no build has written."""
        return first_foreign(folder, self.OWN)

    def data_location(self, folder: Path) -> Path:
        return folder / (folder / "_current").read_text().strip()

    def overwrite(self, session: Any, frame: Any, folder: Path) -> None:
        current = int(self.data_location(folder).name[1:]) if self.exists(folder) else 0
        version = f"v{current + 1}"
        frame.write.mode("overwrite").parquet(str(folder / version))
        pointer = folder / "_current.new"
        pointer.write_text(version + "\n")
        os.replace(pointer, folder / "_current")

    def append(self, session: Any, frame: Any, folder: Path) -> None:
        present = session.read.parquet(str(self.data_location(folder)))
        self.overwrite(session, present.unionByName(frame, allowMissingColumns=True), folder)

    def replace(self, frame: Any, folder: Path, predicate: str) -> None:
        raise DbtRuntimeError("incremental_strategy 'replace_where' needs engine 'sail'")

    def version(self, folder: Path) -> int | None:
        return None

    def add_columns(self, session: Any, folder: Path, columns: StructType) -> None:
        self.append(session, session.createDataFrame([], columns), folder)

    def statistics(self, folder: Path) -> tuple[int, int]:
        """Rows and bytes of the current version, from the file footers."""
        import pyarrow.parquet as pq

        files = list(self.data_location(folder).glob("*.parquet"))
        rows = sum(pq.read_metadata(path).num_rows for path in files)
        return rows, sum(path.stat().st_size for path in files)

    def remove_old_files(self, folder: Path) -> None:
        current = int(self.data_location(folder).name[1:])
        for path in folder.glob("v*"):
            kept = (f"v{current}", f"v{current - 1}")
            if path.name not in kept and re.fullmatch(r"v\d+", path.name):
                shutil.rmtree(path, ignore_errors=True)
