"""What writes without an entry of its own, each with the reason. The list is shown in docs/audit-cover.md."""

from typing import Final

#: Units that run inside another's transaction, which has the entry.
PARTS: Final[dict[str, str]] = {
    "bodies.BlobStore.write": "imports.ImportWriter.write",
    "import_facts.apply_session": "imports.ImportWriter.write",
    "import_unit.UnitOfWork.finish": "imports.ImportWriter.write",
    "import_unit.UnitOfWork.flush": "imports.ImportWriter.write",
    "import_unit.UnitOfWork.project": "imports.ImportWriter.write",
    "import_updates.apply_growths": "imports.ImportWriter.write",
    "import_updates.apply_results": "imports.ImportWriter.write",
    "rewriting.Rewriting.unseal": "imports.ImportWriter.write",
    "titles.keep_titles": "sessions.rename_session",
    "unrecorded.save_unrecorded": "imports.ImportWriter.write",
    "terminals.output.apply_all": "terminals.output.append_output",
    "terminals.output.insert_chunks": "terminals.output.append_output",
    "terminals.output.insert_chunk": "terminals.output.append_output",
    "timeline.append_event": "terminals.opening.open_terminal",
    "timeline.take_places": "sessions.archive_session",
}

_OWN: Final = "what a person has seen is their own affair"
_WORDS: Final = "the words of rows that entries cover, made again when they are restored"
_DERIVED: Final = "made of output that an entry covers, and made again at any time"

#: Units that write without any entry.
EXCEPTIONS: Final[dict[str, str]] = {
    "read_marks.mark_all_read": _OWN,
    "read_marks.mark_read": _OWN,
    "read_marks.take_back_all_read": _OWN,
    "read_marks.take_back_read": _OWN,
    "sources.note_same_content": "the time of a file that holds what an entry covers: nothing was read of it",
    "sources.note_source_error": "what reading a file met, replaced by the next reading; no decision of anybody",
    "terminals.closing.hear": "a sign of life of a recorder, every few seconds",
    "terminals.background.BackgroundDeriving.start": _DERIVED,
    "terminals.deriving.derive": _DERIVED,
    "terminals.deriving.derive_all": _DERIVED,
    "terminals.deriving.forget_derived": _DERIVED,
    "terminals.searching.TerminalSearch.batches": _DERIVED,
    "terminals.texts.TextChange.write": _DERIVED,
    "terminals.texts.forget_some_text": _DERIVED,
    "terminals.working.Workshop.work": _DERIVED,
    "titles.keep_all_titles": _WORDS,
    "word_index.index_everything": _WORDS,
}

#: Writes of a covered unit that come without an entry, besides.
WITHIN: Final[dict[str, str]] = {
    "terminals.output.append_output": "bytes and events of a live terminal: hashed into terminal.sealed",
    "imports.ImportWriter.write": "messages, calls and events of a history: one entry for a source and pass",
    "sign_in.sign_in": "tries are counted before the password is looked at, also those that come too soon",
    "tokens.authenticate_token": "the time of last use, kept to the minute: one entry a day",
}

#: Catalogued actions that no scenario leaves.
NOT_WALKED: Final[dict[str, str]] = {
    "access.denied": "retired: entries of earlier versions bear it, and none is written any more",
    "audit.lost": "written by the stream itself once the log takes entries again: tests/audit/test_stream.py",
}
