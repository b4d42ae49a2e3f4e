"""HTTP and WebSocket in one application."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

from django.core.asgi import get_asgi_application

# Before anything that needs the app registry.
django_application = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings

from dashboard.lib.config import ConfigError
from sessions_app.live.origin import ExactOrigin
from sessions_app.live.routing import websocket_urlpatterns

if settings.CONFIG.database_error:
    raise ConfigError(settings.CONFIG.database_error)

# A byte passes through four threads on its way from the recorder to the viewers, and each waits for the interpreter
# until whoever has it has had its turn: of 5 ms, unless told otherwise.
sys.setswitchinterval(0.001)

application = ProtocolTypeRouter(
    {
        "http": django_application,
        # The types of Channels' own layers do not fit each other.
        "websocket": ExactOrigin(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),  # type: ignore[arg-type]
    }
)
