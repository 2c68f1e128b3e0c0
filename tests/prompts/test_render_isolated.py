import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from prompts.errors import (
    OrkestaError,
    RendererUnavailable,
    TemplateFailed,
    TemplateInvalid,
    TemplateTimeout,
    TemplateTooLarge,
)
from prompts.rendering import check_isolated, isolation, limits, render_isolated
from prompts.rendering.isolation import POOL, RendererProcess

LOOP = (
    "{% for i in range(1000) %}{% for j in range(50) %}{% set q = i * j %}{% endfor %}{% endfor %}"
)


@pytest.fixture
def renderer() -> Iterator[RendererProcess]:
    POOL.close()
    render_isolated("ready", {})
    (renderer,) = POOL.idle_processes()
    yield renderer
    POOL.close()


def test_it_renders_like_the_process_itself(renderer: RendererProcess) -> None:
    variables = {"name": "ñandú 😀", "list": [1, None, {"a": True}]}
    assert render_isolated("{{ name|upper }} {{ list|tojson }}", variables) == (
        'ÑANDÚ 😀 [1, null, {"a": true}]'
    )
    assert POOL.idle_processes() == [renderer]


@pytest.mark.parametrize(
    ("source", "variables", "kind"),
    [
        ("a\n{{ x ** 2 }}", {}, TemplateInvalid),
        ("{{", {}, TemplateInvalid),
        ("x" * 40_000, {}, TemplateInvalid),
        ("\ud800", {}, TemplateInvalid),
        ("a\n{{ x.y }}", {"x": {}}, TemplateFailed),
        ("{{ x }}", {"x": object()}, TemplateFailed),
        ("{{ x }}", {"x": "x" * 2**21}, TemplateTooLarge),
        ("{{ x }}{{ x }}", {"x": "x" * 200_000}, TemplateTooLarge),
    ],
)
def test_errors_come_back_as_themselves(
    renderer: RendererProcess, source: str, variables: dict[str, Any], kind: type[OrkestaError]
) -> None:
    with pytest.raises(kind) as caught:
        render_isolated(source, variables)
    assert type(caught.value) is kind
    assert caught.value.line == (2 if "\n" in source else caught.value.line)
    assert POOL.idle_processes() == [renderer]


def test_one_that_takes_too_long_is_killed(renderer: RendererProcess) -> None:
    with pytest.raises(TemplateTimeout):
        render_isolated(LOOP, {}, timeout_seconds=0.002)
    assert renderer.process.poll() == -signal.SIGKILL
    assert render_isolated("alive", {}) == "alive"


def test_one_that_hangs_is_killed_within_its_second(renderer: RendererProcess) -> None:
    os.kill(renderer.process.pid, signal.SIGSTOP)
    started = time.monotonic()
    with pytest.raises(TemplateTimeout):
        render_isolated("hello", {}, timeout_seconds=0.2)
    assert time.monotonic() - started < 10
    assert not psutil.pid_exists(renderer.process.pid)
    assert render_isolated("alive", {}) == "alive"


def test_a_check_that_hangs_is_an_error_in_the_report(renderer: RendererProcess) -> None:
    os.kill(renderer.process.pid, signal.SIGSTOP)
    report = check_isolated("hello", timeout_seconds=0.1)
    assert [problem.code for problem in report.errors] == ["template_timeout"]


def test_one_that_dies_at_work_is_replaced(renderer: RendererProcess) -> None:
    killer = threading.Timer(0.01, renderer.process.kill)
    os.kill(renderer.process.pid, signal.SIGSTOP)
    killer.start()
    with pytest.raises(TemplateFailed, match="brought its process down"):
        render_isolated("hello", {}, timeout_seconds=5)
    assert render_isolated("alive", {}) == "alive"


def test_one_that_died_while_idle_is_not_noticed(renderer: RendererProcess) -> None:
    renderer.process.kill()
    renderer.process.wait()
    assert render_isolated("alive", {}) == "alive"


def test_it_is_confined(renderer: RendererProcess) -> None:
    process = Path("/proc") / str(renderer.process.pid)
    lines = (process / "limits").read_text().splitlines()
    bounds = {line[:25].strip(): line[26:].split()[0] for line in lines}
    assert bounds["Max address space"] == str(limits.ADDRESS_SPACE_BYTES)
    assert bounds["Max file size"] == "0"
    assert bounds["Max processes"] == "0"
    assert bounds["Max cpu time"] == "5"


def test_it_knows_no_secret(renderer: RendererProcess) -> None:
    process = psutil.Process(renderer.process.pid)
    assert process.environ().keys() <= {"LD_LIBRARY_PATH", "LC_CTYPE"}
    assert [file.path for file in process.open_files()] == []
    assert process.num_fds() <= 4


def test_no_more_processes_run_than_agreed(renderer: RendererProcess) -> None:
    results: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(render_isolated("{{ n }}", {"n": n})))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results, key=int) == [str(n) for n in range(12)]
    assert len(POOL.idle_processes()) <= isolation.PROCESSES


def test_who_waits_too_long_for_a_process_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(isolation, "PROCESSES", 0)
    monkeypatch.setattr(isolation, "QUEUE_SECONDS", 0.01)
    monkeypatch.setattr(isolation, "POOL", isolation.RendererPool())
    with pytest.raises(RendererUnavailable) as caught:
        render_isolated("hello", {})
    assert caught.value.http_status == 503
    assert caught.value.retry_after_seconds == 1


def test_a_process_is_replaced_after_so_many_renders(
    renderer: RendererProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "RENDERS_PER_PROCESS", 3)
    for _ in range(3):
        render_isolated("x", {})
    assert POOL.idle_processes() != [renderer]
    assert renderer.process.poll() is not None
