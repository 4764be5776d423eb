from django.apps import AppConfig


class SubmissionsConfig(AppConfig):
    name = "submissions"

    def ready(self) -> None:
        from submissions.accounts import groups, lockout_mail, tokens, usernames  # noqa: F401  connect their signals
        from submissions.notices import evaluations, news  # noqa: F401  so do these
