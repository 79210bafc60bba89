"""What learnability.py and demand_recovery.py share: they measure the tables of the local target.

Both tell how far they are, print figures and write them with the world that they are of.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from learnability_panel import MissingTableError
from local_tables import ROOT, local_schema, read_delta

Figures = dict[str, Any]
Rows = list[dict[str, Any]]
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Command:
    """A command that measures.

    Attributes:
        name: what its lines begin with.
        output: file to write, unless another is named.
        queries: the analyses that it asks through dbt, as a selector.
    """

    name: str
    output: Path
    queries: str

    def parser(self, description: str) -> argparse.ArgumentParser:
        """Return a parser of arguments that knows --output."""
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument(
            "--output",
            type=Path,
            default=self.output,
            help=f"file to write (default {_shown(self.output)})",
        )
        return parser

    def stop(self, reason: object) -> NoReturn:
        """End with a line that says why."""
        sys.exit(f"{self.name}: {reason}")

    @contextmanager
    def asking(self) -> Iterator[Callable[[str], Rows]]:
        """Give what returns the rows of an analysis, by its name.

        Raises:
            MissingTableError: a table that the analyses read has not been built.
        """
        from warehouse_query import WarehouseError, open_warehouse

        try:
            with open_warehouse("local", self.queries) as warehouse:
                if missing := warehouse.missing(warehouse.tables_read()):
                    raise MissingTableError(missing[0])
                yield lambda analysis: warehouse.query(warehouse.analysis(analysis))
        except WarehouseError as error:
            self.stop(error)

    def run(
        self,
        measure: Callable[[Path, Tell], Figures],
        lines: Callable[[Figures], list[str]],
        output: Path,
    ) -> None:
        """Measure the tables of the schema, print the figures as `lines` and write them."""
        start = time.monotonic()

        def tell(text: str) -> None:
            print(f"{self.name}: {time.monotonic() - start:.0f} s: {text}", flush=True)

        schema = local_schema()
        try:
            found = measure(schema, tell)
        except MissingTableError as error:
            self.stop(f"no {error} in {schema}: run make build first")
        print("\n".join(lines(found)))
        output = output.resolve()
        output.parent.mkdir(exist_ok=True)
        output.write_text(json.dumps({"world": world_of(schema), **found}, indent=2) + "\n")
        print(f"\n{self.name}: wrote {_shown(output)}")


def _shown(file: Path) -> Path:
    """Return a path as it is told: from the project on, where it is in there."""
    return file.relative_to(ROOT) if file.is_relative_to(ROOT) else file


def world_of(schema: Path) -> dict[str, str] | None:
    """Return when the world was closed last, by which the report knows it; None if it is not."""
    closings = read_delta(schema / "world")
    if not closings:
        return None
    last = max(closings, key=lambda row: (row["last_closed_date"], row["etl_timestamp"]))
    return {
        "last_closed_date": str(last["last_closed_date"]),
        "etl_timestamp": str(last["etl_timestamp"].replace(tzinfo=None)),
    }
