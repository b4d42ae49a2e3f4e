"""What Claude Code's tools do, and the one line by which a call is known when it is folded."""

from typing import Any

import msgspec

from sessions_app.drafts import ToolKind
from sessions_app.importers.json_lines import brief, list_of, text_of

_KINDS: dict[str, ToolKind] = {
    "Bash": "shell", "BashOutput": "shell", "KillShell": "shell", "KillBash": "shell", "PowerShell": "shell",
    "Read": "read", "NotebookRead": "read", "ReadMcpResource": "read",
    "Write": "write",
    "Edit": "edit", "MultiEdit": "edit", "NotebookEdit": "edit",
    "Glob": "search", "Grep": "search", "LS": "search", "ToolSearch": "search", "LSP": "search",
    "WebFetch": "web", "WebSearch": "web", "web_search": "web", "web_fetch": "web",
    "Task": "agent", "Agent": "agent", "Workflow": "agent",
    "TodoWrite": "plan", "ExitPlanMode": "plan", "EnterPlanMode": "plan",
    "TaskCreate": "plan", "TaskUpdate": "plan", "TaskList": "plan", "TaskGet": "plan",
}  # fmt: skip

# Calls that nobody but the operator can answer.
ASKS_THE_OPERATOR = frozenset({"AskUserQuestion", "ExitPlanMode"})
STARTS_AN_AGENT = frozenset({"Task", "Agent"})


class Arguments(msgspec.Struct, gc=False):
    """The arguments that name what a call is about; long ones such as file bodies are skipped undecoded."""

    command: Any = None
    file_path: Any = None
    notebook_path: Any = None
    path: Any = None
    pattern: Any = None
    url: Any = None
    query: Any = None
    description: Any = None
    prompt: Any = None
    subagent_type: Any = None
    name: Any = None
    subject: Any = None
    bash_id: Any = None
    shell_id: Any = None
    script_path: Any = msgspec.field(name="scriptPath", default=None)
    questions: Any = None
    todos: Any = None
    plan: Any = None


_arguments = msgspec.json.Decoder(Arguments)
_anything = msgspec.json.Decoder()

# In which order the arguments are tried for a tool's title.
_TITLES: dict[str, tuple[str, ...]] = {
    "Bash": ("command", "description"),
    "Task": ("description", "prompt"),
    "Agent": ("description", "prompt"),
    "Workflow": ("name", "script_path", "description"),
    "NotebookEdit": ("notebook_path",),
    "Grep": ("pattern", "path"),
    "Glob": ("pattern", "path"),
    "WebFetch": ("url",),
    "WebSearch": ("query",),
}
_USUAL = (
    "file_path", "notebook_path", "path", "command", "pattern", "query", "url", "bash_id", "shell_id",
    "subject", "description", "name", "prompt",
)  # fmt: skip


def kind_of(name: str) -> ToolKind:
    return _KINDS.get(name, "other")


def arguments_of(raw: msgspec.Raw) -> Arguments:
    """Those arguments that are known by name; none when the input is no object."""
    try:
        return _arguments.decode(raw)
    except (ValueError, RecursionError):
        return Arguments()


def title_of(name: str, arguments: Arguments, raw: msgspec.Raw) -> str:
    """One line of at most 300 characters; may be empty."""
    if name == "TodoWrite":
        return _todos(list_of(arguments.todos))
    if name == "ExitPlanMode":
        return brief(text_of(arguments.plan))
    if name == "AskUserQuestion":
        questions = [item.get("question") for item in list_of(arguments.questions) if isinstance(item, dict)]
        return brief(" / ".join(text_of(question) for question in questions))
    if name in ("Grep", "Glob"):
        where = f" in {text_of(arguments.path)}" if text_of(arguments.path) else ""
        return brief(text_of(arguments.pattern) + where)
    for field in _TITLES.get(name, _USUAL):
        value = getattr(arguments, field)
        if isinstance(value, str) and value.strip():
            return brief(value)
    return _summary(raw)


def _todos(todos: list[Any]) -> str:
    entries = [entry for entry in todos if isinstance(entry, dict)]
    done = sum(entry.get("status") == "completed" for entry in entries)
    current = next((entry for entry in entries if entry.get("status") == "in_progress"), {})
    text = text_of(current.get("activeForm")) or text_of(current.get("content"))
    return brief(f"{done} of {len(entries)} done" + (f": {text}" if text else ""))


def _summary(raw: msgspec.Raw) -> str:
    """The first few plain arguments of a tool that is not known by name."""
    try:
        found = _anything.decode(raw)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    plain = [f"{key}: {value}" for key, value in found.items() if isinstance(value, str | int | float | bool)]
    return brief(", ".join(part[:120] for part in plain[:4]))
