"""The program that `scrollback demo` records: a make-believe agent that checks a house for ever.

It draws its work on the terminal, and writes what a coding agent would write down of it, line by line, into the
file named by its argument, where the demo has begun. Standard library only; it ends when it is told to.
"""

import json
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

_ROOMS: Final = ("kitchen", "workshop", "greenhouse", "attic", "cellar", "library")
_STEPS: Final = 24
_STEP_SECONDS: Final = 0.25
_PAUSE_SECONDS: Final = 4.0
_MODEL: Final = "make-believe-1"
_USAGE: Final = {"input_tokens": 420, "output_tokens": 64, "cache_read_input_tokens": 9_000}


class History:
    """Writes records in the form of Claude Code's transcripts, behind those that the file has."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+", encoding="utf-8")
        self._file.seek(0)
        *_, newest = ("null", *self._file)
        self._session = path.stem
        self._parent: str | None = (json.loads(newest) or {}).get("uuid")

    def prompt(self, text: str) -> None:
        self._write("user", {"role": "user", "content": text})

    def say(self, text: str) -> None:
        self._reply([{"type": "text", "text": text}], "end_turn")

    def call(self, name: str, **arguments: str) -> str:
        call_id = f"toolu_{uuid.uuid4().hex[:20]}"
        block = {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
        self._reply([block], "tool_use")
        return call_id

    def answer(self, call_id: str, output: str) -> None:
        block = {"type": "tool_result", "tool_use_id": call_id, "content": output}
        self._write("user", {"role": "user", "content": [block]})

    def _reply(self, content: list[dict[str, Any]], stop_reason: str) -> None:
        message = {
            "id": f"msg_{uuid.uuid4().hex[:20]}", "type": "message", "role": "assistant", "model": _MODEL,
            "content": content, "stop_reason": stop_reason, "usage": _USAGE,
        }  # fmt: skip
        self._write("assistant", message)

    def _write(self, kind: str, message: dict[str, Any]) -> None:
        own_id = str(uuid.uuid4())
        record = {
            "parentUuid": self._parent, "isSidechain": False, "userType": "external", "cwd": "/srv/house",
            "sessionId": self._session, "version": "2.1.0", "gitBranch": "main", "type": kind, "message": message,
            "uuid": own_id, "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }  # fmt: skip
        self._parent = own_id
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def begin(path: Path) -> None:
    """Write the line that makes the file a session, which a recorder can then be given."""
    path.parent.mkdir(exist_ok=True)
    history = History(path)
    history.prompt("Please look after the house: check one room after the other.")
    history.close()


def check(room: str, round_number: int) -> Iterator[str]:
    """The drawing of one check, a piece at a time."""
    yield f"\x1b[1;36m==>\x1b[0m \x1b[1mround {round_number}: {room}\x1b[0m\r\n"
    for step in range(_STEPS + 1):
        done = "█" * step + "░" * (_STEPS - step)
        colour = 32 if step == _STEPS else 33
        yield f"\r    \x1b[{colour}m{done}\x1b[0m {100 * step // _STEPS:3d} %  lamps, windows, plants"
    yield f"\r\n    \x1b[32m✓\x1b[0m the {room} is in order\r\n\r\n"


def main(history_path: str) -> None:
    history = History(Path(history_path))
    print("\x1b[2mA make-believe agent, recorded by scrollback demo.\x1b[0m\r\n", flush=True)
    round_number = 0
    while True:
        room = _ROOMS[round_number % len(_ROOMS)]
        round_number += 1
        history.prompt(f"Please check the {room}.")
        call_id = history.call("Bash", command=f"check-room {room} --lamps --windows --plants")
        for piece in check(room, round_number):
            sys.stdout.write(piece)
            sys.stdout.flush()
            time.sleep(_STEP_SECONDS)
        history.answer(call_id, f"{room}: 4 lamps, 3 windows, 12 plants: all in order")
        report = f"/srv/house/reports/{room}.md"
        call_id = history.call(
            "Write", file_path=report, content=f"# The {room}\n\nRound {round_number}: all in order.\n"
        )
        history.answer(call_id, f"File created successfully at: {report}")
        history.say(
            f"The **{room}** is in order: every lamp works, the windows are shut, the plants have water."
        )
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main(sys.argv[1])
