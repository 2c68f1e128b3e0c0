"""Forms in which prompts are written."""

from typing import Any, ClassVar, cast

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from prompts.admin.problem_words import in_words
from prompts.admin.variable_rows import VariableRowsField
from prompts.models import Prompt, PromptVersion
from prompts.services import check_source
from tenants.admin.forms import TenantModelForm

SOURCE_WIDGET = UnfoldAdminTextareaWidget(
    attrs={"rows": 22, "class": "ork-source", "spellcheck": "false", "autocomplete": "off"}
)


class SourceField(forms.CharField):
    """A template. What is wrong with it is said with line and column."""

    def __init__(self, **kwargs: Any) -> None:
        # Line ends and leading blanks are part of the text.
        options = {"max_length": 32_768, "strip": False, "widget": SOURCE_WIDGET} | kwargs
        super().__init__(**options)

    prompt: Prompt | None = None

    def clean(self, value: Any) -> str:
        source = str(super().clean(value)).replace("\r\n", "\n")
        problems = check_source(source, prompt=self.prompt).problems
        if problems:
            raise ValidationError(
                [
                    ValidationError(
                        _("Line %(line)d, column %(column)d: %(message)s"),
                        code=problem.code,
                        params={
                            "line": problem.line,
                            "column": problem.column,
                            "message": in_words(problem.message),
                        },
                    )
                    for problem in problems[:10]
                ]
            )
        return source


class VersionForm(forms.Form):
    """The text of a draft."""

    source = SourceField(label=_("Text"))
    notes = forms.CharField(
        label=_("What is new"),
        max_length=500,
        required=False,
        widget=UnfoldAdminTextInputWidget(
            attrs={"placeholder": _("Warmer tone, asks for the date")}
        ),
    )

    def __init__(self, *args: Any, prompt: Prompt, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # A form has copies of its class's fields, so this is nobody else's.
        cast("SourceField", self.fields["source"]).prompt = prompt

    @classmethod
    def of(cls, version: PromptVersion) -> "VersionForm":
        initial = {"source": version.source, "notes": version.notes}
        return cls(initial=initial, prompt=version.prompt)


class PromptForm(TenantModelForm):
    variables = VariableRowsField(
        label=_("Variables"),
        required=False,
        help_text=_(
            "What a page or app may send along besides, by name. A text may use no other names; "
            "without a value the default is told."
        ),
    )

    class Meta:
        model = Prompt
        fields: ClassVar = ("name", "slug", "kind", "task_type", "description", "variables")
        widgets: ClassVar = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 3})}


class NewPromptForm(PromptForm):
    """A prompt with its first text, so that nobody is left with an empty slot."""

    source = SourceField(
        label=_("Text"),
        initial="Eres {{ agent.name }}, asistente de {{ tenant.name }}.\n\n"
        "# Lo que debes saber\n{{ tenant.business_context }}\n",
    )
    publish_now = forms.BooleanField(label=_("Publish at once"), required=False, initial=True)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The text is checked as what it is going to be: a block may not name others.
        kind = self["kind"].value() or Prompt.Kind.PROMPT
        cast("SourceField", self.fields["source"]).prompt = Prompt(kind=kind)
