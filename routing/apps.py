from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = _("Routing")

    def ready(self) -> None:
        # Models can only be imported once all apps are loaded.
        from prompts.drafted import ask_for_answers  # noqa: PLC0415
        from routing.drafted import answers_under  # noqa: PLC0415

        ask_for_answers(answers_under)
