"""What xterm.js, of the version in the browser, makes of output: the judge of the engine's keyframes."""

import json
import subprocess
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessions_app.terminal.engine.model import Output, Resize

type State = dict[str, Any]


class JudgeError(Exception):
    """xterm.js failed over the output."""


@dataclass(frozen=True)
class Look:
    """Ask for the state at this point, with so many rows above the screen."""

    scrollback_rows: int = 0


class Judge:
    """A Node process that holds xterm.js."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", str(Path(__file__).with_name("judge.cjs"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def replay(self, cols: int, rows: int, steps: Iterable[bytes | Output | Resize | Look]) -> list[State]:
        """The states asked for with Look while a fresh terminal of this size takes the steps. Raises JudgeError."""
        question = {"cols": cols, "rows": rows, "steps": [_step(step) for step in steps]}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        answer: list[State] | dict[str, str] = json.loads(self._process.stdout.readline())
        if isinstance(answer, dict):
            raise JudgeError(answer["error"])
        return answer

    def close(self) -> None:
        self._process.communicate(timeout=30)


@contextmanager
def judging() -> Iterator[Judge]:
    """A judge for a while."""
    judge = Judge()
    try:
        yield judge
    finally:
        judge.close()


def _step(step: bytes | Output | Resize | Look) -> Sequence[object]:
    match step:
        case bytes():
            return ["o", b64encode(step).decode()]
        case Output():
            return ["o", b64encode(step.data).decode()]
        case Resize():
            return ["r", step.cols, step.rows]
        case Look():
            return ["s", step.scrollback_rows]
