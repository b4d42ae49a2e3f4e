"""The forms in which entries leave, and the bytes of an export."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from audit.exports import ndjson, ocsf, syslog, table
from audit.exports.rows import Row, matching_rows
from audit.query import Query


@dataclass(frozen=True, slots=True)
class Form:
    name: str
    ending: str
    content_type: str
    line: Callable[[Row], str]
    head: Callable[[], str] = str


FORMS: Final[dict[str, Form]] = {
    "ndjson": Form("NDJSON, the text as hashed", "ndjson", "application/x-ndjson", ndjson.line),
    "csv": Form("CSV, for spreadsheets", "csv", "text/csv; charset=utf-8", table.line, table.head),
    "ocsf": Form(f"OCSF {ocsf.VERSION}", "ocsf.ndjson", "application/x-ndjson", ocsf.line),
    "rfc5424": Form("Syslog, RFC 5424", "log", "text/plain; charset=utf-8", syslog.line),
}


def pieces(query: Query, size: int, form: Form) -> Iterator[bytes]:
    """The export a batch at a time: however long it is, no more than one is in memory."""
    if head := form.head():
        yield head.encode()
    for batch in matching_rows(query, size):
        yield "".join(map(form.line, batch)).encode()
