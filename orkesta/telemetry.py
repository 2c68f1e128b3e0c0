"""What the process says of itself: logs."""

import logging
from datetime import UTC, datetime
from typing import Literal

import orjson

from orkesta.middleware import current_request_id
from orkesta.redaction import known_secrets


class LogFormatter(logging.Formatter):
    """One line per record, without secrets: for people (`console`) or for machines (`json`)."""

    def __init__(self, kind: Literal["console", "json"] = "console") -> None:
        super().__init__()
        self.kind = kind

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = record.getMessage()
        if record.exc_info:
            message = f"{message}\n{self.formatException(record.exc_info)}"
        message = known_secrets.redact(message)
        if self.kind == "console":
            return f"{at} {record.levelname:7} {record.name}: {message}"
        fields = {
            "at": at,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            "request_id": current_request_id(),
        }
        return orjson.dumps({k: v for k, v in fields.items() if v}).decode()
