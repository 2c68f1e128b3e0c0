"""What an author is told about a text while writing it."""

from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy as _

from orkesta.errors import OrkestaError
from prompts.admin.costs import CostShown, cost_shown
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


def look_at(source: str, prompt: Prompt, turn: PastTurn | None = None) -> dict[str, Any]:
    """The context for `orkesta/prompts/preview.html`: with sample data, or a real message's."""
    composition = compose(source, prompt=prompt)
    traffic = read_traffic(prompt)
    tokens = count_tokens(composition.text)
    return {
        "report": composition.report,
        "parts": [_shown(part, traffic) for part in composition.parts],
        "tokens": tokens,
        "cost": cost_shown(traffic, tokens.count),
        "undeclared": list(dict.fromkeys(use.name for use in composition.report.undeclared)),
        "unused": [name for name in composition.report.unused if name not in GIVEN],
        "turn": turn,
        **_rendered(composition, prompt, turn),
    }


def _shown(part: Part, traffic: Traffic) -> PartShown:
    num_tokens = part.num_tokens
    return PartShown(part, _KINDS[part.kind], num_tokens, cost_shown(traffic, num_tokens))


def _rendered(composition: Composition, prompt: Prompt, turn: PastTurn | None) -> dict[str, str]:
    facts = {"rendered": "", "render_error": ""}
    if composition.report.is_valid:
        try:
            sample = sample_of(prompt, composition.declared)
            if turn is not None:
                sample |= resolve_variables(composition.declared, turn.context)
                sample |= {"context": dict(turn.context), "user": {"name": turn.user_name}}
            facts["rendered"] = render_isolated(composition.text, sample)
        except OrkestaError as exc:
            facts["render_error"] = exc.message
    return facts
