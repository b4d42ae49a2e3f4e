"""The addresses of the log, below wherever the console puts them. Who may read is decided there."""

from django.urls import URLPattern, path

from audit import views, views_entry, views_export, views_head

urlpatterns: list[URLPattern] = [
    path("", views.entries, name="audit"),
    path("facets/", views.facets, name="audit-facets"),
    path("news/", views.news, name="audit-news"),
    path("head/", views_head.head, name="audit-head"),
    path("head/file/", views_head.head_file, name="audit-head-file"),
    path("export/<str:form>/", views_export.export, name="audit-export"),
    path("<int:idx>/", views_entry.entry, name="audit-entry"),
    path("<int:idx>/peek/", views_entry.peek, name="audit-entry-peek"),
    path("<int:idx>/proof/", views_entry.proof, name="audit-entry-proof"),
    path("<int:idx>/payload/", views_entry.payload, name="audit-entry-payload"),
]
