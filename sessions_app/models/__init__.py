from sessions_app.models.blob import Blob, Codec
from sessions_app.models.people import ApiToken, Person, Role, Scope, SetupLink, SignInFailure
from sessions_app.models.personal import Note, ReadMark, SavedView, SessionTag, Star, Tag
from sessions_app.models.project import Project
from sessions_app.models.run import Run, RunKind
from sessions_app.models.search import SearchEntry, SearchKind, TitleWords
from sessions_app.models.session import AgentSession, SessionAlias, Status
from sessions_app.models.source import SessionSource, SkippedLine, Source, SourceChunk, SourceState
from sessions_app.models.terminal import (
    Terminal,
    TerminalChunk,
    TerminalEvent,
    TerminalEventKind,
    TerminalSegment,
    TerminalState,
)
from sessions_app.models.terminal_derived import TerminalKeyframe, TerminalText
from sessions_app.models.transcript import (
    PROMPT_KINDS,
    Event,
    EventKind,
    Message,
    MessageKind,
    MessageRole,
    ToolCall,
    ToolCallStatus,
    ToolKind,
)
from sessions_app.models.usage import ModelUsage

__all__ = [
    "PROMPT_KINDS",
    "AgentSession",
    "ApiToken",
    "Blob",
    "Codec",
    "Event",
    "EventKind",
    "Message",
    "MessageKind",
    "MessageRole",
    "ModelUsage",
    "Note",
    "Person",
    "Project",
    "ReadMark",
    "Role",
    "Run",
    "RunKind",
    "SavedView",
    "Scope",
    "SearchEntry",
    "SearchKind",
    "SessionAlias",
    "SessionSource",
    "SessionTag",
    "SetupLink",
    "SignInFailure",
    "SkippedLine",
    "Source",
    "SourceChunk",
    "SourceState",
    "Star",
    "Status",
    "Tag",
    "Terminal",
    "TerminalChunk",
    "TerminalEvent",
    "TerminalEventKind",
    "TerminalKeyframe",
    "TerminalSegment",
    "TerminalState",
    "TerminalText",
    "TitleWords",
    "ToolCall",
    "ToolCallStatus",
    "ToolKind",
]
