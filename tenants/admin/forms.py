"""The base of every form that edits a row of a tenant."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from tenants.scope import current_tenant_id


class TenantModelForm(forms.ModelForm):
    """Gives a new row its tenant before it is validated, so that what is unique per tenant is
    checked here, as a message beside the field, and not by the database, as an error page.
    """

    #: Flags that one row of the tenant holds; whoever is given one takes it from the other on save.
    moving_flags: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Columns written besides the fields of this form, because they are derived from them.
        self.also_stored: set[str] = set()
        if self.instance.tenant_id is None:
            self.instance.tenant_id = current_tenant_id()

    def validate_constraints(self) -> None:
        excluded = self._get_validation_exclusions() - {"tenant"} | self.moving_flags  # type: ignore[attr-defined]
        try:
            self.instance.validate_constraints(exclude=excluded)
        except ValidationError as exc:
            self._update_errors(self._beside_fields(exc))

    def _update_errors(self, errors: ValidationError) -> None:
        """Errors about columns that this form does not show go above the form."""
        if not hasattr(errors, "error_dict"):
            super()._update_errors(errors)  # type: ignore[misc]
            return
        shown: dict[str, list[ValidationError]] = {}
        for name, found in errors.error_dict.items():
            shown.setdefault(name if name in self.fields else NON_FIELD_ERRORS, []).extend(found)
        super()._update_errors(ValidationError(shown))  # type: ignore[misc]

    def _beside_fields(self, exc: ValidationError) -> ValidationError:
        """The errors; those on (tenant, one field) are moved beside that field."""
        found: dict[str, list[ValidationError]] = {}
        for name, errors in exc.error_dict.items():
            for error in errors:
                field = _only_own_field(error) if name == NON_FIELD_ERRORS else name
                found.setdefault(field, []).append(
                    error if field == name else _already_taken(self.instance, field)
                )
        return ValidationError(found)

    def stored_fields(self) -> list[str]:
        """The columns to write: what was changed here, and what follows from it."""
        columns = {field.name for field in self.instance._meta.concrete_fields}
        return sorted((set(self.changed_data) & columns) | self.also_stored)


def _only_own_field(error: ValidationError) -> str:
    params = error.params if isinstance(error.params, dict) else {}
    others = [name for name in params.get("unique_check", ()) if name != "tenant"]
    return others[0] if len(others) == 1 else NON_FIELD_ERRORS


def _already_taken(row: models.Model, field: str) -> ValidationError:
    return ValidationError(
        _("There is already another one with this %(field)s."),
        code="unique",
        params={"field": capfirst(row._meta.get_field(field).verbose_name)},  # type: ignore[union-attr]
    )
