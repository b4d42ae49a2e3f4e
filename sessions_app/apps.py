from django.apps import AppConfig


class SessionsAppConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit.catalog import register
        from sessions_app.audit_actions import AUDIT_ACTIONS

        register(AUDIT_ACTIONS)
