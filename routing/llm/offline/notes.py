"""Notes of a conversation, when a prompt asks for them: what the customer said, cut short."""

from typing import Final

from routing.llm.offline.conversation import Conversation

#: How such a prompt begins, and how the notes so far and the new messages are told apart.
ORDER: Final = "You keep the notes"
SINCE: Final = "Said since:"
SO_FAR: Final = "Notes so far:"
MAX_LINE_CHARS: Final = 120
MAX_LINES: Final = 12


def is_for_notes(talk: Conversation) -> bool:
    return bool(talk.turns) and talk.turns[0].text.startswith(ORDER)


def notes(talk: Conversation) -> str:
    """The notes so far with a line for each new message of the customer's; the newest lines."""
    so_far, _, since = talk.last_text.partition(SINCE)
    lines = [line for line in so_far.removeprefix(SO_FAR).splitlines() if line.strip()]
    for line in since.splitlines():
        role, _, text = line.partition(": ")
        if role == "user" and text.strip():
            lines.append(f"- {text.strip()[:MAX_LINE_CHARS]}")
    return "\n".join(lines[-MAX_LINES:]) or "-"
