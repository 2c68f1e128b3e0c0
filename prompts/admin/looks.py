"""What an author is told about a text while writing it."""

from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orkesta.errors import OrkestaError
from prompts.admin.costs import CostShown, cost_shown
from prompts.admin.problem_words import in_words
from prompts.composition import FIXED, GIVEN, OWN, Composition, Part, compose
from prompts.costs import Traffic, read_traffic
from prompts.models import Prompt
from prompts.past import PastTurn
from prompts.previews import sample_of
from prompts.rendering import render_isolated, resolve_variables
from prompts.tokens import count_tokens

_KINDS: Final[dict[str, Any]] = {
    OWN: _("Your text"),
    FIXED: _("Comes with Orkesta"),
    **dict(Prompt.Kind.choices),
}


@dataclass(frozen=True, slots=True)
class PartShown:
    """A part of the text with what it costs."""

    part: Part
    kind: Any
    num_tokens: int
    cost: CostShown
    is_told: bool
    why: str


def look_at(
    source: str, prompt: Prompt, turn: PastTurn | None = None, *, task_type: str = ""
) -> dict[str, Any]:
    """The context for `orkesta/prompts/preview.html`: with sample data, or a real message's; for a
    task of that type, of the message's, or of the prompt's.
    """
    composition = compose(source, prompt=prompt)
    wanted = task_type or (turn.task_type if turn else "")
    told = wanted if wanted in composition.variants else composition.own_type
    traffic = read_traffic(prompt)
    tokens = count_tokens(composition.text_for(told))
    return {
        "report": composition.report,
        "problems": [(one, in_words(one.message)) for one in composition.report.problems],
        "parts": [_shown(part, traffic, told) for part in composition.parts],
        "task_type": told,
        "task_types": [composition.own_type, *composition.variants],
        "tokens": tokens,
        "cost": cost_shown(traffic, tokens.count),
        "undeclared": list(dict.fromkeys(use.name for use in composition.report.undeclared)),
        "unused": [name for name in composition.report.unused if name not in GIVEN],
        "turn": turn,
        **_rendered(composition, prompt, turn, told),
    }


def _shown(part: Part, traffic: Traffic, task_type: str) -> PartShown:
    num_tokens, is_told = part.num_tokens, part.task_type in ("", task_type)
    cost = cost_shown(traffic, num_tokens)
    why = gettext(part.why) if part.kind == FIXED else part.why
    return PartShown(part, _KINDS[part.kind], num_tokens, cost, is_told, why)


def _rendered(
    composition: Composition, prompt: Prompt, turn: PastTurn | None, task_type: str
) -> dict[str, str]:
    facts = {"rendered": "", "render_error": ""}
    if composition.report.is_valid:
        try:
            sample = sample_of(prompt, composition.declared)
            if turn is not None:
                sample |= resolve_variables(composition.declared, turn.context)
                sample |= {"context": dict(turn.context), "user": {"name": turn.user_name}}
            facts["rendered"] = render_isolated(composition.text_for(task_type), sample)
        except OrkestaError as exc:
            facts["render_error"] = exc.message
    return facts
