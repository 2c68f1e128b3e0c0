from django.apps import AppConfig

from orkesta.checks import register_checks


class OrkestaConfig(AppConfig):
    """Holds what belongs to no app: system checks, and the commands that need no app."""

    name = "orkesta"
    verbose_name = "Orkesta"

    def ready(self) -> None:
        register_checks()
