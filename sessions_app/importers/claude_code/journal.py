"""A workflow's journal: no transcript, but it says which of its agents have given a result."""

from typing import Any

from sessions_app.drafts import MAIN_RUN, Draft, Place, SkipLine, SourceFacts, UnknownLine
from sessions_app.importers.claude_code.layout import layout_of
from sessions_app.importers.claude_code.reading import AGENT, bounded
from sessions_app.importers.json_lines import brief, decode_object, json_text, text_of

ENTRY_TYPES = frozenset({"started", "result"})


class JournalParser:
    """Implements `draft.Parser`. A journal bears no times, so it gives a run's outcome and nothing else."""

    def __init__(self, facts: SourceFacts, state: dict[str, Any]) -> None:
        self.layout = layout_of(facts.path)
        self.draft = Draft()

    def feed(self, line: bytes, place: Place) -> None:
        if not line.strip():
            return
        fields = decode_object(line)
        kind, agent = fields.get("type"), bounded(text_of(fields.get("agentId")))
        if not isinstance(kind, str) or kind not in ENTRY_TYPES:
            raise UnknownLine(f'journal entry of unknown type "{brief(text_of(kind), 60)}"')
        if not agent:
            raise SkipLine("names no agent")
        if not self.layout.session:
            raise SkipLine("names no session")
        session = self.draft.session(AGENT, self.layout.session)
        session.tokens_from_messages = True
        session.run(MAIN_RUN)
        run = session.run(agent)
        if kind == "result":
            result = fields.get("result")
            run.status, run.status_evidence = (
                "completed",
                f"result in the workflow's journal, line {place.line:,}",
            )
            run.output = (
                result if isinstance(result, str) else json_text(result) if result is not None else ""
            )

    def close_batch(self, *, following: bool) -> None:
        """Everything is said by the entries themselves."""

    def state(self) -> dict[str, Any]:
        return {}
