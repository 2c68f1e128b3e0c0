"""Every address, and which row it leads to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from django.contrib import admin

from orkesta.addresses import Address, addresses
from tenants.isolation.bodies import body_for, named_in
from tenants.isolation.canaries import CanaryTenant

#: What each parameter of an address, or name in a body, stands for: a model and its field.
#: `<model>_id` needs no entry.
PARAMETERS: Final[Mapping[str, tuple[str, str]]] = {
    "inbound_id": ("conversations.InboundWebhook", "pk"),
    "endpoint_id": ("conversations.WebhookEndpoint", "pk"),
    "delivery_id": ("conversations.WebhookDelivery", "pk"),
    "key_id": ("tenants.ApiKey", "pk"),
    "rule_id": ("routing.RoutingRule", "pk"),
    "version_id": ("prompts.PromptVersion", "pk"),
    "old_id": ("prompts.PromptVersion", "pk"),
    "prompt_slug": ("prompts.Prompt", "slug"),
    "label": ("prompts.PromptLabel", "name"),
    "number": ("prompts.PromptVersion", "number"),
    "replay_id": ("prompts.PromptReplay", "pk"),
    "run_id": ("prompts.PromptTestRun", "pk"),
    "case_id": ("prompts.PromptTestCase", "pk"),
}
#: Parameters of pages of the admin, whose model is in the page's name.
_OF_PAGES: Final = {"object_id", "id"}
#: And of those that show a version of the row.
_OF_HISTORIES: Final = "history_id"
_IN_ROUTE: Final = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Request:
    """One question: JSON to the API, a form to the admin."""

    method: str
    path: str
    body: Mapping[str, Any]
    #: Whether it names a row.
    is_about_a_row: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """One address and one method."""

    address: Address
    method: str

    @property
    def name(self) -> str:
        return f"{self.method} /{self.address.route}"

    @property
    def is_page(self) -> bool:
        return self.address.route.startswith("admin/")

    def request_about(self, rows: Mapping[str, Any]) -> Request:
        """The request that names these rows. Raises LookupError for a parameter nobody knows."""
        values = {name: self._value(name, rows) for name in self.address.parameters}
        path = self.address.path(**values)
        if self.is_page:
            return Request(self.method, path, {}, bool(values))
        known = ids_in(rows)
        template = "/" + _IN_ROUTE.sub(r"{\1}", self.address.route)
        body = {} if self.method == "GET" else body_for(template, self.method, known)
        return Request(self.method, path, body, bool(values) or named_in(body, known))

    def _value(self, name: str, rows: Mapping[str, Any]) -> Any:
        if self.is_page and name in _OF_PAGES:
            return rows[self._label(rows)].pk
        if self.is_page and name == _OF_HISTORIES:
            version = rows.get(self._label(rows).replace(".", ".Historical"))
            # The installation's own rows have versions that are nobody's.
            return version.pk if version is not None else uuid4()
        return _known(name, rows)

    def _label(self, rows: Mapping[str, Any]) -> str:
        """The model of the page."""
        label = self.address.name.removeprefix("admin:")
        found = [row for row in rows if label.startswith(f"{row.lower().replace('.', '_')}_")]
        return max(found, key=len) if found else label


class Nobody:
    """A row that is not there, whatever is asked of it."""

    def __init__(self, number: int) -> None:
        self.pk = uuid4()
        self.slug = self.name = f"absent-{uuid4().hex[:8]}"
        self.number = number


def nobodys(house: CanaryTenant) -> dict[str, Any]:
    """Rows like those of `house`, none of which exists."""
    return {label: Nobody(getattr(row, "number", 1)) for label, row in house.rows.items()}


def ids_in(rows: Mapping[str, Any]) -> dict[str, str]:
    """Every name under which a body might name one of `rows`."""
    by_model = {f"{label.partition('.')[2].lower()}_id": str(row.pk) for label, row in rows.items()}
    listed = {name: str(_known(name, rows)) for name in PARAMETERS if name.endswith("_id")}
    return by_model | listed


def every_door() -> list[Door]:
    """All of the API and of the admin that have a name. What has none is a redirect to what has."""
    found = [*addresses("api/"), *addresses("admin/"), *addresses("ws/")]
    return [Door(each, method) for each in found if _is_named(each) for method in each.methods]


def lists() -> dict[str, Any]:
    """The lists of the admin: the name of each page, and what is registered for it."""
    return {
        f"{model._meta.app_label}_{model._meta.model_name}": page
        for model, page in admin.site._registry.items()
    }


def _is_named(address: Address) -> bool:
    return bool(address.name) and address.name != "admin:app_list"


def _known(name: str, rows: Mapping[str, Any]) -> Any:
    if name in PARAMETERS:
        label, attribute = PARAMETERS[name]
        return getattr(rows[label], attribute)
    for label, row in rows.items():
        if f"{label.partition('.')[2].lower()}_id" == name:
            return row.pk
    raise LookupError(f"Whose row is {name}?")
