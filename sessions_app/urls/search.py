from django.urls import URLPattern, path

from sessions_app.views import search

urlpatterns: list[URLPattern] = [
    path("search/", search.search, name="search"),
    path("-/palette/", search.palette, name="palette"),
]
