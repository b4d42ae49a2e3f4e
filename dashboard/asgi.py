"""HTTP and WebSocket in one application."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

import django

# Before anything that needs the app registry.
django.setup(set_prefix=False)

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings

from dashboard.handler import OneThreadHandler
from dashboard.lib.config import ConfigError
from sessions_app.live.origin import ExactOrigin
from sessions_app.live.routing import websocket_urlpatterns
from sessions_app.live.sign_in import SignedIn

if settings.CONFIG.database_error:
    raise ConfigError(settings.CONFIG.database_error)

# A byte passes through four threads on its way from the recorder to the viewers, and each waits for the interpreter
# until whoever has it has had its turn: of 5 ms, unless told otherwise.
sys.setswitchinterval(0.001)

application = ProtocolTypeRouter(
    {
        "http": OneThreadHandler(),
        # The types of Channels' own layers do not fit each other.
        "websocket": ExactOrigin(SignedIn(URLRouter(websocket_urlpatterns))),  # type: ignore[arg-type]
    }
)
