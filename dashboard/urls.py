"""Every address of the console. Each area of sessions_app keeps its own list beside the others."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from dashboard import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", views.healthz, name="healthz"),
    path("", include("sessions_app.urls.account")),
    path("", include("sessions_app.urls.lists")),
    path("", include("sessions_app.urls.session")),
    path("", include("sessions_app.urls.terminals")),
    path("", include("sessions_app.urls.search")),
    path("settings/", include("sessions_app.urls.settings")),
    path("api/v1/", include("sessions_app.urls.api")),
    path("audit/", include("audit.urls")),
]

if settings.DEBUG:
    urlpatterns.append(path("-/patterns/", include("dashboard.patterns")))

handler400 = "dashboard.views.bad_request"
handler403 = "dashboard.views.forbidden"
handler404 = "dashboard.views.not_found"
handler500 = "dashboard.views.server_error"
