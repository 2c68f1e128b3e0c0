"""The page that makes tools of an OpenAPI document: paste or upload it, choose, done."""

from typing import Any, Final

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from orkesta.errors import OrkestaError
from routing.models import Tool
from routing.tools.importing import chosen_of, import_operations
from routing.tools.openapi import MAX_DOCUMENT_CHARS, Operation, read_operations
from tenants.admin.model_admin import refused_form
from tenants.admin.pages import page_context
from tenants.admin_scope import FORM_FIELD, tenant_of

#: A character takes at most so many bytes in UTF-8.
_MAX_BYTES: Final = 4 * MAX_DOCUMENT_CHARS


class DocumentForm(forms.Form):
    """An OpenAPI document, as text or as a file. `operations` are its operations once it is valid;
    what is wrong with the document is an error of the form.
    """

    document = forms.CharField(
        label=_("document"),
        required=False,
        max_length=MAX_DOCUMENT_CHARS,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 12, "spellcheck": "false"}),
        help_text=_("OpenAPI 3, as JSON or YAML."),
    )
    upload = forms.FileField(
        label=_("or a file"), required=False, widget=UnfoldAdminFileFieldWidget()
    )
    base_url = forms.URLField(
        label=_("address of the API"),
        required=False,
        max_length=500,
        assume_scheme="https",
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("Only when the document does not say it."),
    )
    secret_header = forms.CharField(
        label=_("header of the secret"),
        required=False,
        max_length=100,
        initial="Authorization",
        widget=UnfoldAdminTextInputWidget(),
    )
    secret = forms.CharField(
        label=_("secret"),
        required=False,
        max_length=2000,
        widget=UnfoldAdminPasswordWidget(
            attrs={"autocomplete": "new-password"}, render_value=False
        ),
        help_text=_("Sealed into each tool. Enter it when you make the tools."),
    )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        text = given.get("document") or self._uploaded(given.get("upload"))
        self.operations: list[Operation] = []
        if not text:
            raise forms.ValidationError(_("Paste a document or choose a file."))
        try:
            self.operations = read_operations(text, base_url=given.get("base_url") or "")
        except OrkestaError as exc:
            raise forms.ValidationError(exc.message) from exc
        return given | {"document": text}

    def _uploaded(self, upload: Any) -> str:
        if upload is None:
            return ""
        if upload.size > _MAX_BYTES:
            raise forms.ValidationError(_("The file is too large."))
        try:
            return str(upload.read().decode("utf-8-sig"))
        except UnicodeDecodeError as exc:
            raise forms.ValidationError(_("The file is no text in UTF-8.")) from exc


class ToolImportPage:
    """Two looks at one page: first the document, then its operations with a box for each."""

    def __init__(self, page: ModelAdmin) -> None:
        self._page = page

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if tenant_of(request) is None or not self._page.has_add_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            return self._show(request, DocumentForm())
        refused = refused_form(request)
        if refused is not None:
            return refused
        form = DocumentForm(request.POST, request.FILES)
        if not form.is_valid():
            return self._show(request, form, status=422)
        if "make" not in request.POST:
            return self._show(request, form, operations=form.operations)
        problem = self._make(request, form)
        if problem:
            return self._show(
                request, form, operations=form.operations, problem=problem, status=422
            )
        return HttpResponseRedirect(reverse("admin:routing_tool_changelist"))

    def _make(self, request: HttpRequest, form: DocumentForm) -> str:
        """Make tools of the ticked operations, all or none. What is wrong, when something is."""
        try:
            wanted, _broken = chosen_of(form.operations, request.POST.getlist("operations"))
            if not wanted:
                return str(_("Choose at least one operation."))
            tools = import_operations(
                operations=wanted,
                secret=form.cleaned_data["secret"],
                secret_header=form.cleaned_data["secret_header"],
            )
        except OrkestaError as exc:
            return exc.message
        text = ngettext("%d tool has been made.", "%d tools have been made.", len(tools))
        messages.success(request, text % len(tools))
        return ""

    def _show(
        self,
        request: HttpRequest,
        form: DocumentForm,
        *,
        operations: list[Operation] | None = None,
        problem: str = "",
        status: int = 200,
    ) -> HttpResponse:
        taken = _taken(operations or [])
        is_first, ticked = "make" not in request.POST, request.POST.getlist("operations")
        rows = []
        for one in operations or []:
            why = one.fault or (_("There is a tool of this name.") if one.name in taken else "")
            rows.append((one, why, not why and (is_first or one.name in ticked)))
        context = {
            **page_context(self._page, request, str(_("Import an OpenAPI document"))),
            "form": form,
            "form_field": FORM_FIELD,
            "form_tenant": tenant_of(request),
            "rows": rows,
            "document": form.cleaned_data.get("document", "") if form.is_bound else "",
            "is_read": operations is not None,
            "problem": problem,
        }
        return TemplateResponse(request, "orkesta/tools/import.html", context, status=status)


def _taken(operations: list[Operation]) -> set[str]:
    names = [one.name for one in operations]
    return set(Tool.objects.filter(name__in=names).values_list("name", flat=True))
