"""The workflow of the hosted CI calls what this repository has, with as few rights as it needs."""

import os
import re
import subprocess

import pytest
import yaml
from support import ROOT

TEXT = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
JOBS = yaml.safe_load(TEXT)["jobs"]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE)
COMMANDS = [step["run"] for job in JOBS.values() for step in job["steps"] if "run" in step]


def test_commands_exist():
    called = {name for text in COMMANDS for name in re.findall(r"\bmake (\w+)", text)}
    assert {"lint", "unit", "slim", "build", "docs"} <= called <= set(TARGETS)
    assert ".ci/run" in COMMANDS
    assert (ROOT / ".ci" / "run").exists()


def test_actions_are_pinned_by_commit():
    """A tag can be moved to other code; the comment says which one the commit had."""
    uses = re.findall(r"^ *(?:- )?uses: *(.*)$", TEXT, re.MULTILINE)
    assert len(uses) == sum("uses" in step for job in JOBS.values() for step in job["steps"])
    pinned = re.compile(r"actions/[a-z-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+")
    assert [name for name in uses if not pinned.fullmatch(name)] == []


# What the jobs that may write may write.
WRITES = {"docs": {"pages", "id-token"}, "comment": {"pull-requests"}}


@pytest.mark.parametrize("job", JOBS)
def test_only_publishing_jobs_may_write(job):
    rights = JOBS[job].get("permissions", {})
    writes = {right for right, access in rights.items() if access == "write"}
    assert writes == WRITES.get(job, set())
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}


def test_what_writes_comments_runs_no_code_of_the_pull_request():
    """A fork's branch gets no comment, and no event gives its code more than the right to read."""
    assert yaml.safe_load(TEXT)[True].keys() == {"push", "pull_request", "workflow_dispatch"}
    job = JOBS["comment"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in job["if"]
    assert [list(step) for step in job["steps"]] == [["name", "run"]]
    assert not re.search(r"\bmake\b|python|\$\{\{", job["steps"][0]["run"])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ("", ["api --silent repos/o/r/issues/7/comments --field body=@diff.md"]),
        ("3", ["api --silent --method PATCH repos/o/r/issues/comments/3 --field body=@diff.md"]),
        (None, []),  # no text, as main had no state to compare with
    ],
)
def test_comment_is_renewed(tmp_path, found, expected):
    """One comment a pull request: the first is written, later ones take its place."""
    tool = tmp_path / "gh"
    answers = f"*--paginate*) echo {found} ;; run*) {'false' if found is None else 'true'} ;;"
    tool.write_text(f'#!/bin/sh\necho "$@" >>calls\ncase $* in {answers} esac\n')
    tool.chmod(0o755)
    command = JOBS["comment"]["steps"][0]["run"]
    done = subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            **{"GH_REPO": "o/r", "NUMBER": "7", "GITHUB_RUN_ID": "5"},
        },
    )
    assert done.returncode == 0
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "run download 5 --name diff"
    assert [call for call in calls if call.endswith("diff.md")] == expected
    mark = re.search(r'^MARK = "(.*)"$', (ROOT / "scripts/data_diff.py").read_text(), re.MULTILINE)
    assert mark[1] in command


def test_hooks_of_commits_are_commands_of_lint():
    """With the tools of .venv, whose versions the lock has: nothing else is fetched."""
    (source,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert source["repo"] == "local"
    lint = re.search(r"^lint:.*?\n\n", MAKEFILE, re.MULTILINE | re.DOTALL)[0]
    hooks = {hook["entry"].split()[0]: hook for hook in source["hooks"]}
    # Types and the rules in YAML are not checked file by file.
    whole = {".venv/bin/mypy", ".venv/bin/python"}
    assert set(hooks) == set(re.findall(r" (\.venv/bin/\w+)", lint)) - whole
    for hook in source["hooks"]:
        assert f" {' '.join(hook['entry'].split()[:2])}" in lint
        assert hook["language"] == "system"
    folders = re.search(r"sqlfluff lint (.*)", lint)[1].split()
    files = re.compile(hooks[".venv/bin/sqlfluff"]["files"])
    assert [name for name in folders if not files.search(f"{name}/some/query.sql")] == []
