import logging

import pytest
from django.test import Client


@pytest.mark.django_db
def test_what_django_says_is_logged_by_nobody_but_the_root(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert logging.getLogger("django").handlers == []
    Client().get("/api/v1/no-such-address")
    said = [record for record in caplog.records if record.name == "django.request"]
    assert len(said) == 1
