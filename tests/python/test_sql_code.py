"""How the SQL of the project is written, as far as sqlfluff has no rule for it."""

import re

import jinja2
import pytest
from support import ROOT

NOTES = ROOT / "docs" / "engine_notes.md"
MODELS = sorted((ROOT / "models").rglob("*.sql"))
CODE = [
    *MODELS,
    *(ROOT / "models").rglob("*.py"),
    *(ROOT / "macros").glob("*.sql"),
    *(ROOT / "tests").glob("*.sql"),
    ROOT / "dbt_project.yml",
]
MOST_LINES = 300
# A line of a model that is longer, followed by why.
REASON = f"-- Longer than {MOST_LINES} lines: "


def test_models_are_short_or_say_why():
    """Those of more lines are several steps, and each step can be a model of its own."""
    texts = {path.name: path.read_text() for path in MODELS}
    assert len(texts) > 50
    too_long = [name for name, text in texts.items() if text.count("\n") > MOST_LINES]
    assert [name for name in too_long if f"\n{REASON}" not in f"\n{texts[name]}"] == []


def test_notes_on_engines_are_those_that_models_link_to():
    """A link is the name of the page with the heading, as GitHub writes it."""
    headings = re.findall("^## (.+)$", NOTES.read_text(), re.MULTILINE)
    texts = [path.read_text() for path in CODE]
    linked = [link for text in texts for link in re.findall(r"engine_notes\.md#([\w-]+)", text)]
    assert set(linked) == {heading.lower().replace(" ", "-") for heading in headings}


def test_choice_that_nobody_has_is_refused():
    """It would render as nothing, and the query would draw from the first choice."""

    class Exceptions:
        @staticmethod
        def raise_compiler_error(message: str) -> None:
            raise ValueError(message)

    source = (ROOT / "macros" / "weighted_choice.sql").read_text()
    macros = jinja2.Template(source).make_module({"exceptions": Exceptions})
    assert macros.choice_key("fulfillment_type", "7").split() == ["2000", "+", "7"]
    with pytest.raises(ValueError, match="got 'fulfilment_type', which is no choice"):
        macros.choice_key("fulfilment_type", "7")
