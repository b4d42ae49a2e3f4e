from django.urls import URLPattern, path

from sessions_app.views import people, settings, tokens

urlpatterns: list[URLPattern] = [
    path("", settings.mine, name="settings"),
    path("name/", settings.change_name, name="settings-name"),
    path("password/", settings.change_own_password, name="settings-password"),
    path("sign-out-others/", settings.sign_out_others, name="settings-sign-out-others"),
    path("people/", people.people, name="settings-people"),
    path("people/add/", people.add_person, name="settings-person-add"),
    path("people/<uuid:person_id>/", people.person, name="settings-person"),
    path("people/<uuid:person_id>/role/", people.set_role, name="settings-person-role"),
    path("people/<uuid:person_id>/disable/", people.disable, name="settings-person-disable"),
    path("people/<uuid:person_id>/enable/", people.enable, name="settings-person-enable"),
    path("people/<uuid:person_id>/link/", people.make_link, name="settings-person-link"),
    path("tokens/", tokens.tokens, name="settings-tokens"),
    path("tokens/add/", tokens.add_token, name="settings-token-add"),
    path("tokens/<uuid:token_id>/revoke/", tokens.revoke, name="settings-token-revoke"),
    path("views/", settings.saved_views, name="settings-views"),
    path("views/<uuid:view_id>/rename/", settings.rename_view, name="settings-view-rename"),
    path("views/<uuid:view_id>/delete/", settings.delete_view, name="settings-view-delete"),
]
