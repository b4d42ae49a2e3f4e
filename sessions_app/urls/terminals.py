from django.urls import URLPattern, path

from sessions_app.views import shown_rows, terminal_output, terminal_screens, terminals, wall

urlpatterns: list[URLPattern] = [
    path("terminals/", wall.terminals, name="terminals"),
    path("terminals/tiles/", wall.tiles, name="terminal-tiles"),
    path("terminals/shown/", shown_rows.terminals, name="terminals-shown"),
    path("terminals/<uuid:terminal_id>/", terminals.terminal, name="terminal"),
    path("terminals/<uuid:terminal_id>/figures/", terminals.figures, name="terminal-figures"),
    path("terminals/<uuid:terminal_id>/bytes", terminal_output.output, name="terminal-bytes"),
    path("terminals/<uuid:terminal_id>/frames", terminal_output.frames, name="terminal-frames"),
    path("terminals/<uuid:terminal_id>/map", terminal_output.terminal_map, name="terminal-map"),
    path("terminals/<uuid:terminal_id>/stretch", terminal_output.stretch, name="terminal-stretch"),
    path("terminals/<uuid:terminal_id>/screen", terminal_screens.screen, name="terminal-screen"),
    *(
        path(
            f"terminals/<uuid:terminal_id>/recording.{ending}", terminals.recording, {"form": form}, name=name
        )
        for ending, form, name in (
            ("cast", "asciicast", "terminal-cast"),
            ("v2.cast", "asciicast2", "terminal-cast-v2"),
            ("v1.json", "asciicast1", "terminal-cast-v1"),
            ("txt", "text", "terminal-text"),
            ("ansi", "ansi", "terminal-ansi"),
        )
    ),
]
