from django.urls import URLPattern, path

from sessions_app.views import account

urlpatterns: list[URLPattern] = [
    path("sign-in/", account.sign_in_page, name="sign-in"),
    path("sign-out/", account.sign_out, name="sign-out"),
    path("setup/<str:token>/", account.setup_page, name="setup"),
    path("counts.json", account.counts, name="counts"),
]
