from django.urls import URLPattern, path

from sessions_app.api.endpoint import unknown_path, view_of
from sessions_app.api.table import by_path

urlpatterns: list[URLPattern] = [
    *(
        path(route, view_of(endpoints), name=f"api-{next(iter(endpoints.values())).name.replace('_', '-')}")
        for route, endpoints in by_path().items()
    ),
    path("<path:rest>", unknown_path, name="api-unknown"),
]
