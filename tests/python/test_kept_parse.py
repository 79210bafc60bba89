"""The parse kept for each set of variables: used again, but never for others or old files."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import kept_parse
import pytest
import run_vars
from dbt.cli.main import dbtRunner
from support import ROOT

PROJECT = {
    "dbt_project.yml": "{name: stub, profile: stocktrue, vars: {mark: default}}",
    # Both values are fixed when the model is parsed.
    "models/marked.sql": "{{ config(tags=[var('mark')]) }} select 1 as {{ var('mark') }}",
    "models/plain.sql": "select 1 as x",
    "macros/none.sql": "{% macro none_of(x) %} where {{ x }} is null {% endmacro %}",
    "tests/plain_has_x.sql": "select x from {{ ref('plain') }} {{ none_of('x') }}",
    "tests/_tests.yml": "data_tests: [{name: plain_has_x, description: It has.}]",
}


SETS = [("a", "stocktrue"), ("b", "stocktrue"), ("a", "other")]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[Path]:
    """Return a project of two models, parsed with each of SETS, in that order."""
    folder = tmp_path_factory.mktemp("kept")
    for name, text in PROJECT.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    shutil.copy(ROOT / "profiles.yml", folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_parse, "KEPT", folder / "parsed")
        for mark, schema in SETS:
            patch.setenv("STOCKTRUE_SCHEMA", schema)
            assert parse(folder, mark)[1:] == ([mark], schema)
        patch.setenv("STOCKTRUE_SCHEMA", "stocktrue")
        yield folder


def parse(project: Path, mark: str) -> tuple[int, list[str], str]:
    """Parse with a variable; return how many files dbt parsed, and the model's tags and schema."""
    kept_parse.link(project / "target", kept_parse.kept_file("local", {"mark": mark}))
    return parse_in(project, mark)


def parse_in(project: Path, mark: str) -> tuple[int, list[str], str]:
    """Do the same with the parse that is in the folder of the project."""
    target = project / "target"
    result = dbtRunner().invoke(
        [
            *("--quiet", "parse", "--target", "local", "--vars", json.dumps({"mark": mark})),
            *("--project-dir", str(project), "--profiles-dir", str(project)),
            *("--target-path", str(target), "--log-path", str(project / "logs")),
        ]
    )
    assert result.success, result.exception
    files = json.loads((target / "perf_info.json").read_text())["parsed_path_count"]
    model = result.result.nodes["model.stub.marked"]
    return files, model.config.tags, model.schema


def test_going_back_and_forth_parses_nothing(project, monkeypatch):
    """Each set of variables, and each schema, has its values; the folder of the tables has none."""
    monkeypatch.setenv("STOCKTRUE_WAREHOUSE", str(project / "elsewhere"))
    for mark, schema in SETS:
        monkeypatch.setenv("STOCKTRUE_SCHEMA", schema)
        assert parse(project, mark) == (0, [mark], schema)


def test_edited_file_is_parsed(project):
    """It alone, for every set of variables."""
    model = project / "models" / "marked.sql"
    model.write_text(PROJECT["models/marked.sql"].replace("[", "['edited', "))
    assert [parse(project, mark)[:2] for mark in "ab"] == [
        (1, ["edited", "a"]),
        (1, ["edited", "b"]),
    ]
    model.write_text(PROJECT["models/marked.sql"])
    assert parse(project, "a")[:2] == (1, ["a"])


@pytest.mark.parametrize(
    ("name", "old", "new", "description"),
    [
        ("tests/plain_has_x.sql", "select x", "select  x", "It has."),
        ("macros/none.sql", "is null", "is  null", "It has."),
        ("tests/_tests.yml", "It has.", "It still has.", "It still has."),
    ],
)
def test_description_of_a_test_outlives_an_edit(project, name, old, new, description):
    """Of its file, of a macro that it calls, and of the properties: dbt alone forgets it."""
    file = project / name
    file.write_text(PROJECT[name].replace(old, new))
    try:
        parse(project, "a")
        manifest = json.loads((project / "target" / "manifest.json").read_text())
        assert manifest["nodes"]["test.stub.plain_has_x"]["description"] == description
    finally:
        file.write_text(PROJECT[name])


@pytest.mark.parametrize("content", ["other variables", "damaged"])
def test_wrong_parse_is_not_used(project, content):
    """One of other variables, or one that another process is writing: all is parsed again."""
    kept, other = (kept_parse.kept_file("local", {"mark": mark}) for mark in "ab")
    whole = other.read_bytes()
    kept.write_bytes(whole if content == "other variables" else whole[: len(whole) // 2])
    files, tags, _ = parse(project, "a")
    assert files > len(PROJECT)
    assert tags == ["a"]
    assert other.read_bytes() == whole


def test_copy_of_a_project_starts_from_the_parse(project, tmp_path):
    """Only its edits are parsed, and the parse of the original stays."""
    kept = kept_parse.kept_file("local", {"mark": "a"})
    before = kept.read_bytes()
    copied = tmp_path / "copy"
    shutil.copytree(project, copied, ignore=shutil.ignore_patterns("target", "parsed", "logs"))
    (copied / "models" / "marked.sql").write_text(
        PROJECT["models/marked.sql"].replace("[", "['c',")
    )
    kept_parse.copy(copied / "target", kept)
    assert parse_in(copied, "a")[:2] == (1, ["c", "a"])
    assert kept.read_bytes() == before


def test_those_used_longest_ago_are_removed(tmp_path, monkeypatch):
    """Used, not written: dbt does not write a parse that is still right."""
    monkeypatch.setattr(kept_parse, "KEPT", tmp_path / "parsed")
    kept_parse.KEPT.mkdir()
    files = [
        kept_parse.kept_file("local", {"number": number})
        for number in range(kept_parse.MOST_KEPT + 2)
    ]
    for age, file in enumerate(files):
        file.touch()
        os.utime(file, (1e9 - age, 1e9 - age))
    kept_parse.link(tmp_path / "target", files[-1])
    assert set(kept_parse.KEPT.iterdir()) == {*files[: kept_parse.MOST_KEPT - 1], files[-1]}


@pytest.mark.parametrize(
    ("preset", "text", "expected"),
    [
        ("small", "", {}),
        ("small", "random_seed: 42, return_rate: 0.15", {}),
        ("small", "random_seed: 43", {"random_seed": 43}),
        # Equal to Python but not to the check of the variables.
        ("small", "random_seed: 42.0", {"random_seed": 42.0}),
        ("small", "no_such: 1", {"no_such": 1}),
        ("tiny", "num_products: 2000", {"num_products": 2000}),
    ],
)
def test_default_values_are_not_given(monkeypatch, preset, text, expected):
    """So the default preset shares the parse of commands without variables."""
    monkeypatch.setenv("PRESET", preset)
    monkeypatch.setenv("VARS", text)
    tiny = run_vars.load((run_vars.PRESETS / "tiny.yml").read_text()) if preset == "tiny" else {}
    changed = {**tiny, **expected}
    if preset == "tiny":
        del changed["num_products"]  # the project's own value
    assert run_vars.changed_vars() == changed
