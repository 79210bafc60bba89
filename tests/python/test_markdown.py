"""The Markdown files: links lead somewhere, pages are listed, and README.md stays short."""

import re
from pathlib import Path

import pytest
from support import ROOT

# Installed, generated or only here on this machine.
OTHERS = {".venv", ".git", "target", "dbt_packages", "logs", ".pytest_cache", "local_packages"}
FILES = sorted(
    path.relative_to(ROOT)
    for pattern in ("*.md", "*/**/*.md")
    for path in ROOT.glob(pattern)
    if not OTHERS & set(path.relative_to(ROOT).parts)
)
FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$", re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
MOST_LINES = 200


def prose(path: Path) -> str:
    """Return the text of a file without its blocks of code."""
    return FENCED.sub("", path.read_text())


def anchors(path: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(path)))
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_links_lead_to_files_and_headings(file):
    """Links to the web and to pages that `make docs` writes are not followed."""
    lost = []
    for link in ("".join(found) for found in LINK.findall(prose(ROOT / file))):
        if re.match(r"\w+:|#!", link) or (file.name, link) == ("overview.md", "index.html"):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / file).parent / name if name else ROOT / file
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


def test_every_page_is_listed():
    """The list of pages leads to each page of docs/ and each at the top of the repository."""
    listed = {link for link, _ in LINK.findall((ROOT / "docs" / "README.md").read_text())}
    pages = {str(path.relative_to("docs")) for path in FILES if path.parts[0] == "docs"}
    pages |= {f"../{path}" for path in FILES if len(path.parts) == 1}
    assert pages - {"README.md"} - listed == set()


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES


def told_rows() -> list[tuple[str, dict[str, str]]]:
    """Return the rows that ARCHITECTURE.md tells: the table and some values by column."""
    lines = re.findall(
        r"^\| \[?`(\w+)`.*\| (`.*) \|$", (ROOT / "ARCHITECTURE.md").read_text(), re.MULTILINE
    )
    return [(name, dict(re.findall(r"`(\w+)` = ([^,|]+)", row))) for name, row in lines]


@pytest.mark.parametrize(("name", "told"), told_rows())
def test_architecture_tells_rows_of_the_tiny_world(tiny_world, name, told):
    """Exactly one row of the table has all the values."""
    rows = tiny_world.table(name).select(list(told)).to_pylist()
    texts = [{key: str(value).lower() for key, value in row.items()} for row in rows]
    assert texts.count({key: value.strip().lower() for key, value in told.items()}) == 1
