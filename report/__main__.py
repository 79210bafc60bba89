"""Write one self-contained HTML page that shows what is in the tables built last.

    PYTHONPATH=scripts python -m report --target local

Works on every target, preset and schema: the queries are the analyses in report/queries/, and
the engine of the target aggregates. Folder and schema are those of profiles.yml, where
STOCKTRUE_WAREHOUSE and STOCKTRUE_SCHEMA choose others. The page needs no network.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse_query import ROOT, Warehouse, WarehouseError, open_warehouse

from report.page.html import render
from report.page.learned import found_of
from report.rows import Answers

QUERIES = "path:report/queries"
PREFIX = "report_"
PROGRESS_SECONDS = 10
# The last table of a build, which a failing test ends before, and older ones do not have: what asks
# it alone has no rows then.
LAST_TABLE, CLOSINGS = "world", "closings"
ASKS_LAST_TABLE = PREFIX + CLOSINGS
# What make learnability writes, of the local target.
LEARNED = ROOT / "target" / "learnability.json"


class Progress:
    """Tells every ten seconds what is being done."""

    def __init__(self) -> None:
        """Start with nothing to do."""
        self.task = "starting"
        self.started = time.monotonic()
        self._done = threading.Event()

    @contextmanager
    def shown(self) -> Iterator["Progress"]:
        """Print a line every ten seconds while the block runs."""
        thread = threading.Thread(target=self._print_lines, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._done.set()
            thread.join()

    def _print_lines(self) -> None:
        while not self._done.wait(PROGRESS_SECONDS):
            print(f"report: {time.monotonic() - self.started:.0f} s: {self.task}", flush=True)


def ask(warehouse: Warehouse, progress: Progress) -> Answers:
    """Return the rows of every query of the report, by its name without the prefix."""
    answers: Answers = {}
    is_closed = not warehouse.missing([LAST_TABLE])
    names = warehouse.analyses()
    for number, name in enumerate(names, start=1):
        progress.task = f"query {number} of {len(names)}: {name}"
        is_asked = is_closed or name != ASKS_LAST_TABLE
        answers[name.removeprefix(PREFIX)] = (
            warehouse.query(warehouse.analysis(name)) if is_asked else []
        )
    return answers


def main() -> None:
    """Ask, write the page and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="local", help="target of profiles.yml")
    parser.add_argument(
        "--output",
        type=Path,
        default=ROOT / "target" / "report.html",
        help="file to write (default target/report.html)",
    )
    arguments = parser.parse_args()
    try:
        with (
            Progress().shown() as progress,
            open_warehouse(arguments.target, QUERIES) as warehouse,
        ):
            progress.task = "connecting"
            needed = set(warehouse.tables_read()) - {LAST_TABLE}
            if missing := warehouse.missing(sorted(needed)):
                sys.exit(
                    f"report: no {missing[0]} in target {arguments.target}, schema "
                    f"{warehouse.schema}: run make build first"
                )
            answers = ask(warehouse, progress)
            is_local = arguments.target == "local"
            text = render(
                answers,
                warehouse.engine,
                arguments.target,
                warehouse.schema,
                found_of(LEARNED, answers[CLOSINGS]) if is_local else None,
            )
    except WarehouseError as error:
        sys.exit(f"report: {error}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text, encoding="utf-8")
    output = arguments.output.resolve()
    shown = output.relative_to(ROOT) if output.is_relative_to(ROOT) else output
    print(f"report: open {shown} ({len(text.encode()) / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
