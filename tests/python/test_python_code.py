"""How the Python of the project is written, as far as ruff and mypy have no rule for it."""

import ast
from collections import defaultdict
from pathlib import Path

from support import ROOT

FOLDERS = ("adapter", "lineage", "models", "report", "scripts", "tests")
MOST_LINES = 60
# In the line above a function that is longer, followed by why.
REASON = "# Longer than a screen: "
# dbt wants each model in one file, so what several need stands in each of them.
TWINS = {
    "block_generators",
    "date_keys",
    "first_new_day",
    "innovation_weights",
    "levels_between",
    "monday_levels",
    "month_days",
    "normal_quantile",
    "normal_share",
    "on_days",
    "poisson_quantile",
    "share_not_abandoned",
    "spark_ddl",
    "split_stream",
    "week_of",
}


def files() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def test_functions_fit_a_screen_or_say_why():
    too_long = []
    for path in files():
        lines = path.read_text().splitlines()
        for function in functions(ast.parse("\n".join(lines))):
            first = min(node.lineno for node in (function, *function.decorator_list))
            is_excused = lines[first - 2].strip().startswith(REASON)
            if function.end_lineno - first >= MOST_LINES and not is_excused:
                too_long.append(f"{path.relative_to(ROOT)}:{first} {function.name}")
    assert too_long == []


def test_functions_that_models_share_are_the_same():
    """To the letter, docstrings included, so that a change of one reaches the others."""
    sources = defaultdict(list)
    for path in sorted((ROOT / "models").rglob("*.py")):
        text = path.read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name != "model":
                sources[node.name].append(ast.get_source_segment(text, node))
    shared = {name: set(texts) for name, texts in sources.items() if len(texts) > 1}
    assert set(shared) == TWINS
    assert [name for name, texts in shared.items() if len(texts) > 1] == []
