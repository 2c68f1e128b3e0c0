"""What can go wrong with prompts.

* OrkestaError
  + Invalid (422)
    - TemplateError
      - TemplateInvalid           template_invalid: refused before it ever runs
        - UnknownVariable         template_unknown_variable
        - UnknownBlock            template_unknown_block
      - TemplateFailed            template_failed: the data does not fit the template
      - TemplateTooLarge          template_too_large: output, text or work above its bound
      - TemplateTimeout           template_timeout: killed by the clock
    - UnknownLabel                unknown_prompt_label: no prompt has it
    - VariablesInvalid            template_variables_invalid: the declaration itself is wrong
  + NotFound (404)
    - PromptNotFound, PromptVersionNotFound
    - ReplayNotFound, TestRunNotFound, TestCaseNotFound, ExperimentNotFound
    - LabelReserved               prompt_label_reserved: `production` is whatever is published
  + StateConflict (409)
    - VersionNotDraft             version_not_draft: it was published, so its text stays
    - NobodyAnswers               nobody_answers: no agent could try a text out
    - ExperimentConflict          experiment_conflict: one runs already, or there is no rival
    - ReplayConflict              replay_conflict: one is under way, or it has ended
    - NothingToReplay             nothing_to_replay: no agent of the prompt has answered anybody
  + Unavailable (503)
    - RendererUnavailable         renderer_unavailable
  + VocabularyDamaged (500)       vocabulary_damaged
"""

from typing import Any

from orkesta.errors import Invalid, NotFound, OrkestaError, StateConflict, Unavailable


class PromptNotFound(NotFound):
    """There is no such prompt here."""


class PromptVersionNotFound(NotFound):
    """The prompt has no such version."""


class ReplayNotFound(NotFound):
    """There is no such replay here."""


class TestCaseNotFound(NotFound):
    """The prompt has no such test case."""


class ExperimentNotFound(NotFound):
    """The prompt has no such experiment."""


class TestRunNotFound(NotFound):
    """There is no such test run here."""


class TemplateError(Invalid):
    """The template cannot be used.

    `line` and `column` count from 1; 0 means that the place is not known.
    """

    code = "template_error"

    def __init__(self, message: str = "", **details: Any) -> None:
        super().__init__(message, **details)
        self.line = int(details.get("line", 0))
        self.column = int(details.get("column", 0))


class TemplateInvalid(TemplateError):
    """The template is not acceptable."""

    code = "template_invalid"


class UnknownVariable(TemplateInvalid):
    """The template uses a variable that is not declared."""

    code = "template_unknown_variable"


class UnknownBlock(TemplateInvalid):
    """The template names a block that is not there."""

    code = "template_unknown_block"


class TemplateFailed(TemplateError):
    """The template does not fit the data it was given."""

    code = "template_failed"


class TemplateTooLarge(TemplateError):
    """The template produces too much text or does too much work."""

    code = "template_too_large"


class TemplateTimeout(TemplateError):
    """The template took too long and was stopped."""

    code = "template_timeout"


class VariablesInvalid(Invalid):
    """The declaration of the template's variables is not acceptable."""

    code = "template_variables_invalid"


class UnknownLabel(Invalid):
    """No prompt has this label."""

    code = "unknown_prompt_label"


class LabelReserved(Invalid):
    """The label `production` always is the published version: publish instead."""

    code = "prompt_label_reserved"


class VersionNotDraft(StateConflict):
    """This version was published; write a new draft instead."""

    code = "version_not_draft"


class NobodyAnswers(StateConflict):
    """No active agent that has an LLM is told this prompt, so nobody can try it out."""

    code = "nobody_answers"


class ExperimentConflict(StateConflict):
    """An experiment needs a published version, another one as challenger, and no other running."""

    code = "experiment_conflict"


class ReplayConflict(StateConflict):
    """Another replay of this prompt is not finished yet."""

    code = "replay_conflict"


class NothingToReplay(StateConflict):
    """No agent has answered anybody under this prompt yet."""

    code = "nothing_to_replay"


class RendererUnavailable(Unavailable):
    """No process is free to render the template."""

    code = "renderer_unavailable"


class VocabularyDamaged(OrkestaError):
    """The vocabulary for counting tokens is missing or is not the published one."""

    code = "vocabulary_damaged"
