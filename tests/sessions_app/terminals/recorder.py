"""A recorder for tests: it keeps its position as the real one does, and talks to the actions."""

from dataclasses import dataclass, field

from audit.actors import SYSTEM
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals import NewTerminal, append_output, open_terminal
from sessions_app.models import AgentSession, Terminal
from sessions_app.terminal.asciicast.model import Event, Exit, Marker, Output, Resize
from sessions_app.terminal.batch import Batch, Position
from tests.factories import START_MS


@dataclass
class Recorder:
    """`terminal` as it was opened; `refresh()` for its present row."""

    terminal: Terminal
    position: Position = field(default_factory=Position)
    time_us: int = 0

    def send(self, *events: Event) -> Position:
        self.position = append_output(self.terminal.pk, Batch(self.position, list(events)), actor=SYSTEM)
        return self.position

    def write(self, data: bytes, *, after_us: int = 1_000) -> Position:
        self.time_us += after_us
        return self.send(Output(self.time_us, data))

    def resize(self, cols: int, rows: int) -> Position:
        return self.send(Resize(self.time_us, cols, rows))

    def mark(self, label: str) -> Position:
        return self.send(Marker(self.time_us, label))

    def exit(self, status: int | None = 0) -> Position:
        return self.send(Exit(self.time_us, status))

    def refresh(self) -> Terminal:
        self.terminal.refresh_from_db()
        return self.terminal


def start_recorder(session: AgentSession | None = None, *, cols: int = 80, rows: int = 24) -> Recorder:
    new = NewTerminal(
        id=new_id(),
        started_ms=START_MS,
        cols=cols,
        rows=rows,
        command=["make", "test"],
        cwd="/home/ada/project",
        host="workshop",
        session_id=session.pk if session else None,
    )
    terminal, _ = open_terminal(new, actor=SYSTEM)
    return Recorder(terminal)
