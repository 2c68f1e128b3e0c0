"""The form of a routing rule: each kind asks for what it needs, in words, not JSON."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from routing.admin.fields import LinesField
from routing.admin.hours_field import HoursField
from routing.admin.rule_conditions import condition_of, fields_of, refusal
from routing.models import Agent, RoutingRule
from routing.rules import RuleInvalid, compile_condition
from routing.rules.context import Operator, read_path
from routing.rules.conversation import MAX_IDLE_MINUTES, MAX_TURNS
from routing.rules.examples import DEFAULT_THRESHOLD
from tenants.admin.forms import TenantModelForm

_OPERATORS: Final = [
    (Operator.EQUALS.value, _("is")),
    (Operator.DIFFERS.value, _("is not")),
    (Operator.ONE_OF.value, _("is one of")),
    (Operator.CONTAINS.value, _("contains")),
    (Operator.MORE_THAN.value, _("is more than")),
    (Operator.AT_LEAST.value, _("is at least")),
    (Operator.LESS_THAN.value, _("is less than")),
    (Operator.AT_MOST.value, _("is at most")),
    (Operator.EXISTS.value, _("is there")),
    (Operator.MISSING.value, _("is missing")),
]
OPERATORS: Final[Mapping[str, Any]] = dict(_OPERATORS)
#: The fields that each kind asks for; the first of them bears what is wrong with the condition.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "keyword": ("keywords",),
    "examples": ("examples", "threshold", "meaning"),
    "regex": ("pattern",),
    "intent": ("intents", "intent_of"),
    "context": ("path", "operator", "value"),
    "time": ("windows", "is_outside"),
    "session": ("message_place", "min_turns", "max_turns", "session_agents", "min_idle_minutes"),
}


class WholeLinesField(LinesField):
    """A list of texts, one per line; a comma is a comma."""

    def to_python(self, value: Any) -> Any:
        return super().to_python(value if isinstance(value, list) else _lines(value))


def _lines(text: Any) -> list[str]:
    return list(
        dict.fromkeys(line.strip() for line in str(text or "").splitlines() if line.strip())
    )


def _area(rows: int, example: str) -> Any:
    return UnfoldAdminTextareaWidget(attrs={"rows": rows, "placeholder": example})


class RuleForm(TenantModelForm):
    keywords = LinesField(
        label=_("Keywords"),
        required=False,
        help_text=_("One word or phrase per line. Case, accents and plurals do not matter."),
        widget=_area(6, "precio\ncotizar"),
    )
    examples = WholeLinesField(
        label=_("Example messages"),
        required=False,
        help_text=_("One message per line, as customers write them. Five to ten are a good start."),
        widget=_area(8, "mi pedido no ha llegado\n¿dónde viene mi paquete?"),
    )
    threshold = forms.FloatField(
        label=_("As near as"),
        required=False,
        min_value=0.1,
        max_value=1.0,
        initial=DEFAULT_THRESHOLD,
        help_text=_("0.5 is a good start; higher is stricter. The tester shows the scores."),
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.05"}),
    )
    meaning = forms.FloatField(
        label=_("As near in meaning as"),
        required=False,
        min_value=0.1,
        max_value=1.0,
        help_text=_(
            "Asks the embedding model of your LLM endpoint, for money, when no rule has decided."
            " Each model has a scale of its own: try 0.5 and look at the tester. Empty: off."
        ),
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "0.05"}),
    )
    pattern = forms.CharField(
        label=_("Regular expression"),
        required=False,
        strip=False,
        help_text=_("RE2, case does not matter: no look-around and no back-references."),
        widget=UnfoldAdminTextInputWidget(
            attrs={"class": "ork-mono", "placeholder": r"\bpedido\s+\d+", "spellcheck": "false"}
        ),
    )
    intents = LinesField(
        label=_("Intents"),
        required=False,
        help_text=_("Names as agents and rules use them, one per line."),
        widget=_area(4, "facturar\nreembolso"),
    )
    intent_of = forms.ChoiceField(
        label=_("Of which message"),
        required=False,
        choices=[
            ("message", _("This one: as the examples, or else the LLM, find it")),
            ("previous", _("The one before it")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    path = forms.CharField(
        label=_("Value of the context"),
        required=False,
        help_text=_("Its path in the context of the session or the request: customer.tags[0]"),
        widget=UnfoldAdminTextInputWidget(
            attrs={"class": "ork-mono", "placeholder": "customer.tier", "spellcheck": "false"}
        ),
    )
    operator = forms.ChoiceField(
        label=_("Compared"), required=False, choices=_OPERATORS, widget=UnfoldAdminSelectWidget
    )
    value = forms.CharField(
        label=_("With"),
        required=False,
        max_length=2000,
        help_text=_("A text, a number, true or false; several parted by commas for “is one of”."),
        widget=UnfoldAdminTextInputWidget,
    )
    windows = HoursField(
        label=_("Hours"),
        required=False,
        help_text=_("One window per line, in the time zone of your business."),
        widget=_area(4, "lun-vie 09:00-18:00\nsáb 09:00-14:00"),
    )
    is_outside = forms.BooleanField(
        label=_("Outside of these hours"), required=False, widget=UnfoldBooleanSwitchWidget
    )
    message_place = forms.ChoiceField(
        label=_("Message"),
        required=False,
        choices=[
            ("", _("Any message")),
            ("first", _("The first of a conversation")),
            ("later", _("Not the first")),
        ],
        widget=UnfoldAdminSelectWidget,
    )
    min_turns = forms.IntegerField(
        label=_("Turns before it, at least"),
        required=False,
        min_value=0,
        max_value=MAX_TURNS,
        help_text=_("10 stands for 10 or more."),
        widget=UnfoldAdminIntegerFieldWidget,
    )
    max_turns = forms.IntegerField(
        label=_("Turns before it, at most"),
        required=False,
        min_value=0,
        max_value=MAX_TURNS,
        widget=UnfoldAdminIntegerFieldWidget,
    )
    session_agents = forms.MultipleChoiceField(
        label=_("Agents that have the conversation"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )
    min_idle_minutes = forms.IntegerField(
        label=_("Minutes of silence, at least"),
        required=False,
        min_value=1,
        max_value=MAX_IDLE_MINUTES,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    class Meta:
        model = RoutingRule
        fields: ClassVar = ("name", "kind", "intent", "agent", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        condition = self.instance.condition
        self.initial = {
            **fields_of(condition if isinstance(condition, dict) else {}),
            **self.initial,
        }
        # An agent that is gone stays in the rule until somebody takes it out.
        names = {slug: slug for slug in self.initial["session_agents"]}
        names |= dict(Agent.objects.order_by("name").values_list("slug", "name"))
        agents: Any = self.fields["session_agents"]
        agents.choices = list(names.items())

    def clean_path(self) -> str:
        path: str = self.cleaned_data["path"]
        if path:
            try:
                read_path(path)
            except RuleInvalid as exc:
                raise ValidationError(_("Write a path like customer.tags[0].")) from exc
        return path

    def clean(self) -> dict[str, Any]:
        asked = super().clean() or {}
        kind = asked.get("kind", "")
        if kind not in FIELDS or any(name in self.errors for name in FIELDS[kind]):
            return asked
        self.instance.condition = condition = condition_of(kind, asked)
        self.also_stored.add("condition")
        try:
            compile_condition(kind, condition)
        except RuleInvalid as exc:
            message = refusal(kind, condition) or exc.message
            self.add_error(FIELDS[kind][0], ValidationError(message, code=exc.code))
        return asked

    def _update_errors(self, errors: ValidationError) -> None:
        # Model.clean() looks at the condition too; it has been said beside its field already.
        found = errors.update_error_dict({})
        found.pop("condition", None)
        super()._update_errors(ValidationError(found))
