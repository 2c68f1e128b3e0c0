"""What an MCP server says of itself, on its page: what is told, what waits, and what each costs."""

from dataclasses import dataclass

from prompts.diff import TextDiff, diff_texts
from prompts.tokens import TokenCount, count_tokens
from routing.server_models import McpServer, WordsState
from routing.tools.server_words import hash_of_words, quoted, quoted_offer


@dataclass(frozen=True, slots=True)
class WordsShown:
    """`tokens` are added to every call of an agent that uses the server; `seen` names the text that
    an approval of this page is for.
    """

    state: WordsState
    approved: str
    tokens: TokenCount
    changes: TextDiff | None
    offered_tokens: TokenCount
    seen: str


def words_shown(row: McpServer) -> WordsShown | None:
    """None where the server says nothing."""
    if row.words_state is WordsState.NONE:
        return None
    is_waiting = row.words_state is WordsState.WAITING
    return WordsShown(
        state=row.words_state,
        approved=row.own_words,
        tokens=count_tokens(quoted(row)),
        changes=diff_texts(row.own_words, row.offered_words) if is_waiting else None,
        offered_tokens=count_tokens(quoted_offer(row)),
        seen=hash_of_words(row.offered_words),
    )
