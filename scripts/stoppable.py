"""Run a script so that Ctrl-C and SIGTERM end it at once, with one line.

    python scripts/stoppable.py scripts/scenario.py --target local

Also while it imports what takes seconds, which is why it cannot do so itself.
"""

import os
import runpy
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn


def end(number: int, _frame: FrameType | None) -> NoReturn:
    """End this process as the adapter ends dbt, if it has been loaded."""
    line = f"{Path(sys.argv[0]).stem}: stopped by {signal.Signals(number).name}"
    adapter = sys.modules.get("dbt.adapters.embedded.interrupts")
    if adapter and hasattr(adapter, "end"):
        adapter.end(number, line)
    os.write(2, f"{line}\n".encode())
    os._exit(128 + number)


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
