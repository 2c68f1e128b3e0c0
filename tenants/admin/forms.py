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

    def stored_fields(self) -> list[str]:
        """The columns to write: what was changed here, and what follows from it."""
        columns = {field.name for field in self.instance._meta.concrete_fields}
        return sorted((set(self.changed_data) & columns) | self.also_stored)

    def _get_validation_exclusions(self) -> set[str]:
        # Constraints on a column that is no field of the form are not checked, unless it is said
        # here that they can be.
        excluded: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return excluded - {"tenant"} | self.moving_flags

    def _update_errors(self, errors: ValidationError) -> None:
        """Errors about columns that this form does not show go above the form."""
        shown: dict[str, list[ValidationError]] = {}
        for name, found in errors.update_error_dict({}).items():
            for error in found:
                field, error = self._placed(name, error)
                place = field if field in self.fields else NON_FIELD_ERRORS
                shown.setdefault(place, []).append(error)
        super()._update_errors(ValidationError(shown))  # type: ignore[misc]

    def _placed(self, name: str, error: ValidationError) -> tuple[str, ValidationError]:
        """The tenant is not the person's to choose: «tenant and slug» is said of the slug alone."""
        params = error.params if isinstance(error.params, dict) else {}
        names = [field for field in params.get("unique_check", ()) if field != "tenant"]
        if len(names) != 1:
            return name, error
        return names[0], _already_taken(self.instance, names[0])


def _already_taken(row: models.Model, field: str) -> ValidationError:
    label = capfirst(row._meta.get_field(field).verbose_name)  # type: ignore[union-attr]
    return ValidationError(
        _("There is already another one with this %(label)s."),
        code="taken",
        params={"label": label},
    )
