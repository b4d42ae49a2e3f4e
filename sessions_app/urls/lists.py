from django.urls import URLPattern, path

from sessions_app.views import bulk, lists, shown_rows

urlpatterns: list[URLPattern] = [
    path("sessions/", lists.sessions, name="sessions"),
    path("sessions/facets/", lists.session_facets_part, name="session-facets"),
    path("sessions/change/", bulk.change_sessions, name="sessions-change"),
    path("sessions/change/<slug:token>/undo/", bulk.undo_change_of_sessions, name="sessions-change-undo"),
    path("sessions/read/", lists.mark_all_read, name="sessions-read"),
    path("sessions/read/<int:before_ms>/undo/", lists.take_back_all_read, name="sessions-read-undo"),
    path("sessions/views/", lists.save_sessions_view, name="sessions-save-view"),
    path("sessions/shown/", shown_rows.sessions, name="sessions-shown"),
    path("sessions/<uuid:session_id>/peek/", lists.session_peek, name="session-peek"),
    path("runs/", lists.runs, name="runs"),
    path("runs/shown/", shown_rows.runs, name="runs-shown"),
]
