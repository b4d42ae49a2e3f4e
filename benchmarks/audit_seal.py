"""Sealing a session of 30,000 messages with its lines, and verifying it, against one of a tenth: time and memory."""

import json
from typing import Any, Final

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Costs
from benchmarks.transcripts import Transcript

MESSAGES: Final = 30_000


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from sessions_app.models import AgentSession

    (messages,) = options.scaled(MESSAGES)
    folder = console.folder / "transcripts"
    folder.mkdir()
    runs = {}
    # The small one first: verifying reads all that was sealed before.
    for number, (name, count) in enumerate({"small": max(1, messages // 10), "large": messages}.items()):
        transcript = Transcript(number + 1)
        path = folder / f"{transcript.session}.jsonl"
        transcript.write(path, count)
        say(f"importing {count:,} messages")
        console.measured("import", str(folder), "--json")
        session = AgentSession.objects.get(external_id=transcript.session)
        sealed = console.measured("audit", "seal", str(session.pk), "--json")
        verified = console.measured("audit", "verify", "--json")
        runs[name] = {
            "mb": round(path.stat().st_size / MB, 1),
            "rows": json.loads(sealed.output)["rows"],
            "seal": _figures(sealed),
            "verify": _figures(verified),
        }
        say(f"{name}  {runs[name]}")
    return {"sessions": runs}


def _figures(costs: Costs) -> dict[str, float]:
    return {
        "wall_s": round(costs.wall_s, 1),
        "processor_s": round(costs.cpu_s, 1),
        "peak_rss_mb": round(costs.peak_bytes / MB, 1),
    }
