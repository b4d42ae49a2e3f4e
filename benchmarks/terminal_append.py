"""Many recorders at once, each with its terminal: how soon what they send is durable, and how much of it a second."""

import http.client
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any, Final

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.harness import Console, Options, p50_and_p99, say
from benchmarks.processes import Failed, processor_seconds
from benchmarks.terminal_corpus import COLS, ROWS, raw, stream

if TYPE_CHECKING:
    from tests.browser.running import Server

SECONDS: Final = 20
RECORDERS: Final = (1, 20, 50)
# The server answers so many requests at once.
THREADS: Final = (1, 4, 16)
# Of a program that prints without a pause, as a recorder sends it.
BATCH_BYTES: Final = 4_096
EVERY_S: Final = 0.03
_OUTPUT_BYTES: Final = 1_000_000
_KINDS: Final = ("log", "colour", "tui", "agent")
_TIMEOUT_S: Final = 60.0


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from benchmarks import visiting

    (seconds,) = options.scaled(SECONDS)
    outputs = [raw(stream(kind, _OUTPUT_BYTES)) for kind in _KINDS]
    figures: dict[str, Any] = {"seconds": seconds, "batch_bytes": BATCH_BYTES, "every_ms": EVERY_S * 1000}
    figures["actions"] = [_as_fast_as_answered(console, outputs, count, seconds) for count in THREADS]
    with visiting.serving(console) as server:
        figures["over_http"] = [_on_time(console, server, outputs, count, seconds) for count in RECORDERS]
    return figures


def _as_fast_as_answered(
    console: Console, outputs: Sequence[bytes], count: int, seconds: int
) -> dict[str, Any]:
    """The action alone, in threads of this process: each sends its next batch once it is answered."""
    from audit.actors import SYSTEM
    from dashboard.lib.db import end_of_thread
    from sessions_app.actions.terminals import append_output
    from sessions_app.terminal.asciicast.model import Output
    from sessions_app.terminal.batch import Batch, Position

    def appending(number: int, terminal_id: uuid.UUID) -> Callable[[], None]:
        position, pieces = Position(), _pieces(outputs[number % len(outputs)])

        def append() -> None:
            nonlocal position
            batch = Batch(position, [Output(_time_us(began), next(pieces))], masked={})
            position = append_output(terminal_id, batch, actor=SYSTEM)

        return append

    began = time.monotonic()
    senders = [
        _Sender(appending(number, terminal_id), seconds, every_s=0, at_end=end_of_thread)
        for number, terminal_id in enumerate(_opened(count))
    ]
    processor, database = time.process_time(), console.database_processor_seconds()
    figures = _measured(senders)
    return _told(
        "actions",
        count,
        figures,
        time.process_time() - processor,
        console.database_processor_seconds() - database,
    )


def _on_time(
    console: Console, server: "Server", outputs: Sequence[bytes], count: int, seconds: int
) -> dict[str, Any]:
    """Over HTTP: each sends a batch every 30 ms, or as soon as it is answered where that is later."""
    from sessions_app.terminal.asciicast.model import Output
    from sessions_app.terminal.batch import CONTENT_TYPE, Position, encode_event, encode_position

    token = (console.home / "agent.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": CONTENT_TYPE}

    def posting(number: int, terminal_id: uuid.UUID, kept: http.client.HTTPConnection) -> Callable[[], None]:
        position, pieces = Position(), _pieces(outputs[number % len(outputs)])
        path = f"/api/v1/terminals/{terminal_id}/output"

        def post() -> None:
            nonlocal position
            event = Output(_time_us(began), next(pieces))
            # As a recorder says it that masks by itself.
            body = encode_position(position, {}) + encode_event(event)
            kept.request("POST", path, body, headers)
            response = kept.getresponse()
            answer = response.read()
            if response.status != http.client.OK:
                raise Failed(f"an append gave {response.status}: {answer[:200]!r}")
            position = position.after(event)

        return post

    began = time.monotonic()
    with ExitStack() as stack:
        senders = []
        for number, terminal_id in enumerate(_opened(count)):
            kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=_TIMEOUT_S)
            stack.enter_context(closing(kept))
            senders.append(_Sender(posting(number, terminal_id, kept), seconds, every_s=EVERY_S))
        process = psutil.Process(server.process_id)
        processor, database = processor_seconds(process), console.database_processor_seconds()
        figures = _measured(senders)
        return _told(
            "over HTTP",
            count,
            figures,
            processor_seconds(process) - processor,
            console.database_processor_seconds() - database,
        )


class _Sender(threading.Thread):
    """Sends until the time is over, and takes the time of each answer."""

    def __init__(
        self,
        send: Callable[[], None],
        seconds: float,
        *,
        every_s: float,
        at_end: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self._send, self._seconds, self._every_s, self._at_end = send, seconds, every_s, at_end
        self.waits_ms: list[float] = []
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            due = time.monotonic()
            until = due + self._seconds
            while time.monotonic() < until:
                time.sleep(max(0.0, due - time.monotonic()))
                began = time.perf_counter()
                self._send()
                self.waits_ms.append((time.perf_counter() - began) * 1000)
                due = max(due + self._every_s, time.monotonic() - self._every_s)
        except Exception as error:
            self.error = error
        finally:
            if self._at_end is not None:
                self._at_end()


def _measured(senders: Sequence[_Sender]) -> dict[str, Any]:
    """Raises Failed when one of them was not answered well."""
    began = time.monotonic()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    took_s = time.monotonic() - began
    if errors := [sender.error for sender in senders if sender.error]:
        raise Failed(f"{len(errors)} of {len(senders)} recorders could not send: {errors[0]!r}")
    waits = [wait for sender in senders for wait in sender.waits_ms]
    # Whoever is kept waiting for the others shows here.
    fewest = min(len(sender.waits_ms) for sender in senders)
    return {"per_s": round(len(waits) / took_s, 1), "fewest_of_one": fewest, **p50_and_p99(waits)}


def _told(
    how: str, count: int, figures: dict[str, Any], processor_s: float, database_s: float
) -> dict[str, Any]:
    each = 1000 / max(1, figures["samples"])
    told = {
        "recorders": count,
        **figures,
        "processor_ms_per_append": round(processor_s * each, 2),
        "database_ms_per_append": round(database_s * each, 2),
    }
    say(f"{how}  {told}")
    return told


def _opened(count: int) -> list[uuid.UUID]:
    from audit.actors import SYSTEM
    from dashboard.lib.clock import now_ms
    from dashboard.lib.ids import new_id
    from sessions_app.actions.terminals import NewTerminal, open_terminal

    wanted = [
        NewTerminal(new_id(), now_ms(), COLS, ROWS, f"terminal {number}", ["make"], "/srv", "box")
        for number in range(count)
    ]
    return [open_terminal(new, actor=SYSTEM)[0].pk for new in wanted]


def _pieces(output: bytes) -> Iterator[bytes]:
    while True:
        yield from (output[at : at + BATCH_BYTES] for at in range(0, len(output), BATCH_BYTES))


def _time_us(began: float) -> int:
    return int((time.monotonic() - began) * 1e6)
