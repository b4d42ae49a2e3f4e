"""`scrollback serve`."""

import argparse
from contextlib import ExitStack
from typing import Any, ClassVar

from django.conf import settings

from audit.actors import SYSTEM
from audit.health import HealthWatch, require_sound_log
from audit.signing import CheckpointWriter
from audit.standing import BackgroundVerifier
from audit.stream import stop_stream
from dashboard import serving
from dashboard.announcing import announced
from dashboard.handler import stop_answering
from dashboard.lib.commands import ConsoleCommand
from dashboard.lib.errors import Refused
from dashboard.lib.machine import machine_name
from dashboard.sending import SendingWhatWaits
from sessions_app.actions.background_sealing import BackgroundSealing
from sessions_app.actions.console_settings import note_settings
from sessions_app.actions.denials import WithheldDenials
from sessions_app.actions.setup import issue_setup_link
from sessions_app.actions.terminals.background import BackgroundDeriving
from sessions_app.actions.terminals.screens import stop_screens
from sessions_app.actions.tokens import ensure_agent_token
from sessions_app.importers.leases import settle
from sessions_app.live.hub import stop_hub
from sessions_app.live.reading import stop_reading


class Command(ConsoleCommand):
    help = "Serve the console: migrate if needed, then answer on HTTP and WebSocket until interrupted."
    example: ClassVar[str] = "scrollback serve --host 0.0.0.0 --port 8765"
    # It brings the schema up to date itself.
    requires_schema: ClassVar[bool] = False
    is_surrounded: ClassVar[bool] = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default=settings.CONFIG.host, help="address to listen on (%(default)s)")
        parser.add_argument("--port", default=settings.CONFIG.port, type=_port, help="port (%(default)s)")

    def run(self, **options: Any) -> int:
        host, port = options["host"], options["port"]
        serving.refuse_taken_port(host, port)
        serving.prepare_home(settings.HOME)
        machine = machine_name(settings.HOME)
        serving.migrate_if_needed(self._say)
        require_sound_log()
        note_settings(machine, settings_in_force(), actor=SYSTEM)
        ensure_agent_token()
        serving.lose_recorders_before_boot(machine)
        # What a watch that was killed left open, and logins that are long over.
        settle(machine, actor=SYSTEM)
        serving.forget_ended_logins()
        if serving.collect_static_files(settings.STATIC_ROOT):
            self._say("Static files: collected.")
        serving.answer_to(host)
        addresses, origins = serving.addresses_of(host, port), serving.own_origins(host, port)
        with ExitStack() as stack:
            deriving, checkpoints = BackgroundDeriving(), CheckpointWriter(everybodys=True)
            verifier, sealing, watch = BackgroundVerifier(), BackgroundSealing(), HealthWatch()
            denials, sending = WithheldDenials(), SendingWhatWaits(settings.HOME, origins)
            stops = [
                sending.stop,
                stop_hub,
                stop_answering,
                stop_reading,
                denials.stop,
                deriving.stop,
                sealing.stop,
                watch.stop,
                stop_screens,
            ]
            # Heads are signed last: they cover what the stream wrote as it ended.
            stops += [stop_stream, verifier.stop, checkpoints.stop]
            stack.callback(serving.close_connections, stops)

            def ready() -> None:
                stack.enter_context(announced(settings.HOME, serving.local_address(host, port), origins))
                sending.start()
                deriving.start()
                checkpoints.start()
                watch.start()
                verifier.start()
                sealing.start()
                denials.start()
                self._greet(host, addresses)

            listened = serving.run_server(host, port, ready)
        if not listened:
            raise Refused(f"Port {port} was taken while the server started. Choose another with --port.")
        serving.leave()

    def _greet(self, host: str, addresses: list[str]) -> None:
        self._say(f"Scrollback is at {'  '.join(addresses)}")
        if not serving.is_loopback(host):
            self._say(
                "Everybody on this network can reach it, and plain HTTP can be read on the way: "
                "put a proxy with TLS in front, or listen on 127.0.0.1."
            )
        setup_path = issue_setup_link()
        if setup_path is not None:
            self._say(f"First run: set up your account at {addresses[0].rstrip('/')}{setup_path}")
        self._say("Stop it with Ctrl C.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        # Whoever reads this through a pipe waits for it.
        self.stdout.flush()


def settings_in_force() -> dict[str, str]:
    """By name, as `scrollback doctor` shows them: the database without its password, secrets as "set"."""
    return {setting.name: setting.value for setting in settings.CONFIG.settings}


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= serving.MAX_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to {serving.MAX_PORT}, not {text!r}")
    return int(text)
