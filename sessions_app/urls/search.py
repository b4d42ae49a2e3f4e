from django.urls import URLPattern, path

from sessions_app.views import search, terminal_search

urlpatterns: list[URLPattern] = [
    path("search/", search.search, name="search"),
    path("terminals/<uuid:terminal_id>/search", terminal_search.search, name="terminal-search"),
    path("terminals/<uuid:terminal_id>/moment", terminal_search.moment, name="terminal-moment"),
    path("-/palette/", search.palette, name="palette"),
]
