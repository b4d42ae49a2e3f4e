from django.apps import AppConfig


class SessionsAppConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Sessions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from audit.catalog import register
        from audit.covers import register as register_cover
        from audit.covers import register_survey
        from audit.surroundings import register as register_surroundings
        from sessions_app.audit_actions import AUDIT_ACTIONS, BEST_EFFORT, CHANGES_NOTHING, RETIRED
        from sessions_app.audit_covers import check_lines, check_rows, check_segments
        from sessions_app.audit_extents import SURVEYS
        from sessions_app.audit_surroundings import ConsoleSurroundings

        register(AUDIT_ACTIONS, best_effort=BEST_EFFORT, changing_nothing=CHANGES_NOTHING, retired=RETIRED)
        register_surroundings(ConsoleSurroundings())
        register_cover("terminal.sealed", check_segments)
        register_cover("session.sealed", check_rows)
        register_cover("source.sealed", check_lines)
        for name, survey in SURVEYS.items():
            register_survey(name, survey)
