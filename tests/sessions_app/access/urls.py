"""Every address, those that exist only with DEBUG too: dashboard/urls.py as a server in development reads it."""

import runpy

from django.test import override_settings

import dashboard.urls
from dashboard.urls import handler400, handler403, handler404, handler500

__all__ = ["handler400", "handler403", "handler404", "handler500", "urlpatterns"]

with override_settings(DEBUG=True):
    urlpatterns = runpy.run_path(str(dashboard.urls.__file__))["urlpatterns"]
