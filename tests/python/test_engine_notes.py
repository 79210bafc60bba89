"""The notes on engines: each is linked from where it is obeyed, and no link leads nowhere."""

import re

from support import ROOT

NOTES = ROOT / "docs" / "engine_notes.md"
CODE = [
    *(path for kind in ("*.sql", "*.py") for path in (ROOT / "models").rglob(kind)),
    *(ROOT / "macros").glob("*.sql"),
    ROOT / "dbt_project.yml",
]


def test_notes_are_those_that_models_link_to():
    """A link is the name of the page with the heading, as GitHub writes it."""
    headings = re.findall("^## (.+)$", NOTES.read_text(), re.MULTILINE)
    texts = [path.read_text() for path in CODE]
    linked = [link for text in texts for link in re.findall(r"engine_notes\.md#([\w-]+)", text)]
    assert set(linked) == {heading.lower().replace(" ", "-") for heading in headings}
