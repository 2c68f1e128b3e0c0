"""Running templates that nobody has checked yet in processes that can be killed."""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prompts.errors import (
    RendererUnavailable,
    TemplateError,
    TemplateFailed,
    TemplateInvalid,
    TemplateTimeout,
    TemplateTooLarge,
    UnknownVariable,
)
from prompts.rendering import limits
from prompts.rendering.frames import receive_frame, send_frame
from prompts.rendering.names import UsedName
from prompts.rendering.problems import TemplateProblem
from prompts.rendering.report import TemplateReport
from prompts.rendering.source import check_source
from prompts.rendering.values import JSONValue, plain_copy
from prompts.rendering.variables import VariableSpec

PROCESSES = 2
RENDERS_PER_PROCESS = 200
START_SECONDS = 20.0
QUEUE_SECONDS = 5.0

_PROJECT_ROOT = Path(__file__).resolve().parents[2]
_ERRORS: Mapping[str, type[TemplateError]] = {
    kind.code: kind for kind in (TemplateInvalid, UnknownVariable, TemplateFailed, TemplateTooLarge)
}


def render_isolated(
    source: str,
    variables: Mapping[str, JSONValue],
    *,
    timeout_seconds: float = limits.RENDER_SECONDS,
) -> str:
    """`source` rendered with `variables` in a process that is killed after `timeout_seconds`.

    Raises what `compile_template` and `CompiledTemplate.render` raise, TemplateTimeout, or
    RendererUnavailable when no process is free within 5 s. Blocks: not for an event loop.
    """
    check_source(source)
    request = {"do": "render", "source": source, "variables": plain_copy(variables)}
    text: str = _ask(request, timeout_seconds)["text"]
    return text


def check_isolated(
    source: str,
    declared: Mapping[str, VariableSpec] | None = None,
    *,
    timeout_seconds: float = limits.RENDER_SECONDS,
) -> TemplateReport:
    """`check_template` in the killable process; what goes wrong there is an error in the report.

    Raises only RendererUnavailable.
    """
    names = None if declared is None else list(declared)
    try:
        check_source(source)
        request = {"do": "check", "source": source, "declared": names}
        report = _ask(request, timeout_seconds)["report"]
    except TemplateError as error:
        problem = TemplateProblem(error.line, error.column, error.message, error.code)
        return TemplateReport(errors=(problem,))
    return TemplateReport(
        variables=tuple(report["variables"]),
        undeclared=tuple(UsedName(**use) for use in report["undeclared"]),
        unused=tuple(report["unused"]),
        errors=tuple(TemplateProblem(**problem) for problem in report["errors"]),
    )


def _ask(request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
    reply = POOL.ask(request, timeout_seconds)
    if "error" in reply:
        error = reply["error"]
        raise _ERRORS[error["code"]](error["message"], **error["details"])
    return reply


class RendererProcess:
    """One confined process (see `worker.py`) and the socket to it."""

    def __init__(self) -> None:
        self.renders = 0
        self._socket, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-s", "-m", "prompts.rendering.worker", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                cwd=_PROJECT_ROOT,
                # No environment: what gets out of the sandbox finds no secret in here.
                env={key: os.environ[key] for key in ("LD_LIBRARY_PATH",) if key in os.environ},
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        """Returns when it listens; raises TimeoutError or ConnectionError when it will not."""
        receive_frame(self._socket, deadline=time.monotonic() + START_SECONDS)

    def ask(self, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """Its answer; raises TimeoutError or OSError, after which it is of no use any more."""
        deadline = time.monotonic() + timeout_seconds
        self.renders += 1
        send_frame(self._socket, request, deadline=deadline)
        reply: dict[str, Any] = receive_frame(self._socket, deadline=deadline)
        return reply

    def is_fit(self) -> bool:
        """Whether it can take another request."""
        return self.renders < RENDERS_PER_PROCESS and self.process.poll() is None

    def kill(self) -> None:
        """Ends it at once, whatever it is doing."""
        self._socket.close()
        self.process.kill()
        self.process.wait()


class RendererPool:
    """Up to `PROCESSES` renderer processes, started when needed and kept while they behave."""

    def __init__(self) -> None:
        self._slots = threading.BoundedSemaphore(PROCESSES)
        self._lock = threading.Lock()
        self._idle: list[RendererProcess] = []
        self._owner = os.getpid()

    def ask(self, request: dict[str, Any], timeout_seconds: float) -> dict[str, Any]:
        """The answer of a process; one that does not answer in time is killed."""
        if not self._slots.acquire(timeout=QUEUE_SECONDS):
            raise RendererUnavailable(retry_after=1)
        try:
            return self._ask(self._take(), request, timeout_seconds)
        finally:
            self._slots.release()

    def idle_processes(self) -> list[RendererProcess]:
        """The processes that wait for work."""
        with self._lock:
            return list(self._idle)

    def close(self) -> None:
        """Ends the idle processes; the pool stays usable."""
        with self._lock:
            idle, self._idle = self._idle, []
        for renderer in idle:
            renderer.kill()

    def _take(self) -> RendererProcess:
        with self._lock:
            if self._owner != os.getpid():
                # After a fork the sockets are shared with the parent, who goes on using them.
                self._owner, self._idle = os.getpid(), []
            renderer = self._idle.pop() if self._idle else None
        if renderer is not None and renderer.is_fit():
            return renderer
        if renderer is not None:
            renderer.kill()
        return _started()

    def _ask(
        self, renderer: RendererProcess, request: dict[str, Any], timeout_seconds: float
    ) -> dict[str, Any]:
        behaved = False
        try:
            reply = renderer.ask(request, timeout_seconds)
            behaved = True
        except TimeoutError as error:
            raise TemplateTimeout from error
        except OSError as error:
            raise TemplateFailed("The template brought its process down.") from error
        finally:
            if behaved:
                self._put_back(renderer)
            else:
                renderer.kill()
        return reply

    def _put_back(self, renderer: RendererProcess) -> None:
        with self._lock:
            self._idle.append(renderer)


def _started() -> RendererProcess:
    renderer = RendererProcess()
    try:
        renderer.wait_until_ready()
    except OSError as error:
        renderer.kill()
        raise RendererUnavailable from error
    return renderer


POOL = RendererPool()
atexit.register(POOL.close)
