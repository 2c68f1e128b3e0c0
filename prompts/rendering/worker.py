"""The process in which untrusted templates run: `python -m prompts.rendering.worker <descriptor>`.

It knows no Django, no database, no environment and no secret. It answers one message at a time on
the socket it was given, and ends with it.
"""

import resource
import socket
import sys
from dataclasses import asdict
from typing import Any

from prompts.errors import TemplateError
from prompts.rendering import limits
from prompts.rendering.frames import receive_frame, send_frame
from prompts.rendering.report import check_template
from prompts.rendering.templates import compile_template
from prompts.rendering.variables import VariableSpec


def main(descriptor: int) -> None:
    """Answers until the other side closes the socket."""
    _confine()
    with socket.socket(fileno=descriptor) as connection:
        send_frame(connection, "ready")
        while True:
            try:
                request = receive_frame(connection)
            except ConnectionError:
                return
            _limit_processor_time()
            send_frame(connection, answer(request))


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """`{"text"}`, `{"report"}` or `{"error"}` for `{"do", "source", "variables" | "declared"}`."""
    try:
        if request["do"] == "check":
            names = request["declared"]
            declared = None if names is None else {name: VariableSpec(name) for name in names}
            return {"report": asdict(check_template(request["source"], declared))}
        return {"text": compile_template(request["source"]).render(request["variables"])}
    except TemplateError as error:
        return {"error": {"code": error.code, "message": error.message, "details": error.details}}


def _confine() -> None:
    for kind, bound in (
        (resource.RLIMIT_AS, limits.ADDRESS_SPACE_BYTES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, 16),
        (resource.RLIMIT_NPROC, 0),
    ):
        resource.setrlimit(kind, (bound, bound))


def _limit_processor_time() -> None:
    # The parent kills by the clock; this ends a runaway whose parent was itself killed.
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(usage.ru_utime + usage.ru_stime) + 5, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
