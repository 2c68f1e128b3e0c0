import time
from contextlib import suppress

import pytest

from prompts.errors import TemplateError, TemplateFailed, TemplateInvalid, TemplateTooLarge
from prompts.rendering import check_template, compile_template, render_isolated
from prompts.rendering.isolation import POOL
from tests.prompts.payloads import DATA, FAMILIES, PAYLOADS, REFUSED, TOLERATED

# What a leak would look like: an object shown by Python, a computed template, a secret's file.
INSIDES = ("<function", " at 0x", "site-packages")
TRACES = ("<class", "<function", "<built-in", " at 0x", "jinja2", "root:x", "Undefined")


def outcome(source: str) -> str | TemplateError:
    started = time.thread_time()
    try:
        return compile_template(source).render(DATA)
    except TemplateError as error:
        return error
    finally:
        assert time.thread_time() - started < 3


def of_family(payloads: dict[str, str], family: str) -> list[tuple[str, str]]:
    return [(name, source) for name, source in payloads.items() if name.startswith(family + "-")]


def test_there_are_more_than_five_hundred_of_them() -> None:
    assert len(REFUSED) > 500
    assert len(set(PAYLOADS.values())) > 700


@pytest.mark.parametrize("family", FAMILIES)
def test_it_ends_in_a_clear_error_within_a_second(family: str) -> None:
    for payload, source in of_family(REFUSED, family):
        error = outcome(source)
        assert isinstance(error, TemplateError), payload
        assert error.http_status == 422, payload
        assert 0 < len(error.message) < 400, payload
        assert not any(trace in error.message for trace in INSIDES), payload


@pytest.mark.parametrize("family", FAMILIES)
def test_it_ends_in_harmless_text_within_a_second(family: str) -> None:
    for payload, source in of_family(TOLERATED, family):
        text = outcome(source)
        assert isinstance(text, str), payload
        assert not any(trace in text for trace in TRACES), payload


def test_they_can_be_reported_on() -> None:
    for source in list(PAYLOADS.values())[::4]:
        report = check_template(source, {})
        assert all(problem.message and problem.line >= 0 for problem in report.problems)


def test_the_isolated_process_survives_them_all() -> None:
    POOL.close()
    render_isolated("ready", {})
    (renderer,) = POOL.idle_processes()
    for source in list(PAYLOADS.values())[:: len(PAYLOADS) // 150]:
        with suppress(TemplateInvalid, TemplateFailed, TemplateTooLarge):
            render_isolated(source, DATA)
    assert renderer.process.poll() is None
    assert POOL.idle_processes() == [renderer]
