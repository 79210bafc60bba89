"""Print the dbt variables of a run as JSON: those of PRESET, with those of VARS over them.

Both come from the environment: PRESET names a file in presets/, VARS is text such as
``num_products: 100, return_rate: 0.2``.
"""

import json
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import yaml

ROOT = Path(__file__).resolve().parent.parent
PRESETS = ROOT / "presets"
SPEC = ROOT / "macros" / "validate_vars.sql"


class TextDateLoader(yaml.SafeLoader):
    """YAML in which dates stay text, so that a wrong one reaches the check of the variables."""


TextDateLoader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(text: str) -> dict[str, Any]:
    """Return the mapping that a YAML text holds; raise ValueError when it holds anything else."""
    try:
        values = yaml.load(text, TextDateLoader)
    except yaml.YAMLError:
        values = None
    if not isinstance(values, dict):
        raise ValueError(text)
    return values


def given_vars(text: str) -> dict[str, Any]:
    """Return the mapping in `text`: pairs split by commas or lines, braces optional."""
    text = text.strip()
    if not text:
        return {}
    if text.startswith("{") or "\n" in text:
        return load(text)
    return load("{" + text + "}")


def preset_names() -> list[str]:
    """Return the names of the presets in the order of the alphabet."""
    return sorted(path.stem for path in PRESETS.glob("*.yml"))


def merged_vars() -> dict[str, Any]:
    """Return the variables of PRESET and VARS, or exit with one line that says what is wrong."""
    preset = os.environ.get("PRESET") or "small"
    if preset not in preset_names():
        sys.exit(f"PRESET: got {preset!r}, allowed: {', '.join(preset_names())}")
    text = os.environ.get("VARS", "")
    try:
        given = given_vars(text)
    except ValueError:
        sys.exit(
            f'VARS: got {text!r}, allowed: pairs such as "num_products: 100, return_rate: 0.2"'
        )
    return {**load((PRESETS / f"{preset}.yml").read_text()), **given}


def project_vars() -> dict[str, Any]:
    """Return the variables of dbt_project.yml."""
    return load((ROOT / "dbt_project.yml").read_text())["vars"]


@cache
def variable_spec() -> list[dict[str, Any]]:
    """Return what is allowed of each variable: the entries of the macro of that name."""
    returned: list[list[dict[str, Any]]] = []
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])
    module = environment.from_string(SPEC.read_text()).make_module({"return": returned.append})
    module.variable_spec()  # type: ignore[attr-defined]  # a macro is an attribute of its file
    return returned[0]


def changed_vars() -> dict[str, Any]:
    """Return those merged variables that differ from the project's: all that dbt must be given.

    So the default preset is to dbt what no variables are, and needs no parse of its own.
    """
    defaults = project_vars()
    return {
        name: value
        for name, value in merged_vars().items()
        if name not in defaults or json.dumps(value) != json.dumps(defaults[name])
    }


def main() -> None:
    """Print the merged variables."""
    print(json.dumps(merged_vars()))


if __name__ == "__main__":
    main()
