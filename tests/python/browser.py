"""A headless Chromium that loads a page without a network: what it becomes and what it asks for.

As a command it takes a picture of the top of a page, 1366 x 1100 pixels by default, or of one
section alone, named by its id:

    python tests/python/browser.py target/report.html docs/images/report.png [width height]
    python tests/python/browser.py target/report.html docs/images/append.png 900 820 recent
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # No name resolves, so a page that asks for anything outside its folder does not get it.
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
# Timers and animations of the page run ahead of the clock, up to so many milliseconds.
VIRTUAL_TIME = 20_000
TIMEOUT_SECONDS = 120


def find_chromium() -> str | None:
    """Return the path of an installed Chromium or Chrome, or None."""
    return next((path for command in COMMANDS if (path := shutil.which(command))), None)


@dataclass(frozen=True)
class Page:
    """A page after its scripts ran: its HTML, the lines of its console, what it asked a network."""

    dom: str
    console: list[str]
    requests: list[str]


class Browser:
    """Starts an own Chromium with an empty profile for each request."""

    def __init__(self, command: str, scratch: Path) -> None:
        """Take the path of the browser and a folder for its profiles."""
        self._command = command
        self._scratch = scratch
        self._started = 0

    def _run(self, *arguments: str) -> subprocess.CompletedProcess:
        self._started += 1
        profile = self._scratch / f"profile{self._started}"
        command = [self._command, *OPTIONS, f"--user-data-dir={profile}"]
        done = subprocess.run(
            [*command, f"--virtual-time-budget={VIRTUAL_TIME}", *arguments],
            env={**os.environ, "HOME": str(self._scratch)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done

    def load(self, page: Path, width: int = 1366, height: int = 768, asked: str = "") -> Page:
        """Open a file, let its scripts run and return what the page has become.

        asked: what follows the name of the file in the address, as in ?model=a or #b.
        """
        log = self._scratch / "network.json"
        done = self._run(
            *("--enable-logging=stderr", "--v=0", f"--log-net-log={log}"),
            *(f"--window-size={width},{height}", "--dump-dom", page.as_uri() + asked),
        )
        console = re.findall(r"CONSOLE[:(].*", done.stderr)
        return Page(done.stdout, console, _requests_of_page(json.loads(log.read_text())))

    def screenshot(
        self, page: Path, picture: Path, width: int = 1366, height: int = 768, section: str = ""
    ) -> None:
        """Write a PNG of the top of a page, or of one section, `width` x `height` pixels."""
        if section:
            others = f"header, nav, footer, section:not(#{section}) {{ display: none; }}"
            html = page.read_text().replace("</head>", f"<style>{others}</style></head>", 1)
            page = self._scratch / "section.html"
            page.write_text(html)
        size = f"--window-size={width},{height}"
        self._run(size, f"--screenshot={picture}", page.as_uri())

    def print(self, page: Path, pdf: Path) -> None:
        """Write the page as a PDF."""
        self._run(f"--print-to-pdf={pdf}", "--no-pdf-header-footer", page.as_uri())


def _requests_of_page(log: dict) -> list[str]:
    """Return the addresses in a network log of Chromium that no part of the browser asked for."""
    start = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    own = ("", "not an origin")
    started = [event.get("params", {}) for event in log["events"] if event["type"] == start]
    return [each["url"] for each in started if each.get("initiator", "") not in own]


if __name__ == "__main__":
    html, png, *shown = sys.argv[1:]
    size, section = shown[:2] or (1366, 1100), "".join(shown[2:])
    with tempfile.TemporaryDirectory() as folder:
        browser = Browser(find_chromium(), Path(folder))
        browser.screenshot(Path(html).resolve(), Path(png), *map(int, size), section)
