"""User records: what a person typed, what programs put beside it, and the results of tools."""

from sessions_app.drafts import MAIN_RUN, Attachment, MessageDraft, MessageKind, Place
from sessions_app.importers.claude_code import results
from sessions_app.importers.claude_code.content import is_result, keep_attachment
from sessions_app.importers.claude_code.reading import Entry, Reading
from sessions_app.importers.claude_code.records import Record, message_of, plain, said_in
from sessions_app.importers.claude_code.wording import INTERRUPTED, command_text, kind_of_text
from sessions_app.importers.json_lines import brief


def read_user(reading: Reading, record: Record, place: Place) -> None:
    blocks, lost = said_in(message_of(record.message))
    entry = reading.enter(record, place)
    if entry is None:
        return
    reading.remark_lost(lost, place)
    texts: list[str] = []
    attachments: list[Attachment] = []
    for block in blocks:
        if isinstance(block, str):
            texts.append(block)
        elif block.type == "text":
            texts.append(plain(block.text))
        elif is_result(block):
            results.end_call(reading, entry, record, block)
        else:
            note = keep_attachment(block, attachments)
            texts.append(note)
    texts = [text for text in texts if text.strip()]
    if texts or attachments:
        _write_user(reading, entry, record, texts, attachments)


def _write_user(
    reading: Reading, entry: Entry, record: Record, texts: list[str], attachments: list[Attachment]
) -> None:
    """One message for what a person typed, another for what programs put beside it."""
    by_kind: dict[MessageKind, list[str]] = {}
    for text in texts:
        if text.startswith(INTERRUPTED):
            entry.event("turn.aborted", text.strip("[]"), key=f"{entry.key}#aborted")
            results.abandon_calls(entry)
            entry.run.stands("interrupted", entry.at_ms)
        else:
            by_kind.setdefault(kind_of_text(record, text), []).append(text)
    if not by_kind and attachments:
        by_kind["context" if record.is_meta is True else "prompt"] = []
    kinds: list[MessageKind] = ["context", "summary", "command", "prompt"]
    present = [kind for kind in kinds if kind in by_kind]
    for kind in present:
        is_chief = kind == present[-1]
        write_prompt(
            reading, entry, kind, "\n\n".join(by_kind[kind]),
            attachments=attachments if is_chief else [], key=entry.key if is_chief else f"{entry.key}#{kind}",
        )  # fmt: skip


def write_prompt(
    reading: Reading, entry: Entry, kind: MessageKind, text: str, *, attachments: list[Attachment], key: str,
    opens_turn: bool = True,
) -> None:  # fmt: skip
    """A message of the user's side, and what follows from it for the run when it asks the agent to work."""
    for_agent = kind == "prompt"
    if kind == "command":
        text, for_agent = command_text(text)
    if for_agent and opens_turn:
        _open_turn(entry, text)
        if entry.run.key != MAIN_RUN and not entry.run.is_linked:
            results.link_to_caller(entry, text)
    entry.draft.rows.append(
        MessageDraft(
            key=key, run=entry.run.key, at_ms=entry.at_ms, role="user", kind=kind, text=text,
            place=entry.place, turn=entry.session.turn, attachments=attachments,
        )
    )  # fmt: skip


def _open_turn(entry: Entry, text: str) -> None:
    session, run = entry.session, entry.run
    if run.key == MAIN_RUN:
        session.turn += 1
        entry.draft.turns += 1
        if not session.has_prompt and text.strip():
            session.has_prompt = True
            entry.draft.first_prompt = brief(text)
    results.abandon_calls(entry)
    run.stands("prompt", entry.at_ms)
    if not run.has_input:
        run.has_input = True
        entry.run_draft.input = text
