"""What a stretch of a source says, before any of it is written.

A format's parser turns lines into drafts; `sessions_app.actions.imports` writes a batch of drafts in one
transaction. Nothing here knows the database, and a parser may run in another process: plain values only.

Keys. Every draft carries a `key`: text that names the record wherever it is met again (the record's own
uuid where the format has one, else the session's id and the place in it). The row's id is derived from
(agent, key, at_ms), so reading a record twice addresses the same row and writes nothing.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

type Role = Literal["user", "assistant", "system", "developer", "tool"]
type MessageKind = Literal["prompt", "reply", "context", "command", "summary", "notice", "error"]
type ToolKind = Literal["shell", "read", "edit", "write", "search", "web", "agent", "plan", "other"]
type CallStatus = Literal["running", "completed", "failed", "cancelled", "unanswered"]
type StatusName = Literal[
    "running", "waiting", "failed", "idle", "unfinished", "completed", "cancelled", "unknown"
]

MAIN_RUN = "main"


class Place(NamedTuple):
    """A line of the source: `size` bytes (with its newline) at `offset`; lines are counted from 1."""

    offset: int
    size: int
    line: int


class SkipLine(Exception):
    """This line cannot be used; the message says why in a few words. It is kept, counted and shown."""


class UnknownLine(SkipLine):
    """The line is well-formed, but of a kind that the parser does not know."""


@dataclass(slots=True)
class Attachment:
    """A picture or document that came inside a message."""

    media_type: str
    content: bytes
    name: str = ""


@dataclass(slots=True)
class Tokens:
    """As the source counts them; `total` is what the source calls its total."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    total: int = 0
    # Of what was written to the cache, the part that stays there for an hour.
    cache_write_1h: int = 0

    def add(self, more: "Tokens") -> None:
        self.input += more.input
        self.output += more.output
        self.cache_read += more.cache_read
        self.cache_write += more.cache_write
        self.total += more.total
        self.cache_write_1h += more.cache_write_1h


@dataclass(slots=True)
class MessageDraft:
    key: str
    run: str
    at_ms: int
    role: Role
    kind: MessageKind
    text: str
    place: Place | None
    turn: int = 0
    reasoning: str = ""
    external_id: str = ""
    model: str = ""
    stop_reason: str = ""
    is_hidden: bool = False
    attachments: list[Attachment] = field(default_factory=list)
    # What this message alone cost; the writer keeps the sums of run, session and model.
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0


@dataclass(slots=True)
class ToolCallDraft:
    key: str
    run: str
    at_ms: int
    call_id: str
    name: str
    kind: ToolKind
    title: str
    # The arguments exactly as the source has them (JSON text, or raw text for free-form tools).
    input: str
    place: Place | None
    turn: int = 0
    # Key and time of the message that made the call, when there is one.
    message: tuple[str, int] | None = None
    status: CallStatus = "running"
    output: str = ""
    ended_ms: int | None = None
    exit_status: int | None = None
    result_place: Place | None = None
    # Key of the run that this call started, when known.
    child_run: str = ""


@dataclass(slots=True)
class EventDraft:
    key: str
    run: str | None
    at_ms: int
    # A value of sessions_app.models.transcript.EventKind.
    kind: str
    text: str
    place: Place | None
    turn: int = 0
    # Details as JSON text.
    document: str = ""


type TimelineDraft = MessageDraft | ToolCallDraft | EventDraft


@dataclass(slots=True)
class MessageGrowth:
    """More of a message that an earlier batch has written (formats that stream one reply as several records)."""

    key: str
    at_ms: int
    run: str
    text: str = ""
    reasoning: str = ""
    stop_reason: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    # Added to what stands.
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    # How long text and reasoning were (characters) and how many output tokens stood before this. A message
    # that stands otherwise has grown already, through another copy of the record: nothing is added to it.
    stood: tuple[int, int, int] | None = None
    # That of the message which grows: the writer looks it up.
    model: str = ""


@dataclass(slots=True)
class CallResult:
    """The outcome of a tool call that an earlier batch has written."""

    key: str
    at_ms: int
    run: str
    status: CallStatus
    output: str
    ended_ms: int | None
    exit_status: int | None = None
    place: Place | None = None
    child_run: str = ""
    # `output` is only the beginning of what there was: it takes the place of no output that stands already.
    is_preview: bool = False


@dataclass(slots=True)
class RunDraft:
    """Facts about one run; None or "" leaves what is known already. Named by `key` within its session."""

    key: str
    parent: str | None = None
    kind: Literal["main", "subagent"] = "main"
    # `call_id` of the tool call (in the parent run) that started it; "" when the source does not say.
    spawned_by: str = ""
    agent_name: str = ""
    title: str = ""
    model: str = ""
    status: StatusName | None = None
    status_evidence: str = ""
    exit_status: int | None = None
    error: str = ""
    input: str = ""
    output: str = ""
    # The output is the beginning of one that could not be read: it takes the place of none.
    is_output_preview: bool = False
    started_ms: int | None = None
    ended_ms: int | None = None
    last_activity_ms: int | None = None
    # What it spent, by model ("" where the source does not say); added to the run's sums.
    spent: dict[str, Tokens] = field(default_factory=dict)

    def spent_with(self, model: str) -> Tokens:
        return self.spent.setdefault(model, Tokens())

    @property
    def tokens(self) -> Tokens:
        total = Tokens()
        for tokens in self.spent.values():
            total.add(tokens)
        return total


@dataclass(slots=True)
class SessionDraft:
    """Facts about one session, and its rows in the order in which they get their places on the timeline.

    None or "" leaves what is known already. `external_id` with the agent's name finds the session.
    """

    external_id: str
    agent: str
    parent_external_id: str = ""
    # title beats first_prompt as heading; a later title replaces an earlier one.
    title: str = ""
    first_prompt: str = ""
    summary: str = ""
    cwd: str = ""
    branch: str = ""
    model: str = ""
    agent_version: str = ""
    status: StatusName | None = None
    status_evidence: str = ""
    status_ms: int | None = None
    started_ms: int | None = None
    last_activity_ms: int | None = None
    ended_ms: int | None = None
    # Added to the session's count of turns.
    turns: int = 0
    # True where the format counts tokens per message: the writer sums those that are new to the database
    # (a fork repeats records), and `RunDraft.spent` stays empty. False: `RunDraft.spent` is all there is.
    tokens_from_messages: bool = False
    # The first n messages of the main run are hidden by the writing program; None says nothing about it.
    hidden_first: int | None = None
    aliases: list[str] = field(default_factory=list)
    runs: dict[str, RunDraft] = field(default_factory=dict)
    rows: list[TimelineDraft] = field(default_factory=list)
    growths: list[MessageGrowth] = field(default_factory=list)
    results: list[CallResult] = field(default_factory=list)

    def run(self, key: str) -> RunDraft:
        """The draft of this run, made when it is met for the first time in this batch."""
        found = self.runs.get(key)
        if found is None:
            found = self.runs[key] = RunDraft(key=key, kind="main" if key == MAIN_RUN else "subagent")
        return found

    def touch(self, run: str, at_ms: int) -> None:
        """Widen the session's and the run's time to hold this moment."""
        for draft in (self, self.run(run)):
            if draft.started_ms is None or at_ms < draft.started_ms:
                draft.started_ms = at_ms
            if draft.last_activity_ms is None or at_ms > draft.last_activity_ms:
                draft.last_activity_ms = at_ms


@dataclass(frozen=True, slots=True)
class PackedStretch:
    """Consecutive output, ready for its row. `offset` counts from where the batch begins."""

    offset: int
    size: int
    first_us: int
    last_us: int
    timing: bytes
    codec: str
    data: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class PackedItems:
    """Items of a terminal that are many: the output in stretches, the others with the offset where they stand."""

    stretches: list[PackedStretch]
    # (offset from where the batch begins, code, time_us, bytes)
    events: list[tuple[int, str, int, bytes]]
    size: int
    last_us: int
    # What the output ends with, for the terminal's last line.
    ending: bytes


@dataclass(slots=True)
class TerminalDraft:
    """A recorded terminal. `items` are (code, time_us, bytes) with asciicast's codes o, i, r, m, x.

    An `r` item holds b"COLSxROWS", an `m` its label in UTF-8, an `x` the status in digits.
    """

    key: str
    title: str
    command: list[str]
    cols: int
    rows: int
    started_ms: int
    environment: dict[str, str] = field(default_factory=dict)
    cwd: str = ""
    # "" when the recording does not say where it was made.
    host: str = ""
    # False when `started_ms` is only the time of its file.
    is_start_known: bool = True
    items: list[tuple[str, int, bytes]] = field(default_factory=list)
    # Instead of items, once they are many.
    packed: PackedItems | None = None
    # Something in the items is not as it stood in the source.
    is_masked: bool = False
    # How many secrets were masked in the items, by rule; one that goes on from the batch before is not counted.
    masked: dict[str, int] = field(default_factory=dict)
    # The file ends here and no more can come.
    ended: bool = False


@dataclass(slots=True)
class Draft:
    """One batch. Sessions by external id, terminals by key."""

    sessions: dict[str, SessionDraft] = field(default_factory=dict)
    terminals: dict[str, TerminalDraft] = field(default_factory=dict)
    skipped: list[tuple[Place, str]] = field(default_factory=list)
    # Lines of kinds that are not known, and remarks on lines that were used.
    unknown: list[tuple[Place, str]] = field(default_factory=list)

    def session(self, agent: str, external_id: str) -> SessionDraft:
        found = self.sessions.get(external_id)
        if found is None:
            found = self.sessions[external_id] = SessionDraft(external_id=external_id, agent=agent)
        return found

    def skip(self, place: Place, reason: str) -> None:
        """The line could not be used; what was remarked on it does not count besides."""
        if self.unknown and self.unknown[-1][0] == place:
            self.unknown.pop()
        self.skipped.append((place, reason))

    def remark(self, place: Place, text: str) -> None:
        """Something in this line is not known or could not be used. A line counts once, whatever is remarked on it."""
        if self.unknown and self.unknown[-1][0] == place:
            text = f"{self.unknown.pop()[1]}; {text}"
        self.unknown.append((place, text))


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a parser may know about the file beside its lines."""

    path: str
    # Small companion files by name, read whole when the pass began (sidecars such as *.meta.json).
    companions: dict[str, bytes] = field(default_factory=dict)
    modified_ms: int = 0


class Parser(Protocol):
    """Reads one source, line by line, in order.

    `draft` is replaced with an empty one by whoever drives the parser after each batch was taken; what
    must survive a batch lives in the parser and, as plain bounded JSON, in `state()`: a parser made from
    that state goes on as if it had never stopped.
    """

    draft: Draft

    def feed(self, line: bytes, place: Place) -> None:
        """Take one line without its newline. Raises SkipLine (UnknownLine) for what it cannot use."""
        ...

    def close_batch(self, *, following: bool) -> None:
        """The lines so far end here: set status and evidence of the sessions and runs touched.

        `following` says that the source is being watched, so an open turn is running, not unfinished.
        """
        ...

    def state(self) -> dict[str, Any]: ...


@runtime_checkable
class LinesAtOnce(Protocol):
    """A parser that can take many plain lines in one go."""

    def feed_lines(self, lines: bytes, count: int) -> bool:
        """Take `count` whole lines with their newlines. False, and nothing taken, when each is to be fed alone."""
        ...


@runtime_checkable
class AwaitsFiles(Protocol):
    """A parser that reads files beside its source where a line names one, and waits for those that are missing."""

    def awaited(self) -> list[str]:
        """Paths, bounded in number. Once one of them is there a batch is closed, though no line has come.

        That batch takes it, or gives it up: it is named no more.
        """
        ...


class Format(Protocol):
    """One foreign format; each module of this package that has one is named in `registry.FORMATS`."""

    # "claude-code", "codex", "picoclaw", "asciicast", …: also `AgentSession.agent`.
    name: str
    # Raised when the parser reads the same bytes differently than before.
    version: int
    # True when the file is one document, read whole, instead of lines that are appended.
    is_document: bool
    # True when the file is the recording of a terminal.
    is_recording: bool

    def recognises(self, path: str, head: bytes) -> bool:
        """Is this file of this format? `head` is its first 64 KB (decompressed)."""
        ...

    def companions(self, path: str) -> list[str]:
        """Paths of small files that belong to it; those that do not exist are left out by the reader."""
        ...

    def parser(self, facts: SourceFacts, state: dict[str, Any]) -> Parser: ...

    def default_roots(self, environment: dict[str, str], home: str) -> list[str]:
        """Where this agent keeps its histories on this machine, existing or not."""
        ...
