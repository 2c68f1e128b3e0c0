import logging

import orjson
import pytest

from orkesta.crypto import decrypt, encrypt
from orkesta.redaction import HIDDEN, KnownSecrets, known_secrets
from orkesta.telemetry import LogFormatter
from tenants.keys import make_key

CANARY = "canary-7f3a9c-of-no-known-form"


def line(message: str, *args: object, kind: str = "console", error: Exception | None = None) -> str:
    info = (type(error), error, None) if error else None
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, message, args, info)
    return LogFormatter(kind).format(record)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "secret",
    [
        make_key(is_live=True).plain,
        make_key(is_live=False).plain[:-3],
        "wst_" + "aB3-_" * 8,
        "whsec_" + "aB3+/" * 6 + "==",
        "sk-proj-" + "aB3_-" * 8,
    ],
    # Names of tests are the same in every process; keys are not.
    ids=["key", "broken key", "ticket", "webhook secret", "provider's key"],
)
@pytest.mark.parametrize("kind", ["console", "json"])
def test_what_looks_like_a_secret_is_in_no_line(secret: str, kind: str) -> None:
    written = line("sent %s to %r", secret, {"key": secret}, kind=kind, error=ValueError(secret))
    assert secret not in written
    assert HIDDEN in written


def test_credentials_in_headers_and_addresses_are_taken_out() -> None:
    written = line("Authorization: Bearer abcdefghij0123456789 at postgres://me:hunter2@db/x")
    assert written.endswith(f"Authorization: Bearer {HIDDEN} at postgres://{HIDDEN}@db/x")


def test_a_secret_of_any_form_is_taken_out_once_it_was_sealed_or_opened() -> None:
    sealed = encrypt(CANARY, associated="here")
    assert CANARY not in line("%s", CANARY)
    known_secrets._values.clear()
    assert CANARY in line("%s", CANARY)
    decrypt(sealed, associated="here")
    assert CANARY not in line("%s", CANARY, kind="json")


def test_the_rest_of_a_line_stays() -> None:
    assert line("Task %s is done in 3 s.", 7).endswith("x: Task 7 is done in 3 s.")
    assert orjson.loads(line("Task %s", 7, kind="json"))["message"] == "Task 7"


def test_few_secrets_are_remembered_and_no_short_ones() -> None:
    known = KnownSecrets(max_known=2)
    for value in ("the first secret", "the second secret", "the third secret", "short"):
        known.add(value)
    text = "the first secret, the second secret, the third secret, short"
    assert known.redact(text) == f"the first secret, {HIDDEN}, {HIDDEN}, short"
