"""asciinema-player, the usual way to show a recording, from npm in a folder below .cache/benchmarks."""

import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, SCRATCH, percentiles, say
from benchmarks.processes import Failed

VERSION = "3.17.0"
_LOCKED = ROOT / "benchmarks" / "asciinema_player"
_FOLDER = SCRATCH / "asciinema-player"
_BUNDLE = _FOLDER / "node_modules" / "asciinema-player" / "dist" / "bundle"
_PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="asciinema-player.css">
<body style="background:#000"><div id="player"></div><script src="asciinema-player.min.js"></script></body>"""
# Its promise of a seek is kept when its terminal has been fed; then what it shows has to be painted.
_LOAD = """async () => {
  const started = performance.now();
  window.player = AsciinemaPlayer.create("recording.cast", document.getElementById("player"),
    { preload: true, fit: "width", controls: false });
  await player.play();
  await player.pause();
  window.seconds = await player.getDuration();
  await painted();
  return performance.now() - started;
}"""
_SEEK = """async (share) => {
  const started = performance.now();
  await player.seek(share * seconds);
  await painted();
  return performance.now() - started;
}"""


def installed() -> Path:
    """The folder with its script and style, installed when they are not there yet. Raises Failed."""
    lock = _FOLDER / "package-lock.json"
    if (_BUNDLE / "asciinema-player.min.js").is_file() and lock.read_bytes() == (
        _LOCKED / lock.name
    ).read_bytes():
        return _BUNDLE
    say(f"installing asciinema-player {VERSION}")
    shutil.rmtree(_FOLDER, ignore_errors=True)
    shutil.copytree(_LOCKED, _FOLDER)
    command = ["npm", "ci", "--ignore-scripts", "--silent", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=_FOLDER, stdout=sys.stderr)
    if done.returncode or not (_BUNDLE / "asciinema-player.min.js").is_file():
        raise Failed(f"asciinema-player {VERSION} could not be installed; --no-peer leaves it out")
    return _BUNDLE


@contextmanager
def serving(cast: Path, folder: Path) -> Iterator[str]:
    """A page with the player and the recording; its address."""
    root = folder / "player"
    shutil.copytree(installed(), root)
    (root / "index.html").write_text(_PAGE)
    (root / "recording.cast").hardlink_to(cast)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        shutil.rmtree(root)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        del format, args


def measure(page: Any, address: str, shares: Sequence[float], patience_s: float) -> dict[str, Any]:
    """Load the recording and go to these shares of its time, until patience ends.

    What it cannot do, as a recording longer than a string of the browser may be, is told in `failed`.
    """
    figures: dict[str, Any] = {"version": VERSION}
    page.set_default_timeout(patience_s * 1000)
    try:
        page.goto(address)
        figures["load_to_painted_ms"] = round(page.evaluate(_LOAD), 1)
        say(f"asciinema-player  {figures}")
        milliseconds: list[float] = []
        for share in shares:
            milliseconds.append(page.evaluate(_SEEK, share))
            if sum(milliseconds) > patience_s * 1000:
                break
        figures["seek_to_painted"] = percentiles(milliseconds)
    except Exception as error:
        figures["failed"] = str(error).splitlines()[0][:200]
    say(f"asciinema-player  {figures}")
    return figures
