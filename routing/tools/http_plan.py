"""How a call becomes an HTTP request: which argument goes where. Pure; `http.py` sends it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

import orjson

from orkesta.crypto import Secret
from orkesta.errors import Invalid
from orkesta.outbound import UrlNotAllowed, check_url, configured_policy
from routing.errors import ToolRetry

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
BODY_FORMATS: Final = ("json", "form")
MAX_HEADERS: Final = 20
KEY_HEADER: Final = "Idempotency-Key"
#: For whom a call is made: the reference that the tenant gave its user, percent-encoded.
USER_HEADER: Final = "X-Orkesta-User"

_IN_BRACES: Final = re.compile(r"\{([^{}/?#]{1,64})\}")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
_HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e]{0,1000}\Z")
#: They frame the message or name its sender: ours to say.
_OURS: Final = frozenset({
    "connection", "content-length", "expect", "host", "idempotency-key", "keep-alive",
    "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "x-orkesta-user",
})  # fmt: skip


class Place(StrEnum):
    """Where an argument goes that the URL does not name. `PAYLOAD` is the whole body."""

    QUERY = "query"
    HEADER = "header"
    BODY = "body"
    PAYLOAD = "payload"


class HttpPlanInvalid(Invalid):
    """This HTTP tool cannot be called as it is configured."""

    code = "http_tool_invalid"


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None


@dataclass(frozen=True, slots=True)
class HttpPlan:
    """An HTTP tool. `places` says of arguments where they go and under which name; all others go
    to the body, or to the query where the method has no body.
    """

    method: str
    url: str
    places: Mapping[str, tuple[Place, str]] = field(default_factory=dict)
    body_format: str = "json"
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_header: str = ""
    secret: Secret = field(default_factory=lambda: Secret(""))
    status_url: str = ""

    @property
    def host(self) -> str:
        """Whose breaker it is: the name, and the port where one is written."""
        return urlsplit(self.url).netloc.lower()

    @property
    def has_body(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH")

    def prepare(self, arguments: Mapping[str, Any], key: str, user_ref: str) -> PreparedRequest:
        """The request for a call, on behalf of a user unless that is empty. Raises ToolRetry for a
        value that cannot stand where it goes.
        """
        in_url = set(names_in(self.url))
        sorted_out: dict[Place, dict[str, Any]] = {place: {} for place in Place}
        for name, value in arguments.items():
            if name not in in_url:
                default = Place.BODY if self.has_body else Place.QUERY
                place, wire_name = self.places.get(name, (default, name))
                sorted_out[place][wire_name] = value
        url = _with_query(filled(self.url, arguments), sorted_out[Place.QUERY])
        content, media_type = self._body(sorted_out)
        headers = self._headers(key, media_type, user_ref)
        headers |= {name: header_text(value) for name, value in sorted_out[Place.HEADER].items()}
        return PreparedRequest(self.method, url, headers, content)

    def prepare_check(self, key: str, user_ref: str) -> PreparedRequest:
        """The question what became of the call with this key."""
        url = self.status_url.replace("{key}", quote(key, safe=""))
        return PreparedRequest("GET", url, self._headers("", "", user_ref), None)

    def _headers(self, key: str, media_type: str, user_ref: str) -> dict[str, str]:
        headers = {"Accept": "application/json, text/*;q=0.5, */*;q=0.1"} | dict(self.headers)
        if media_type:
            headers["Content-Type"] = media_type
        if key and self.method != "GET":
            headers[KEY_HEADER] = key
        if user_ref:
            headers[USER_HEADER] = quote(user_ref, safe="@:+")
        if self.secret_header and self.secret:
            headers[self.secret_header] = self.secret.reveal()
        return headers

    def _body(self, sorted_out: Mapping[Place, dict[str, Any]]) -> tuple[bytes | None, str]:
        if not self.has_body:
            return None, ""
        fields = sorted_out[Place.BODY]
        if self.body_format == "form":
            return urlencode(_pairs(fields)).encode(), "application/x-www-form-urlencoded"
        whole = list(sorted_out[Place.PAYLOAD].values())
        return orjson.dumps(whole[0] if whole else fields), "application/json"


def names_in(template: str) -> list[str]:
    """The arguments that a URL names in braces."""
    return _IN_BRACES.findall(template)


def filled(template: str, arguments: Mapping[str, Any]) -> str:
    """`template` with the arguments in place, each as one escaped segment: none can add a segment,
    a query or another host. Raises ToolRetry when one is missing or cannot stand in a path.
    """

    def fill(found: re.Match[str]) -> str:
        name = found.group(1)
        text = _scalar(arguments.get(name))
        if text in ("", ".", ".."):
            raise ToolRetry(f"The argument {name} is needed in the address: a text or a number.")
        return quote(text, safe="")

    return _IN_BRACES.sub(fill, template)


def header_text(value: Any) -> str:
    """An argument as the value of a header. Raises ToolRetry for what HTTP forbids there."""
    text = _scalar(value)
    if not _HEADER_VALUE.match(text):
        raise ToolRetry("An argument that travels in a header holds characters it may not.")
    return text


def _scalar(value: Any) -> str:
    """A JSON scalar as text; empty for None, lists and objects."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def _with_query(url: str, query: Mapping[str, Any]) -> str:
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(_pairs(query))}"


def _pairs(fields: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values as forms and queries hold them: lists repeat, objects are JSON."""
    pairs = []
    for name, value in fields.items():
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, dict | list):
                pairs.append((name, orjson.dumps(item).decode()))
            elif item is not None:
                pairs.append((name, _scalar(item)))
    return pairs


def read_places(stored: Any) -> dict[str, tuple[Place, str]]:
    """`places` from its stored form `{argument: {"in": …, "name": …}}`; raises HttpPlanInvalid."""
    try:
        return {
            str(argument): (Place(entry["in"]), str(entry.get("name") or argument))
            for argument, entry in dict(stored or {}).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise HttpPlanInvalid("The places of arguments cannot be read.") from exc


def check_plan(plan: HttpPlan, parameters: Mapping[str, Any]) -> None:
    """Return when `plan` may be saved for a tool with these parameters; raise `HttpPlanInvalid` or
    `UrlNotAllowed` with the reason otherwise.
    """
    if plan.method not in METHODS or plan.body_format not in BODY_FORMATS:
        raise HttpPlanInvalid("The method or the kind of body is unknown.")
    _check_template(plan.url)
    known = set(parameters.get("properties") or {})
    if missing := [name for name in names_in(plan.url) if name not in known]:
        raise HttpPlanInvalid(f"The URL names {missing[0]}, which is not among the parameters.")
    wire_headers = [name for place, name in plan.places.values() if place is Place.HEADER]
    check_headers(dict(plan.headers) | dict.fromkeys([*wire_headers, plan.secret_header], ""))
    if plan.status_url:
        _check_template(plan.status_url, is_status=True)
        if origin_of(plan.status_url) != origin_of(plan.url):
            raise HttpPlanInvalid("The status URL must be on the host of the tool.")


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises HttpPlanInvalid for headers that HTTP forbids or that are ours to set."""
    if len(headers) > MAX_HEADERS:
        raise HttpPlanInvalid(f"A tool has at most {MAX_HEADERS} headers.")
    for name, value in headers.items():
        if not name and not value:
            continue
        if not _HEADER_NAME.match(name) or name.lower() in _OURS:
            raise HttpPlanInvalid(f"The header {name[:50]!r} cannot be set.")
        if not isinstance(value, str) or not _HEADER_VALUE.match(value):
            raise HttpPlanInvalid(f"The header {name} holds characters it may not.")


def _check_template(template: str, *, is_status: bool = False) -> None:
    parts = urlsplit(template)
    if "{" in parts.scheme + parts.netloc:
        raise UrlNotAllowed("Arguments may not choose the host.")
    if is_status and "{key}" not in template:
        raise HttpPlanInvalid("The status URL must hold {key}.")
    check_url(_IN_BRACES.sub("x", template), configured_policy())


def origin_of(url: str) -> str:
    """Scheme, host and port in one form: a secret given for one is never sent to another."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
        return f"{parts.scheme}://{parts.hostname or ''}:{port}"
    except ValueError:
        return ""
