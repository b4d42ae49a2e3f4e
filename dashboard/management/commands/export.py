"""scrollback export ID --as FORM"""

import hashlib
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from audit.actors import command_line
from dashboard.lib.commands import EXIT_WITH_LOSSES, ConsoleCommand
from dashboard.lib.errors import CorruptData, Refused
from dashboard.shell_text import plain
from sessions_app.actions.exports import note_session_export, note_terminal_export
from sessions_app.actions.terminals.exporting import FORMS as TERMINAL_FORMS
from sessions_app.actions.terminals.exporting import export_of
from sessions_app.exporters import jsonl, markdown, picoclaw
from sessions_app.exporters.writing import refuse_existing, write_file
from sessions_app.lookup import find_named, short_id
from sessions_app.models import AgentSession, Terminal
from sessions_app.models.people import COMMAND_LINE

FORMS = ("jsonl", "markdown", "picoclaw", *TERMINAL_FORMS)


_ENDINGS = {"jsonl": "jsonl", "markdown": "md"}


@dataclass
class Export:
    """What goes out: the main stream, files beside it that are known when it is out, and what was left out."""

    form: str
    pieces: Iterator[bytes]
    note: Callable[[], None]
    beside: Callable[[Path], dict[Path, bytes]] = field(default=lambda path: {})
    losses: Callable[[], list[str]] = list
    remarks: list[str] = field(default_factory=list)


class Command(ConsoleCommand):
    help = (
        "Write a session or a terminal out of the console. jsonl: each row of the timeline as one JSON object a line, "
        "with --raw the very lines of the source; markdown: a transcript to read; picoclaw: the two files that "
        "picoclaw keeps. A terminal: asciicast (version 3), asciicast2 or asciicast1, which import again as the same "
        "bytes, the last without resizes, markers and exit; text: its lines without colours; ansi: the very bytes of "
        "its program, without their times."
    )
    example: ClassVar[str] = "scrollback export 7f3a91c2 --as markdown -o session.md"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("id", metavar="ID", help="as for `scrollback show`")
        parser.add_argument("--as", dest="form", choices=FORMS, required=True, help="the form")
        parser.add_argument("--raw", action="store_true", help="with jsonl: the source's own lines, exactly")
        parser.add_argument(
            "-o",
            "--output",
            type=Path,
            metavar="FILE",
            help="a file or folder; default, as with -: standard output",
        )
        parser.add_argument("--force", action="store_true", help="write over a file that is there")
        parser.add_argument("--json", action="store_true", help="print what was written as one JSON object")

    def run(self, **options: Any) -> int:
        found = find_named(options["id"], COMMAND_LINE)
        if options["raw"] and options["form"] != "jsonl":
            raise Refused("--raw goes with --as jsonl.")
        output: Path | None = None if options["output"] == Path("-") else options["output"]
        if output is None and (options["json"] or options["form"] == "picoclaw"):
            why = (
                "picoclaw keeps two files" if options["form"] == "picoclaw" else "--json has standard output"
            )
            raise Refused(f"{why}: name a file or folder with -o.")
        export = _export_of(found, options["form"], raw=options["raw"])
        if output is None:
            return self._stream(export)
        path = output / _file_name(found, options["form"]) if output.is_dir() else output
        return self._save(found, export, path, replace=options["force"], as_json=options["json"])

    def _stream(self, export: Export) -> int:
        export.note()
        self.stdout.flush()
        for piece in export.pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return self._say_losses(export)

    def _save(
        self, found: AgentSession | Terminal, export: Export, path: Path, *, replace: bool, as_json: bool
    ) -> int:
        if export.form == "picoclaw" and path.suffix != ".jsonl":
            raise Refused("picoclaw reads files that end in .jsonl; name one so.")
        for there in (path, *export.beside(path)):
            if not replace:
                refuse_existing(there)
        export.note()
        digest = hashlib.sha256()
        size = write_file(path, _hashed(export.pieces, digest.update), replace=replace)
        files = {str(path): size}
        for beside, content in export.beside(path).items():
            files[str(beside)] = write_file(beside, [content], replace=replace)
        if as_json:
            self.print_json(
                {
                    "id": str(found.pk),
                    "form": export.form,
                    "files": [{"path": name, "bytes": length} for name, length in files.items()],
                    "sha256": digest.hexdigest(),
                    "losses": export.losses(),
                }
            )
        else:
            self.stdout.write("\n".join(f"{name}: {length:,} bytes" for name, length in files.items()))
        return self._say_losses(export)

    def _say_losses(self, export: Export) -> int:
        losses = export.losses()
        for line in [*export.remarks, *losses]:
            self.stderr.write(line)
        return EXIT_WITH_LOSSES if losses else 0


def _export_of(found: AgentSession | Terminal, form: str, *, raw: bool) -> Export:
    if isinstance(found, Terminal):
        if form not in TERMINAL_FORMS:
            raise Refused(f"A terminal has no rows for {form}: export it --as {', '.join(TERMINAL_FORMS)}.")
        note_terminal = lambda: note_terminal_export(found, form, actor=command_line())  # noqa: E731
        return Export(form, _unless_damaged(export_of(found, form)), note_terminal)
    if form in TERMINAL_FORMS:
        raise Refused(f"This is a session; {form} is for terminals. {_terminals_of(found)}")
    named = f"{form} raw" if raw else form
    note = lambda: note_session_export(found, named, actor=command_line())  # noqa: E731
    if form == "markdown":
        return Export(form, (piece.encode() for piece in markdown.transcript(found)), note)
    if form == "picoclaw":
        return _as_picoclaw(found, note)
    if not raw:
        return Export(form, jsonl.timeline_lines(found), note)
    return _as_raw(found, note)


def _unless_damaged(pieces: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from pieces
    except CorruptData as error:
        raise Refused(f"What is stored of this terminal is damaged: {error}. Restore a backup.") from error


def _as_picoclaw(session: AgentSession, note: Callable[[], None]) -> Export:
    conversation = picoclaw.Conversation(session)
    return Export(
        "picoclaw",
        conversation.lines(),
        note,
        beside=lambda path: {path.with_suffix(".meta.json"): conversation.meta()},
        losses=conversation.losses,
    )


def _as_raw(session: AgentSession, note: Callable[[], None]) -> Export:
    sources = jsonl.sources_of(session)
    if not sources:
        raise Refused("This session was not read from files: it has no lines of a source.")
    remarks = []
    if len(sources) > 1:
        remarks = [f"{len(sources)} files, one after another:"]
        remarks += [
            f"  {source.read_offset + len(source.tail):,} bytes of {plain(source.path, 400)}"
            for source in sources
        ]
    pieces = (piece for source in sources for piece in jsonl.source_bytes(source))
    return Export("jsonl", pieces, note, remarks=remarks)


def _terminals_of(session: AgentSession) -> str:
    terminals = session.terminals.visible_to(COMMAND_LINE).newest_first()[:10]
    names = ", ".join(short_id(terminal) for terminal in terminals)
    return f"Its terminals: {names}." if names else "It has no terminal."


def _file_name(found: AgentSession | Terminal, form: str) -> str:
    if isinstance(found, AgentSession) and form == "picoclaw":
        return picoclaw.file_name(found)
    ending = TERMINAL_FORMS[form].ending if form in TERMINAL_FORMS else _ENDINGS[form]
    return f"{'session' if isinstance(found, AgentSession) else 'terminal'}-{short_id(found)}.{ending}"


def _hashed(pieces: Iterable[bytes], update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in pieces:
        update(piece)
        yield piece
