"""Keep the parsed project for each set of variables, so that going back to one parses nothing anew.

dbt has one parsed project in each target path, partial_parse.msgpack, and parses everything again
when variables, target or schema are others. Here that file becomes a link to one that is kept for
them in target/parsed/. dbt itself still compares variables, profile, versions and the checksum of
every file before it uses one, so a wrong or damaged one costs time and nothing else.
"""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "target" / "parsed"
# 3 MB each; those used longest ago go first.
MOST_KEPT = 20
FILE_NAME = "partial_parse.msgpack"


def kept_file(
    target: str, variables: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> Path:
    """Return where the parse is kept for a target of profiles.yml and the variables given to dbt.

    The schema, which is part of every parsed node, is that of the environment.
    """
    schema = environment.get("STOCKTRUE_SCHEMA") or "stocktrue"
    key = json.dumps([target, schema, variables], sort_keys=True, default=str)
    return KEPT / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.msgpack"


def link(target_path: Path, kept: Path) -> None:
    """Let the next dbt command with this target path read and write a kept parse."""
    for folder in (KEPT, target_path):
        folder.mkdir(parents=True, exist_ok=True)
    # Other processes may do the same at this moment: files vanish, the link appears in one step.
    with suppress(FileNotFoundError):
        os.utime(kept)
    with suppress(FileNotFoundError):
        for old in sorted(KEPT.glob("*.msgpack"), key=os.path.getmtime)[:-MOST_KEPT]:
            old.unlink()
    new = target_path / f"{FILE_NAME}.{os.getpid()}"
    new.symlink_to(kept)
    new.replace(target_path / FILE_NAME)


def copy(target_path: Path, kept: Path) -> None:
    """Let dbt start from a kept parse, which stays as it is: for an edited copy of the project.

    Only the files that differ are parsed.
    """
    target_path.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.copy(kept, target_path / FILE_NAME)


if __name__ == "__main__":
    # For a tool that starts dbt itself, without variables: its target path is given.
    link(Path(sys.argv[1]), kept_file("local", {}))
