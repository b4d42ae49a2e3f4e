"""Every address of the console. Each area of sessions_app keeps its own list beside the others."""

from django.conf import settings
from django.urls import URLPattern, URLResolver, include, path

from audit.urls import urlpatterns as audit_urls
from dashboard import views
from sessions_app.access import READ_AUDIT
from sessions_app.sign_in import requires
from sessions_app.views.settings import save_audit_view

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.now, name="now"),
    path("healthz", views.healthz, name="healthz"),
    path("metrics", views.metrics, name="metrics"),
    path("", include("sessions_app.urls.account")),
    path("", include("sessions_app.urls.lists")),
    path("", include("sessions_app.urls.session")),
    path("", include("sessions_app.urls.terminals")),
    path("", include("sessions_app.urls.search")),
    path("settings/", include("sessions_app.urls.settings")),
    path("api/v1/", include("sessions_app.urls.api")),
    path("audit/views/", requires(READ_AUDIT)(save_audit_view), name="audit-save-view"),
    # The log does not know who may read it.
    *(
        path(f"audit/{each.pattern}", requires(READ_AUDIT)(each.callback), name=each.name)
        for each in audit_urls
    ),
]

if settings.DEBUG:
    urlpatterns.append(path("-/patterns/", include("dashboard.patterns")))

handler400 = "dashboard.views.bad_request"
handler403 = "dashboard.views.forbidden"
handler404 = "dashboard.views.not_found"
handler500 = "dashboard.views.server_error"
