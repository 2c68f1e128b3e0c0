"""Every operation of the OpenAPI schema, with what schemathesis makes of it: `make fuzz` for long.

Nothing may answer with a 5xx, with a status or a content type that is not documented, or with a
body that its own schema refuses.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.callers import make_key
from tests.cast import House

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "6"))
SEED = os.environ.get("FUZZ_SEED", "")
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", get_wsgi_application())
OPERATIONS = [found.ok() for found in schema.get_all_operations()]
bounded = settings(
    max_examples=EXAMPLES,
    derandomize=not SEED,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """Requests do not close the test's connection, as in Django's own test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.usefixtures("kept_connection")
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda found: found.label)
def test_nothing_undocumented_is_answered(operation: Any, acme: House) -> None:
    key = make_key(acme.tenant)
    cases = st.one_of(*(operation.as_strategy(generation_mode=mode) for mode in GenerationMode))

    @bounded
    @given(case=cases)
    def answers_as_documented(case: Any) -> None:
        with transaction.atomic():
            response = case.call(headers={"X-API-Key": key})
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS)

    answers_as_documented()
