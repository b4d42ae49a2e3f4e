"""Opening a session of 30,000 messages, against one of 100: time in the server, and what is sent."""

from typing import Any

from benchmarks.harness import MB, Console, Options, say
from benchmarks.transcripts import Transcript

MESSAGES = 30_000
SMALL_MESSAGES = 100
TARGET_P95_MS = 150
TARGET_SENT_BYTES = 300_000


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from benchmarks import visiting

    (messages,) = options.scaled(MESSAGES)
    person = visiting.make_operator()
    transcripts = {"small": Transcript(1), "large": Transcript(2)}
    sizes = {"small": min(SMALL_MESSAGES, messages), "large": messages}
    folder = console.folder / "transcripts"
    folder.mkdir()
    for name, transcript in transcripts.items():
        transcript.write(folder / f"{transcript.session}.jsonl", sizes[name])
    say("importing them")
    console.measured("import", str(folder), "--json")
    sessions: dict[str, dict[str, Any]] = {}
    with visiting.serving(console) as server, visiting.Visitor(server, visiting.cookie_of(person)) as visitor:
        client = visiting.client_of(person)
        for name, transcript in transcripts.items():
            size = (folder / f"{transcript.session}.jsonl").stat().st_size
            sessions[name] = _measure(transcript.session, size, client, visitor, options.requests())
            say(f"{name}  {sessions[name]}")
    return {
        "sessions": sessions,
        "large_to_small": {
            "in_process_cpu": _ratio(sessions, "in_process", "cpu_p50_ms"),
            "in_process": _ratio(sessions, "in_process", "p50_ms"),
            "over_http": _ratio(sessions, "over_http", "p50_ms"),
            "plain_bytes": round(sessions["large"]["plain_bytes"] / sessions["small"]["plain_bytes"], 2),
        },
        "target": {"p95_ms": TARGET_P95_MS, "sent_bytes": TARGET_SENT_BYTES, "large_to_small": 1.2},
    }


def _measure(external_id: str, size: int, client: Any, visitor: Any, count: int) -> dict[str, Any]:
    from benchmarks import visiting
    from sessions_app.models import AgentSession

    session = AgentSession.objects.get(external_id=external_id)
    path = f"/sessions/{session.pk}/"
    answer = visitor.get(path)
    return {
        "mb": round(size / MB, 2),
        "messages": session.message_count,
        "tool_calls": session.tool_call_count,
        "plain_bytes": len(answer.plain),
        "sent_bytes": answer.sent,
        "encoding": answer.encoding or "none",
        "gzip_bytes": visiting.gzip_size(answer.plain),
        **visiting.page_figures(path, client, visitor, count),
    }


def _ratio(sessions: dict[str, dict[str, Any]], way: str, figure: str) -> float:
    return round(float(sessions["large"][way][figure]) / float(sessions["small"][way][figure]), 2)
