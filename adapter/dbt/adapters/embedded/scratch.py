"""The temporary folder of this process; what killed processes left is removed by the next."""

import atexit
import os
import re
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

PREFIX = "dbt-embedded-"
LOCK = "lock"
# Where a name is odd, Sail and Java take another folder for it.
PLAIN = re.compile(r"[\w.,:=@+/\\-]*", re.ASCII)

_open_locks = []


def scratch_folder() -> Path:
    """A folder with a plain name that goes with this process."""
    return _scratch_folder(os.getpid())  # a fork has its own


@cache
def _scratch_folder(process: int) -> Path:
    parent = _parent()
    _remove_abandoned(parent)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    _hold(folder)
    atexit.register(remove, process)
    return folder


def remove(process: int | None = None) -> None:
    """Removes the folder, if this process has one (`process`: and is not a fork of that one)."""
    if process in (None, os.getpid()) and _scratch_folder.cache_info().currsize:
        shutil.rmtree(_scratch_folder(os.getpid()), ignore_errors=True)


def _parent() -> Path:
    """The folder for temporary files, or another one where that has an odd name."""
    usual = tempfile.gettempdir()
    for candidate in (usual, "/tmp", "/var/tmp"):
        if PLAIN.fullmatch(candidate) and os.access(candidate, os.W_OK | os.X_OK):
            return Path(candidate)
    return Path(usual)


def _hold(folder: Path) -> None:
    """Locks the folder for the life of this process; nobody sees the lock file without its lock."""
    try:
        import fcntl
    except ImportError:  # Windows: what a killed process leaves stays
        return
    handle = (folder / f"{LOCK}.new").open("w")
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.rename(handle.name, folder / LOCK)
    _open_locks.append(handle)


def _remove_abandoned(parent: Path) -> None:
    """Removes folders like ours whose process has ended."""
    try:
        import fcntl
    except ImportError:
        return
    for folder in parent.glob(f"{PREFIX}*"):
        try:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                continue
            with (folder / LOCK).open() as handle:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # in use, or gone
            continue
