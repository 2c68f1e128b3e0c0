from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = _("Conversations")

    def ready(self) -> None:
        # Models can only be imported once all apps are loaded.
        from conversations.drafts.past import PastTurns  # noqa: PLC0415
        from conversations.outcomes import outcomes_of  # noqa: PLC0415
        from prompts.outcomes import ask_for_outcomes  # noqa: PLC0415
        from prompts.past import ask_for_past  # noqa: PLC0415

        ask_for_outcomes(outcomes_of)
        ask_for_past(PastTurns())
