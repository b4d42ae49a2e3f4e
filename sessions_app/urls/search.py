from django.urls import URLPattern, path

from sessions_app.views import search, terminal_search

urlpatterns: list[URLPattern] = [
    path("search/", search.search, name="search"),
    path("terminals/<uuid:terminal_id>/search", terminal_search.search, name="terminal-search"),
    path("-/palette/", search.palette, name="palette"),
]
