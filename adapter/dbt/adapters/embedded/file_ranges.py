"""A query in branches by ranges of a column: the engine writes the files of each branch apart."""

import re
from collections.abc import Sequence
from itertools import pairwise

from dbt_common.exceptions import DbtRuntimeError


def in_ranges(sql: str, column: str, starts: Sequence[int], sources: Sequence[str] = ()) -> str:
    """`sql` as a union over the ranges of `column` that begin at `starts`, the first one apart.

    Relations named in `sources` are replaced by such a union where `sql` reads them; without any,
    it is made of the rows that `sql` returns. Without `starts` there is one range: `sql` itself.

    Raises DbtRuntimeError when `sql` does not read one of the `sources`.
    """
    if not starts:
        return sql
    if not sources:
        return f"with ranged as (\n{sql}\n)\n{_union('ranged', column, starts)}"
    for source in sources:
        around = re.split(rf"(?<![\w`.]){re.escape(source)}(?![\w`.])", sql)
        if len(around) == 1:
            raise DbtRuntimeError(f"file_ranges names {source}, which the query does not read")
        sql = f"({_union(source, column, starts)})".join(around)
    return sql


def _union(relation: str, column: str, starts: Sequence[int]) -> str:
    """All rows of `relation`: the first range has no lower end, the last one no upper end."""
    conditions = [
        f"{column} < {starts[0]} or {column} is null",
        *(f"{column} >= {start} and {column} < {end}" for start, end in pairwise(starts)),
        f"{column} >= {starts[-1]}",
    ]
    return " union all ".join(f"select * from {relation} where {each}" for each in conditions)
