"""What a transcript's path says about it. The three layouts that Claude Code has used:

<project>/<session>.jsonl                                        the main agent, early subagents inside
<project>/agent-<agent>.jsonl                                    a subagent, since 2.0.28
<project>/<session>/subagents/agent-<agent>.jsonl (.meta.json)   a subagent, since 2.1
<project>/<session>/subagents/workflows/<workflow>/agent-<agent>.jsonl and journal.jsonl

Outputs that are too large for any of them stand in <project>/<session>/tool-results/.
"""

import re
from typing import Any, NamedTuple

from sessions_app.drafts import SkipLine, SourceFacts
from sessions_app.importers.json_lines import decode_value, mapping_of

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ENDINGS = (".zst", ".gz", ".jsonl")
SIDECAR = ".meta.json"
_OUTPUTS = "tool-results"


class Layout(NamedTuple):
    """Ids that the path names, "" for each that it does not."""

    session: str
    agent: str
    workflow: str
    is_journal: bool = False


def layout_of(path: str) -> Layout:
    *folders, name = path.replace("\\", "/").split("/")
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    session = workflow = ""
    if "subagents" in folders:
        position = len(folders) - 1 - folders[::-1].index("subagents")
        session = folders[position - 1] if position else ""
        below = folders[position + 1 :]
        workflow = below[1] if len(below) > 1 and below[0] == "workflows" else ""
    elif _UUID.fullmatch(name):
        session = name
    agent = name.removeprefix("agent-") if name.startswith("agent-") else ""
    return Layout(session, agent, workflow, is_journal=name == "journal")


def outputs_folder(path: str, session: str) -> str:
    """Where the session of this transcript keeps outputs that are too large for it; "" where nobody can know.

    `session` is what the records say, for a transcript whose path does not.
    """
    *folders, _ = path.replace("\\", "/").split("/")
    named = layout_of(path).session or session
    if not _UUID.fullmatch(named):
        return ""
    if "subagents" not in folders:
        return "/".join([*folders, named, _OUTPUTS])
    position = len(folders) - 1 - folders[::-1].index("subagents")
    return "/".join([*folders[:position], _OUTPUTS])


def is_outputs_folder(path: str) -> bool:
    """Whether what lies in this folder is read with a transcript, and is no history of its own."""
    folder, _, name = path.replace("\\", "/").rpartition("/")
    return name == _OUTPUTS and bool(_UUID.fullmatch(folder.rpartition("/")[2]))


def sidecar_path(path: str) -> str:
    """Where the facts about a subagent's transcript stand; "" for a transcript that has none."""
    folder, slash, name = path.replace("\\", "/").rpartition("/")
    if not name.startswith("agent-"):
        return ""
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return f"{folder}{slash}{name}{SIDECAR}"


def sidecar_of(facts: SourceFacts) -> dict[str, Any]:
    """The sidecar's content; nothing when it is missing or broken."""
    for name, content in facts.companions.items():
        if name.endswith(SIDECAR):
            try:
                return mapping_of(decode_value(content))
            except SkipLine:
                return {}
    return {}
