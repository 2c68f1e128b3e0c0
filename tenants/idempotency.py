"""`Idempotency-Key`: one key and one request have one effect and one answer, for 24 hours.

The row that holds the key is inserted in the transaction that does the work, so neither can be
without the other: a twin that arrives meanwhile waits for the first one's commit at the unique
index, and a request that failed leaves nothing behind and may be repeated.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Final

import orjson
from django.db import IntegrityError, OperationalError, connection, transaction
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from orkesta.api.renderer import to_json
from orkesta.crypto import seal, unseal
from tenants.authentication import principal_of
from tenants.errors import IdempotencyInProgress, IdempotencyKeyMalformed, IdempotencyKeyReused
from tenants.models import IdempotencyRecord
from tenants.principals import Principal

HEADER: Final = "Idempotency-Key"
KEPT_FOR: Final = timedelta(hours=24)
#: How long a twin waits for the first request before it is told to come back.
TWIN_WAITS: Final = "2s"
_ACCEPTABLE: Final = re.compile(r"[\x21-\x7e]{1,255}")

Post = Callable[..., Response]


def idempotent(post: Post) -> Callable[..., Response | HttpResponse]:
    """Makes a view's `post` obey `Idempotency-Key`; without the header nothing changes.

    Raises IdempotencyKeyMalformed, IdempotencyKeyReused (another request had that key) and
    IdempotencyInProgress (its twin is still being answered).
    """

    @wraps(post)
    def answer(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response | HttpResponse:
        key = request.headers.get(HEADER)
        if key is None:
            return post(view, request, *args, **kwargs)
        if not _ACCEPTABLE.fullmatch(key):
            raise IdempotencyKeyMalformed
        with transaction.atomic():
            record, is_new = _take(principal_of(request), key, _fingerprint(request))
            if not is_new:
                return _replayed(record)
            response = post(view, request, *args, **kwargs)
            record.status_code = response.status_code
            # Some answers hold a secret that is shown once; no table may hold it in the clear.
            seal(record, "body", to_json(response.data).decode())
            record.save(update_fields=["status_code", "body"])
            return response

    answer.is_idempotent = True  # type: ignore[attr-defined]
    return answer


def _fingerprint(request: Request) -> str:
    """What makes two requests the same: method, address, and body with its keys in order."""
    body = orjson.dumps(request.data, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(
        b"\n".join([str(request.method).encode(), request.path.encode(), body])
    ).hexdigest()


def _take(principal: Principal, key: str, fingerprint: str) -> tuple[IdempotencyRecord, bool]:
    """The row of this key, and whether this request is the one to do the work."""
    owner = str(principal.key_id or "")
    expires_at = timezone.now() + KEPT_FOR
    try:
        with transaction.atomic():
            _set_lock_timeout(TWIN_WAITS)
            record = IdempotencyRecord.objects.create(
                owner=owner, key=key, fingerprint=fingerprint, expires_at=expires_at
            )
            _set_lock_timeout("0")
            return record, True
    except IntegrityError:
        record = IdempotencyRecord.objects.select_for_update().get(owner=owner, key=key)
    except OperationalError as exc:
        raise IdempotencyInProgress(retry_after=1) from exc
    if record.expires_at <= timezone.now():
        record.fingerprint, record.expires_at = fingerprint, expires_at
        record.save(update_fields=["fingerprint", "expires_at"])
        return record, True
    if record.fingerprint != fingerprint:
        raise IdempotencyKeyReused
    return record, False


def _set_lock_timeout(value: str) -> None:
    """For the rest of the transaction; PostgreSQL only, SQLite has its own busy timeout."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [value])


def _replayed(record: IdempotencyRecord) -> HttpResponse:
    body = unseal(record, "body").reveal()
    response = HttpResponse(body, status=record.status_code, content_type="application/json")
    response["Idempotent-Replayed"] = "true"
    return response
