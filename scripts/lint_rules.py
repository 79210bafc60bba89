"""Check the named rules of table_rules: their keys, their names and the style of their SQL.

    python scripts/lint_rules.py

sqlfluff sees no SQL in YAML. So it gets each condition in a query of its own, with the settings of
the project but for the length of lines, which YAML folds.
"""

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from sqlfluff.core import FluffConfig, Linter

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("models", "seeds")
KEYS = {"name", "expression", "where", "severity"}
SEVERITIES = ("error", "warn")
# Words with underscores between; a number alone names nothing.
NAME = re.compile(r"(?!.*rule_?\d)[a-z][a-z0-9]*(_[a-z0-9]+)+")
MACRO = re.compile(r"\{\{.*?\}\}", re.DOTALL)


def tables_with_rules(folder: Path) -> Iterator[tuple[Path, str, list[dict[str, Any]]]]:
    """Yield file, table and rules of each table_rules with named rules below a folder."""
    for path in sorted(folder.rglob("*.yml")):
        document = yaml.safe_load(path.read_text())
        for table in [*document.get("models", []), *document.get("seeds", [])]:
            for test in table.get("data_tests", []):
                rules = test.get("table_rules", {}).get("arguments", {}).get("rules")
                if rules:
                    yield path, table["name"], rules


def faults_of_names(rules: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with the keys and names of the rules of a table."""
    names = [rule.get("name") for rule in rules]
    for rule, name in zip(rules, names, strict=True):
        if unknown := rule.keys() - KEYS:
            yield f"{name}: no such key: {', '.join(sorted(unknown))}"
        if not rule.get("expression"):
            yield f"{name}: no expression"
        if not NAME.fullmatch(str(name)):
            yield f"{name}: not a name that says what holds, like lead_time_at_most_review_period"
        if names.count(name) > 1:
            yield f"{name}: another rule of the table has that name"
        if rule.get("severity", "error") not in SEVERITIES:
            yield f"{name}: severity is not {' or '.join(SEVERITIES)}"


def query(condition: str) -> str:
    """Return a query with the condition, macros in it replaced by a column."""
    condition = textwrap.indent(MACRO.sub("from_a_macro", condition), "    ")
    return f"select count(*) as row_count\nfrom the_table\nwhere\n{condition}\n"


def linter() -> Linter:
    """Return sqlfluff with the settings of the project, for SQL without Jinja."""
    return Linter(
        FluffConfig.from_path(
            str(ROOT), overrides={"templater": "raw", "max_line_length": 0, "processes": 1}
        )
    )


def faults_of_sql(rules: list[dict[str, Any]], sqlfluff: Linter) -> Iterator[str]:
    """Yield what sqlfluff finds in the SQL of each rule."""
    for rule in rules:
        for condition in (rule["expression"], rule.get("where")):
            if condition:
                for found in sqlfluff.lint_string(query(condition)).get_violations():
                    yield f"{rule['name']}: {found.rule_code()} {found.desc()}"


def main() -> int:
    """Print all faults; return 1 if there are any."""
    sqlfluff, rules_found, faults = linter(), 0, 0
    for folder in FOLDERS:
        for path, table, rules in tables_with_rules(ROOT / folder):
            rules_found += len(rules)
            found = list(faults_of_names(rules)) or list(faults_of_sql(rules, sqlfluff))
            for fault in found:
                print(f"{path.relative_to(ROOT)}: {table}: {fault}")
            faults += len(found)
    print(f"{rules_found} rules, {faults} faults")
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
