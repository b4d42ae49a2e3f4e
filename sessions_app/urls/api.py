from django.urls import URLPattern, path, re_path

from sessions_app.api.endpoint import unknown_path, view_of
from sessions_app.api.table import by_path

urlpatterns: list[URLPattern] = [
    *(
        path(route, view_of(endpoints), name=f"api-{next(iter(endpoints.values())).name.replace('_', '-')}")
        for route, endpoints in by_path().items()
    ),
    re_path(r"^(?P<rest>.*)$", unknown_path, name="api-unknown"),
]
