"""One writer a schema, so that no two builds mix their tables; readers are never kept out."""

import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

from dbt_common.exceptions import DbtRuntimeError


class SchemaLocks:
    """Locks of this process on schemas: each a file in `folder` that says who builds there.

    The operating system takes a lock away with the process that holds it, however that ends.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[str, Any] = {}
        self._taking = threading.Lock()
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self.release)

    def take(self, schema: str) -> None:
        """Locks `schema`, unless this process did; raises one line when another one has it."""
        with self._taking:
            if schema in self._held:
                return
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = (self.folder / schema).open("a+", encoding="utf-8")
            if not _lock_file(handle):
                handle.seek(0)
                holder = handle.read().strip() or "another process"
                handle.close()
                raise DbtRuntimeError(
                    f"schema {schema} of {self.folder.parent} is being built by {holder}; "
                    "wait for it, or build into another schema"
                )
            handle.truncate(0)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            handle.write(f"process {os.getpid()} on {socket.gethostname()} since {since}")
            handle.flush()
            self._held[schema] = handle

    def release(self) -> None:
        """Gives up all locks; in a fork, which has only copies, they stay with its parent."""
        while self._held:
            self._held.popitem()[1].close()


def _lock_file(handle: Any) -> bool:
    """Takes an exclusive lock that ends with the handle or the process; False when it is taken."""
    try:
        import fcntl
    except ImportError:  # Windows: one process at a time is the caller's care
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
