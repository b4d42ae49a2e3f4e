"""A viewer that loses its connection again and again, and is told on by what it shows."""

import json
import random
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.processes import Failed
from benchmarks.websocket import Closed, WebSocket
from sessions_app.terminal import wire
from sessions_app.terminal.engine.model import Output, Resize
from sessions_app.terminal.follower import Follower, Hole

ACK_BYTES = 128 * 1024
# How long a viewer waits for the next message before it takes the connection for dead.
PATIENCE_S = 3.0

type Step = bytes | Output | Resize


@dataclass
class Showing:
    """What a viewer showed from one fresh terminal of `size` to the next.

    It began with `screen`, which draws what was out after `begun` bytes, and went on by `steps` up to `end` bytes.
    """

    size: tuple[int, int]
    begun: int = 0
    screen: bytes = b""
    steps: list[Step] = field(default_factory=list)
    end: int = 0


class Viewer(threading.Thread):
    """Follows a terminal to its end over any number of connections.

    `written` is all output that anybody may have seen. What the viewer shows beyond, before or instead of it is
    counted in `wrong`; `showings` are all that it showed.
    """

    def __init__(
        self,
        connect: Callable[[int], WebSocket],
        written: bytearray,
        size: tuple[int, int],
        *,
        seed: int,
        attached: "Attaches",
    ) -> None:
        super().__init__(daemon=True)
        self._connect = connect
        self._written = written
        self._first_size = size
        self._random = random.Random(seed)
        self._attached = attached
        self._follower = Follower()
        self.wrong: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self.showings = [Showing(size)]

    def run(self) -> None:
        try:
            while not self._follower.ended:
                self._attach()
        except BaseException as error:
            self.failure = error

    def _attach(self) -> None:
        chance = self._random.random()
        if chance < 0.1 and not self._attached.is_over:
            # A page that is opened anew.
            self._follower = Follower()
            self.showings.append(Showing(self._first_size))
        elif chance < 0.3:
            # A phone that sleeps for a while.
            self._attached.rest(self._random.random())
        self._follower.reconnected()
        try:
            with self._connect(self._follower.expected) as live:
                self._attached.one_more()
                self._follow(live)
        except (Closed, Failed, OSError):
            # The network, or the server is away.
            self._attached.rest(0.05)

    def _follow(self, live: WebSocket) -> None:
        acknowledged = self._follower.expected
        left = self._random.randrange(1, 400)
        while not self._follower.ended:
            applied = self._follower.receive(wire.decode(live.receive()))
            if isinstance(applied, Hole):
                self.told["missing, asked for again"] += 1
                return
            if applied is not None:
                self._show(applied)
            expected = self._follower.expected
            if expected - acknowledged >= ACK_BYTES or expected == len(self._written):
                live.send(json.dumps({"ack": expected}))
                acknowledged = expected
            left -= 1
            if not left and not self._attached.is_over:
                return

    def _show(self, frame: wire.Frame) -> None:
        showing = self.showings[-1]
        match frame:
            case wire.OutputFrame(offset, _, data):
                if offset != showing.end:
                    self.wrong["hole" if offset > showing.end else "duplicate"] += 1
                if data != self._written[offset : offset + len(data)]:
                    self.wrong["other bytes"] += 1
                showing.end = offset + len(data)
                showing.steps.append(data)
            case wire.KeyframeFrame(offset, _, cols, rows, data):
                self.showings.append(Showing((cols, rows), offset, data, end=offset))
                self.told["screen" if data else "empty screen"] += 1
            case wire.ResizeFrame(offset, time_us, cols, rows):
                showing.steps.append(Resize(0, offset, time_us, cols, rows))
                self.told["resize"] += 1
            case wire.GapFrame():
                self.told["gap"] += 1
            case _:
                pass


class Attaches:
    """How often anybody has attached so far; enough is `wanted`."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.count = 0
        self._lock = threading.Lock()
        self._enough = threading.Event()

    @property
    def is_over(self) -> bool:
        return self._enough.is_set()

    def one_more(self) -> None:
        with self._lock:
            self.count += 1
        if self.count >= self.wanted:
            self._enough.set()

    def rest(self, seconds: float) -> None:
        """Wait, but not once it is over."""
        self._enough.wait(seconds) if not self.is_over else threading.Event().wait(0.05)
