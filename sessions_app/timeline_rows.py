"""One row of a transcript: a message, a tool call or an event, with what a page says about it."""

from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal

from django.urls import reverse
from django.utils.safestring import SafeString

from dashboard.lib.formatting import exact_time
from dashboard.lib.text import one_line
from sessions_app import markdown
from sessions_app.legible import legible
from sessions_app.models import (
    AgentSession,
    Event,
    EventKind,
    Message,
    MessageKind,
    MessageRole,
    ToolCall,
    ToolCallStatus,
    ToolKind,
)

LINE_CHARS: Final = 200
_TITLE_CHARS: Final = 300
# What a browser may draw from this origin. No SVG: it is a document with scripts.
IMAGE_TYPES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif"})
# Folded to one line: what programs wrote into the conversation.
_FOLDED: Final = frozenset({MessageKind.CONTEXT, MessageKind.COMMAND, MessageKind.NOTICE})

CALL_GLYPHS: Final[dict[str, str]] = {
    ToolKind.SHELL: "shell",
    ToolKind.READ: "file",
    ToolKind.EDIT: "edit",
    ToolKind.WRITE: "edit",
    ToolKind.SEARCH: "search",
    ToolKind.WEB: "globe",
    ToolKind.AGENT: "subagent",
    ToolKind.PLAN: "plan",
}
_EVENT_GLYPHS: Final[dict[str, str]] = {
    EventKind.RUN_STARTED: "subagent",
    EventKind.RUN_ENDED: "subagent",
    EventKind.SESSION_ARCHIVED: "archived",
    EventKind.SESSION_UNARCHIVED: "archived",
    EventKind.SESSION_DELETED: "trash",
    EventKind.SESSION_RESTORED: "undo",
    EventKind.SESSION_TITLED: "edit",
    EventKind.SESSION_RESUMED: "play",
    EventKind.TURN_ABORTED: "cancelled",
    EventKind.TURN_ROLLED_BACK: "undo",
    EventKind.FILES_SNAPSHOT: "file",
    EventKind.MODEL_CHANGED: "model",
    EventKind.ERROR_REPORTED: "failed",
    EventKind.TERMINAL_OPENED: "terminals",
    EventKind.TERMINAL_CLOSED: "terminals",
    EventKind.NOTED: "note",
}
MESSAGE_GLYPHS: Final[dict[str, str]] = {
    MessageKind.PROMPT: "person",
    MessageKind.REPLY: "agent",
    MessageKind.ERROR: "failed",
    MessageKind.SUMMARY: "note",
}
_MESSAGE_ROLES: Final[dict[str, str]] = {MessageKind.PROMPT: "user", MessageKind.REPLY: "assistant"}

type Subject = Message | ToolCall | Event


@dataclass
class Row[S: Subject]:
    """What all have: the place, the moment. `day` is set on the first row of a day, `continues` on a reply
    that goes on after its own calls.
    """

    session: AgentSession
    subject: S
    day: str = ""
    continues: bool = False

    kind: ClassVar[Literal["message", "call", "event"]]

    @property
    def seq(self) -> int:
        return self.subject.seq

    @property
    def at_ms(self) -> int:
        return self.subject.at_ms

    @property
    def offset_ms(self) -> int:
        """Its place on the session's clock."""
        return max(0, self.subject.at_ms - self.session.started_ms)

    @property
    def stamp(self) -> str:
        return exact_time(self.subject.at_ms)

    @property
    def href(self) -> str:
        return f"{reverse('session', args=[self.session.pk])}?at={self.seq}"

    @property
    def template(self) -> str:
        return f"sessions_app/session/_row_{self.kind}.html"

    @property
    def drawn_chars(self) -> int:
        """How much text the row brings to a page, beside its own frame."""
        return 0


@dataclass
class MessageRow(Row[Message]):
    kind: ClassVar[Literal["message", "call", "event"]] = "message"

    @property
    def is_folded(self) -> bool:
        return self.subject.kind in _FOLDED or self.subject.role == MessageRole.TOOL

    @property
    def is_bare(self) -> bool:
        """It only made calls: it has a place, and nothing to show."""
        message = self.subject
        return not (message.text or message.reasoning_size or message.attachments)

    @property
    def template(self) -> str:
        return f"sessions_app/session/_row_{'folded' if self.is_folded else 'message'}.html"

    @property
    def drawn_chars(self) -> int:
        return 0 if self.is_folded else len(self.subject.text)

    @property
    def glyph(self) -> str:
        return MESSAGE_GLYPHS.get(self.subject.kind, "system")

    @property
    def speaker(self) -> str:
        return _MESSAGE_ROLES.get(self.subject.kind, "system")

    @property
    def tone(self) -> str:
        return "fail" if self.subject.kind == MessageKind.ERROR else ""

    @property
    def notes(self) -> list[str]:
        """What is said beside its author."""
        message, notes = self.subject, list[str]()
        if message.model and message.model != self.session.model:
            notes.append(message.model)
        if message.is_hidden:
            notes.append("hidden by the agent")
        if message.stop_reason == "max_tokens":
            notes.append("cut off at the token limit")
        return notes

    @property
    def html(self) -> SafeString:
        """The text, drawn. What is longer than a row holds goes on behind a link."""
        return markdown.to_html(self.subject.text)

    @property
    def plain(self) -> str:
        return legible(self.subject.text)

    @property
    def line(self) -> str:
        return legible(one_line(self.subject.text, LINE_CHARS))

    @property
    def reasoning_line(self) -> str:
        return legible(one_line(getattr(self.subject, "reasoning_head", ""), LINE_CHARS))

    @property
    def is_cut(self) -> bool:
        return self.subject.text_blob_id is not None

    @property
    def attachments(self) -> list[dict[str, Any]]:
        """What came with it, each with its address."""
        address = reverse("session-message", args=[self.session.pk, self.subject.pk])
        return [
            {
                "href": f"{address}attachments/{number}/",
                "is_image": described.get("media_type") in IMAGE_TYPES,
                "label": legible(str(described.get("name") or described.get("media_type") or "Attachment")),
                "size": int(described.get("size") or 0),
            }
            for number, described in enumerate(self.subject.attachments)
        ]


@dataclass
class CallRow(Row[ToolCall]):
    kind: ClassVar[Literal["message", "call", "event"]] = "call"

    @property
    def glyph(self) -> str:
        return CALL_GLYPHS.get(self.subject.kind, "tool")

    @property
    def title(self) -> str:
        return legible(one_line(self.subject.title, _TITLE_CHARS))

    @property
    def status(self) -> str:
        return "unknown" if self.subject.status == ToolCallStatus.UNANSWERED else self.subject.status

    @property
    def word(self) -> str:
        """What the status badge says instead of its own word."""
        if self.subject.status == ToolCallStatus.UNANSWERED:
            return "No result"
        failed = self.subject.status == ToolCallStatus.FAILED
        return f"exit {self.subject.exit_status}" if failed and self.subject.exit_status is not None else ""

    @property
    def size(self) -> int | None:
        return self.subject.output_size or None


@dataclass
class EventRow(Row[Event]):
    kind: ClassVar[Literal["message", "call", "event"]] = "event"

    @property
    def glyph(self) -> str:
        return _EVENT_GLYPHS.get(self.subject.kind, "event")

    @property
    def tone(self) -> str:
        return "fail" if self.subject.kind == EventKind.ERROR_REPORTED else ""

    @property
    def title(self) -> str:
        return legible(one_line(self.subject.text, _TITLE_CHARS))


type AnyRow = MessageRow | CallRow | EventRow


def row_of(session: AgentSession, subject: Subject) -> AnyRow:
    if isinstance(subject, Message):
        return MessageRow(session, subject)
    return CallRow(session, subject) if isinstance(subject, ToolCall) else EventRow(session, subject)
