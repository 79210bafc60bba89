"""Run a command and print how long it took: python scripts/timed.py LABEL COMMAND...

What stops make stops the command as well, and this program ends after it.
"""

import signal
import subprocess
import sys
import time


def run(*command: str) -> int:
    """Run a command and return its exit status as a shell does, 128 + number after a signal.

    SIGTERM goes on to the command, because make sends it to its own child alone. Ctrl-C has come
    to the command by itself.
    """
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: None)
    status = child.wait()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    label, *command = sys.argv[1:]
    start = time.monotonic()
    status = run(*command)
    seconds = f"{time.monotonic() - start:.0f} s"
    if status == 0:
        print(f"{label}: {seconds}")
    elif status not in (128 + signal.SIGINT, 128 + signal.SIGTERM):
        print(f"{label}: failed after {seconds}", file=sys.stderr)
    sys.exit(status)
