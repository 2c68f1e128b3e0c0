from django.apps import AppConfig

from orkesta.checks import register_checks


class DaphneConfig(AppConfig):
    """daphne, for its `runserver`. Its own configuration would import Twisted and autobahn into
    workers and other servers, too: 0.2 s of CPU and 16 MB in each.
    """

    name = "daphne"
    verbose_name = "Daphne"


class OrkestaConfig(AppConfig):
    """Holds what belongs to no app: system checks, and the commands that need no app."""

    name = "orkesta"
    verbose_name = "Orkesta"

    def ready(self) -> None:
        register_checks()
