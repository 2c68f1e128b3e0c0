from django.apps import AppConfig


class OrkestaConfig(AppConfig):
    """Holds what belongs to no app: system checks, the commands `serve` and `run_worker`' ground."""

    name = "orkesta"
    verbose_name = "Orkesta"
