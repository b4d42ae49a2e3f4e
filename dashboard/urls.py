"""Every address of the console. Each area of sessions_app keeps its own list beside the others."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from audit import views as audit_views
from dashboard import views
from sessions_app.access import READ_AUDIT
from sessions_app.sign_in import requires

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.now, name="now"),
    path("healthz", views.healthz, name="healthz"),
    path("", include("sessions_app.urls.account")),
    path("", include("sessions_app.urls.lists")),
    path("", include("sessions_app.urls.session")),
    path("", include("sessions_app.urls.terminals")),
    path("", include("sessions_app.urls.search")),
    path("settings/", include("sessions_app.urls.settings")),
    path("api/v1/", include("sessions_app.urls.api")),
    path("audit/", requires(READ_AUDIT)(audit_views.entries), name="audit"),
    path("audit/<int:idx>/", requires(READ_AUDIT)(audit_views.entry), name="audit-entry"),
]

if settings.DEBUG:
    urlpatterns.append(path("-/patterns/", include("dashboard.patterns")))

handler400 = "dashboard.views.bad_request"
handler403 = "dashboard.views.forbidden"
handler404 = "dashboard.views.not_found"
handler500 = "dashboard.views.server_error"
