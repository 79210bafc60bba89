"""Run a script so that Ctrl-C and SIGTERM end it at once, with one line.

    python scripts/stoppable.py scripts/scenario.py --target local

Also while it imports what takes seconds, which is why it cannot do so itself. A script that has
something to put away calls `unwind` once it can.
"""

import os
import runpy
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import NoReturn


def line_of(number: int) -> str:
    """Return the line to end with after a signal."""
    return f"{Path(sys.argv[0]).stem}: stopped by {signal.Signals(number).name}"


def end(number: int, _frame: FrameType | None) -> NoReturn:
    """End this process as the adapter ends dbt, if it has been loaded."""
    line = line_of(number)
    adapter = sys.modules.get("dbt.adapters.embedded.interrupts")
    if adapter and hasattr(adapter, "end"):
        adapter.end(number, line)
    os.write(2, f"{line}\n".encode())
    os._exit(128 + number)


def leave(number: int, _frame: FrameType | None) -> NoReturn:
    """End the script by an exception."""
    print(line_of(number), file=sys.stderr)
    sys.exit(128 + number)


def unwind() -> None:
    """From here on let the script put away on the way out what it has begun."""
    _on_signals(leave)


def _on_signals(handler: Callable[[int, FrameType | None], NoReturn]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    _on_signals(end)
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
