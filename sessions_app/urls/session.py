from django.urls import URLPattern, path

from sessions_app.views import runs
from sessions_app.views.session import bodies, changes, raw, tabs, transcript

urlpatterns: list[URLPattern] = [
    path("sessions/<uuid:session_id>/", transcript.transcript, name="session"),
    path("sessions/<uuid:session_id>/rows/", transcript.rows, name="session-rows"),
    path("sessions/<uuid:session_id>/outline/", transcript.outline, name="session-outline"),
    path("sessions/<uuid:session_id>/clock/", transcript.clock, name="session-clock"),
    path("sessions/<uuid:session_id>/calls/<uuid:call_id>/", bodies.call, name="session-call"),
    path(
        "sessions/<uuid:session_id>/calls/<uuid:call_id>/<str:part>/",
        bodies.call_piece,
        name="session-call-piece",
    ),
    path("sessions/<uuid:session_id>/messages/<uuid:message_id>/", bodies.message, name="session-message"),
    path(
        "sessions/<uuid:session_id>/messages/<uuid:message_id>/<str:part>/",
        bodies.message,
        name="session-message-piece",
    ),
    path(
        "sessions/<uuid:session_id>/messages/<uuid:message_id>/attachments/<int:number>/",
        bodies.attachment,
        name="session-attachment",
    ),
    path("sessions/<uuid:session_id>/runs/", tabs.runs, name="session-runs"),
    path("sessions/<uuid:session_id>/terminals/", tabs.terminals, name="session-terminals"),
    path("sessions/<uuid:session_id>/files/", tabs.files, name="session-files"),
    path("sessions/<uuid:session_id>/notes/", tabs.notes, name="session-notes"),
    path("sessions/<uuid:session_id>/raw/", raw.sources, name="session-raw"),
    path("sessions/<uuid:session_id>/raw/<uuid:source_id>/", raw.lines, name="session-raw-lines"),
    path("sessions/<uuid:session_id>/raw/<uuid:source_id>/<int:number>/", raw.line, name="session-raw-line"),
    path(
        "sessions/<uuid:session_id>/raw/<uuid:source_id>/<int:number>/bytes/",
        raw.line_bytes,
        name="session-raw-bytes",
    ),
    path("sessions/<uuid:session_id>/archive/", changes.archive, name="session-archive"),
    path("sessions/<uuid:session_id>/unarchive/", changes.unarchive, name="session-unarchive"),
    path("sessions/<uuid:session_id>/delete/", changes.delete, name="session-delete"),
    path("sessions/<uuid:session_id>/restore/", changes.restore, name="session-restore"),
    path("sessions/<uuid:session_id>/rename/", changes.rename, name="session-rename"),
    path("sessions/<uuid:session_id>/tag/", changes.tag, name="session-tag"),
    path("sessions/<uuid:session_id>/untag/", changes.untag, name="session-untag"),
    path("sessions/<uuid:session_id>/star/", changes.star, name="session-star"),
    path("sessions/<uuid:session_id>/unstar/", changes.unstar, name="session-unstar"),
    path("sessions/<uuid:session_id>/read/", changes.read, name="session-read"),
    path(
        "sessions/<uuid:session_id>/read/<int:before>/undo/", changes.take_back_read, name="session-read-undo"
    ),
    path("sessions/<uuid:session_id>/notes/add/", changes.add_note, name="session-note-add"),
    path(
        "sessions/<uuid:session_id>/notes/<uuid:note_id>/delete/",
        changes.delete_note,
        name="session-note-delete",
    ),
    path(
        "sessions/<uuid:session_id>/notes/<uuid:note_id>/restore/",
        changes.restore_note,
        name="session-note-restore",
    ),
    path("runs/<uuid:run_id>/", runs.run, name="run"),
    path("runs/<uuid:run_id>/peek/", runs.peek, name="run-peek"),
    path("runs/<uuid:run_id>/<str:part>/", runs.body, name="run-body"),
]
