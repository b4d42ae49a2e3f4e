"""What the console takes while nothing happens: the server without and with open pages, and `watch`."""

import json
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]  # its types are a package of their own

from benchmarks.harness import MB, SCROLLBACK, Console, Options, say
from benchmarks.processes import Failed, Following, processor_seconds, resident_bytes
from benchmarks.transcripts import Transcript
from benchmarks.websocket import WebSocket

if TYPE_CHECKING:  # it needs Django set up
    from benchmarks.visiting import Visitor

SECONDS = 60
SOCKETS = 20
SETTLE_S = 3.0
# A server that starts looks through all that was sealed, at a tenth of a core at most, and then once a day. It is over
# when it has stood at the end of the log for so long: what is found there may give entries of its own.
SETTLED_FOR_S = 15.0
LOOK_EVERY_S = 1.0
LONGEST_SETTLING_S = 900.0
# A folder as agents leave it: so many histories, none of them growing.
HISTORIES = 200


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from django.conf import settings

    from benchmarks import visiting
    from sessions_app.actions.sealing import QUIET_MS
    from sessions_app.models import AgentSession

    (seconds,) = options.scaled(SECONDS)
    folder = console.folder / "projects"
    folder.mkdir()
    for seed in range(HISTORIES // 10 if options.quick else HISTORIES):
        transcript = Transcript(seed)
        transcript.write(folder / f"{transcript.session}.jsonl", 20)
    console.measured("import", str(folder), "--json")
    figures: dict[str, Any] = {"seconds": seconds, "sockets": SOCKETS}
    if not options.quick:
        # What changed within the last minute is not sealed. A server would come to it later: that is work, not rest.
        say("letting what was imported come to rest")
        time.sleep(QUIET_MS / 1000 + SETTLE_S)
        figures["sealed"] = json.loads(console.measured("audit", "seal", "--json").output)
    cookie = visiting.cookie_of(visiting.make_operator())
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
    with visiting.serving(console) as server:
        with visiting.Visitor(server, cookie) as visitor:
            # As it stands after somebody has been there.
            for path in ("/", "/sessions/", f"/sessions/{AgentSession.objects.newest_first()[0].pk}/"):
                visitor.get(path)
            settled_for_s = SETTLED_FOR_S / 10 if options.quick else SETTLED_FOR_S
            figures["settled"] = _settled(visitor, psutil.Process(server.process_id), settled_for_s)
        figures["server"] = _at_rest(console, server.process_id, seconds)
        say(f"server  {figures['server']}")
        sessions = list(AgentSession.objects.newest_first().values_list("pk", flat=True)[: SOCKETS // 2])
        paths = [f"/live/sessions/{pk}/?after=0" for pk in sessions]
        paths += ["/live/console/"] * (SOCKETS - len(paths))
        with ExitStack() as stack:
            for path in paths:
                stack.enter_context(WebSocket(server.port, path, headers))
            figures["server_with_sockets"] = _at_rest(console, server.process_id, seconds)
        say(f"server with sockets  {figures['server_with_sockets']}")
    command = [str(SCROLLBACK), "watch", str(folder)]
    with Following(command, console.environment, console.folder / "watch.log") as watch:
        figures["watch"] = _at_rest(console, watch.process_id, seconds)
        watch.check()
    say(f"watch  {figures['watch']}")
    return figures


def _settled(visitor: "Visitor", process: psutil.Process, for_s: float) -> dict[str, float]:
    """Wait until the work of a start is done: when it was, and what it took. Raises Failed when it goes on."""
    began, first = time.monotonic(), processor_seconds(process)
    since, used, looked_at = began, 0.0, -1.0
    while time.monotonic() - since < for_s:
        if time.monotonic() - began > LONGEST_SETTLING_S:
            raise Failed(f"the server still works after {LONGEST_SETTLING_S:.0f} s")
        time.sleep(LOOK_EVERY_S)
        told = dict(
            line.split(" ") for line in visitor.get("/metrics").plain.decode().splitlines() if line[0] != "#"
        )
        size = float(told["scrollback_audit_entries"])
        seen = float(told["scrollback_audit_contents_verified_entries"])
        if seen < size or seen != looked_at:
            since, used, looked_at = time.monotonic(), processor_seconds(process) - first, seen
    return {"after_s": round(since - began, 1), "cpu_s": round(used, 2)}


def _at_rest(console: Console, process_id: int, seconds: float) -> dict[str, float]:
    process = psutil.Process(process_id)
    time.sleep(SETTLE_S)
    started, before, database = (
        time.monotonic(),
        processor_seconds(process),
        console.database_processor_seconds(),
    )
    time.sleep(seconds)
    minutes = (time.monotonic() - started) / 60
    figures = {
        "cpu_s_per_minute": round((processor_seconds(process) - before) / minutes, 2),
        "rss_mb": round(resident_bytes(process) / MB),
    }
    if console.engine == "postgres":
        used = console.database_processor_seconds() - database
        figures["database_cpu_s_per_minute"] = round(used / minutes, 2)
    return figures
