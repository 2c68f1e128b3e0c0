"""Regular expressions, on RE2: its time is linear in the text, so a tenant's pattern can never
hang a worker. Look-around and back-references are therefore refused when the rule is saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import re2

from routing.rules.values import RoutableMessage, RuleInvalid, check_keys

MAX_PATTERN_CHARS: Final = 1000
MAX_PATTERN_MEMORY: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class RegexCondition:
    pattern: Any

    def match(self, message: RoutableMessage) -> str | None:
        found = self.pattern.search(message.encoded)
        if found is None:
            return None
        text = found.group(0)[:320].decode(errors="replace")
        return f"pattern matched «{text[:80]}»"


def regex_condition(condition: Mapping[str, Any]) -> RegexCondition:
    """From `{"pattern": "…"}`. Raises `RuleInvalid`."""
    check_keys(condition, ["pattern"])
    pattern = condition.get("pattern")
    if not isinstance(pattern, str) or not 0 < len(pattern) <= MAX_PATTERN_CHARS:
        raise RuleInvalid(
            f'A regex rule needs {{"pattern": "…"}} of at most {MAX_PATTERN_CHARS} characters.'
        )
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = MAX_PATTERN_MEMORY
    try:
        return RegexCondition(re2.compile(pattern, options))
    except re2.error as exc:
        detail = exc.args[0]
        if isinstance(detail, bytes):
            detail = detail.decode(errors="replace")
        raise RuleInvalid(f"The pattern cannot be used: {detail}.") from exc
    except UnicodeEncodeError as exc:
        raise RuleInvalid("The pattern holds half a character.") from exc
