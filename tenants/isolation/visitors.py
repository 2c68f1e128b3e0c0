"""Somebody who asks: with a key, with a signed-in browser, or with neither."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast
from urllib.parse import quote
from uuid import UUID

import orjson
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, User
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.test import Client

from orkesta.database import run_here
from tenants.admin_scope import FORM_FIELD, SESSION_KEY
from tenants.isolation.doors import Request
from tenants.isolation.lines import beginning_of, converse

#: What two answers to the same question may differ in.
_OF_EACH_ANSWER: Final = re.compile(
    r'name="csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": ?"\w+"|nonce="[^"]*"|\d+(\.\d+)? ?ms'
)
#: Shorter texts, such as the number of a user, are in any page.
_TELLING: Final = 8
_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
_OF_EACH_PROBLEM: Final = {"request_id": "", "instance": ""}


@dataclass(frozen=True, slots=True)
class Answer:
    """All that somebody learned by asking; `logged` is what others may read of it."""

    status: int
    headers: str
    body: str
    logged: str = ""

    @property
    def told(self) -> str:
        """All of it, as one text."""
        return f"{self.headers}\n{self.body}\n{self.logged}"

    def without(self, *own: str) -> "Answer":
        """Without what the asker has said: ids and texts in the address are no news to them."""
        said = [form for text in own if len(text) >= _TELLING for form in (text, quote(text))]
        headers, body, logged = self.headers, self.body, self.logged
        for form in sorted(said, key=len, reverse=True):
            headers, body = headers.replace(form, "·"), body.replace(form, "·")
            logged = logged.replace(form, "·")
        return Answer(self.status, headers, body, logged)

    def same_as(self, other: "Answer") -> bool:
        """Whether nobody could tell this answer from the other."""
        mine, theirs = _comparable(self.body), _comparable(other.body)
        return (self.status, mine) == (other.status, theirs)


def _comparable(body: str) -> str:
    try:
        found = orjson.loads(body)
    except ValueError:
        return _OF_EACH_ANSWER.sub("", body)
    return orjson.dumps(found | _OF_EACH_PROBLEM if isinstance(found, dict) else found).decode()


@dataclass(slots=True)
class Visitor:
    """A client of this process. A page's forms were shown under `tenant_id`."""

    name: str
    key: str = ""
    user: AbstractBaseUser | None = None
    tenant_id: UUID | None = None
    _client: Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        host = next((name for name in settings.ALLOWED_HOSTS if name.strip("*.")), "localhost")
        headers = {"Accept-Language": "en", "Host": host.lstrip(".")}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        self._client = Client(raise_request_exception=False, headers=headers)
        if self.user is not None:
            self._client.force_login(cast("User", self.user), backend=_BACKEND)
            session = self._client.session
            session[SESSION_KEY] = str(self.tenant_id or "")
            session.save()

    def ask(self, request: Request, query: Mapping[str, Any] | None = None) -> Answer:
        """What comes back, whatever it is."""
        with _Listening() as listening:
            response = self._response(request, query or {})
        headers = "\n".join(f"{name}: {value}" for name, value in response.items())
        return Answer(response.status_code, headers, _body(response), listening.text)

    def ask_socket(self, path: str, frames: Sequence[Mapping[str, Any]]) -> Answer:
        """What a WebSocket says until it closes, or has nothing more to say; its status is the code
        of its close.
        """
        headers = {"host": "localhost"}
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        with _Listening() as listening:
            code, told = run_here(converse, path, headers, frames)
        return Answer(code, "", told, listening.text)

    def _response(self, request: Request, query: Mapping[str, Any]) -> HttpResponseBase:
        options: dict[str, Any] = {"query_params": query, "secure": True}
        if not request.path.startswith("/admin/"):
            raw = orjson.dumps(request.body) if request.method != "GET" else b""
            options["content_type"] = "application/json"
            return self._client.generic(request.method, request.path, raw, **options)
        if request.method == "GET":
            return self._client.get(request.path, **options)
        form = {FORM_FIELD: str(self.tenant_id or ""), "_form_submitted": "1"}
        return self._client.post(request.path, form | dict(request.body), **options)


def _body(response: HttpResponseBase) -> str:
    if isinstance(response, StreamingHttpResponse):
        return run_here(beginning_of, response)
    return response.content.decode("utf-8", "replace")  # type: ignore[attr-defined,no-any-return]


class _Listening(logging.Handler):
    """Everything that is logged meanwhile, which nobody else gets: it is not news but noise."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._others: list[logging.Handler] = []
        self.setFormatter(logging.Formatter())

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def __enter__(self) -> "_Listening":
        root = logging.getLogger()
        self._others, root.handlers = root.handlers, [self]
        return self

    def __exit__(self, *ended: object) -> None:
        logging.getLogger().handlers = self._others
