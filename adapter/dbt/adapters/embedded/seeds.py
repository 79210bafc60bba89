"""The rows of a seed. A file that is no table stops the seed while the old rows are still there."""

import csv
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import agate
from dbt.parser import read_files
from dbt_common.clients.agate_helper import DEFAULT_TYPE_TESTER
from dbt_common.exceptions import DbtRuntimeError

# A text may be "null" or "NA"; a missing one is an empty cell. Others are read as dbt reads them.
TEXT = agate.Text(null_values=("",))
OTHER = agate.Text(null_values=("", "null"))
TEXT_TYPES = {"string", "text", "varchar"}
VALUES: dict[str, Callable[[str], object]] = {
    "int": int,
    "bigint": int,
    "double": Decimal,
    "boolean": {"true": True, "false": False}.__getitem__,
}


def read_seed(path: Path, column_types: dict[str, str], delimiter: str) -> agate.Table:
    """Reads a CSV file, UTF-8 with a header, whose columns may have types of the engine.

    Raises DbtRuntimeError with the line that cannot be read: for bytes that are not UTF-8, quotes
    that do not close, rows of another length than the header, values that are not of the declared
    type, and with line 1 for declared columns that the file lacks.
    """
    lines = _lines(path, delimiter)
    _, names = next(lines, (1, []))
    for name in column_types:
        if name not in names:
            found = ", ".join(f"'{other}'" for other in names) or "nothing"
            raise _error(path, 1, f"no column '{name}' between '{delimiter}', but {found}")
    rows = []
    for line, cells in lines:
        if len(cells) != len(names):
            raise _error(path, line, f"{len(cells)} values for {len(names)} columns")
        for name, cell in zip(names, cells, strict=True):
            _check(path, line, name, cell, column_types.get(name, ""))
        rows.append(cells)
    types = {
        name: TEXT if type_name.lower() in TEXT_TYPES else OTHER
        for name, type_name in column_types.items()
    }
    if len(types) < len(names):
        guessed = dict(zip(names, DEFAULT_TYPE_TESTER.run(rows, names), strict=True))
        types = {**guessed, **types}
    table = agate.Table(rows, names, [types[name] for name in names])
    table.original_abspath = str(path.absolute())
    return table


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, each with the number of its first line."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(path, error) from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            if cells:
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise _error(path, line, str(error)) from error


def _check(path: Path, line: int, name: str, cell: str, type_name: str) -> None:
    value = VALUES.get(type_name.lower())
    if value is None or cell.strip().lower() in OTHER.null_values:
        return
    try:
        value(cell.strip().lower())
    except (ArithmeticError, KeyError, ValueError) as error:
        raise _error(path, line, f"'{cell}' in column '{name}' is no {type_name}") from error


def _not_utf8(path: Path, error: UnicodeDecodeError) -> DbtRuntimeError:
    line = error.object.count(b"\n", 0, error.start) + 1
    return _error(path, line, f"byte {error.object[error.start]:#x} is not UTF-8")


def _error(path: Path, line: int, message: str) -> DbtRuntimeError:
    return DbtRuntimeError(f"{path.name}, line {line}: {message}")


def name_unreadable_files() -> None:
    """Lets dbt's parser, which reads every file first, say which one is not UTF-8 and where."""
    load = read_files.load_file_contents

    def load_file_contents(path: str, strip: bool = True) -> str:
        try:
            return load(path, strip=strip)
        except UnicodeDecodeError as error:
            raise _not_utf8(Path(path), error) from None

    read_files.load_file_contents = load_file_contents
