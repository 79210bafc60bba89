"""A heartbeat in the log for statements and models that take long."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dbt.adapters.events.logging import AdapterLogger

HEARTBEAT_SECONDS = 10.0

logger = AdapterLogger("Embedded")


def folder_bytes(folder: Path | None) -> int:
    """Bytes of all files below `folder`; files that vanish meanwhile count as nothing."""
    total = 0
    for path in folder.rglob("*") if folder is not None else ():
        try:
            total += path.stat().st_size
        except OSError:
            continue
    return total


@contextmanager
def heartbeat(name: str, folder: Path | None = None) -> Iterator[None]:
    """Logs `name`, the seconds so far and the bytes added to `folder` every ten seconds."""
    started, bytes_before = time.monotonic(), folder_bytes(folder)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            line = f"{name}: running for {time.monotonic() - started:.0f} s"
            if folder is not None:
                written = max(0, folder_bytes(folder) - bytes_before)
                line += f", {written / 1e6:,.1f} MB written"
            logger.info(line)

    thread = threading.Thread(target=beat, name=f"heartbeat {name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
