"""Counting tokens offline, for the editor: what a text costs before anybody pays for it.

What a call did cost is never counted here; that is in the provider's `usage`. The vocabulary is
OpenAI's `o200k_base`, shipped in `prompts/data/` and checked against its published hash when it is
first needed (about 0.3 s and 85 MB); nothing is ever fetched.
"""

import base64
import gzip
import hashlib
import threading
import zlib
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import tiktoken
from tiktoken.model import encoding_name_for_model

from prompts.errors import VocabularyDamaged

VOCABULARY = Path(__file__).resolve().parent / "data" / "o200k_base.tiktoken.gz"
# The hash that tiktoken pins for https://openaipublic.blob.core.windows.net/encodings/.
VOCABULARY_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"

# Measured over English and Spanish prompts; for models whose vocabulary is not public.
CHARACTERS_PER_TOKEN = 3.6
# A longer text is estimated: a megabyte would keep the editor waiting.
EXACT_CHARACTERS = 512 * 1024

# The vocabularies that split text as o200k_base does; harmony only adds special tokens.
_SAME_VOCABULARY = frozenset({"o200k_base", "o200k_harmony"})

# How the vocabulary splits text before merging bytes: part of its definition, like the hash.
_LETTER_CASES = (
    (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"),
    (r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"),
)
_SPLIT = "|".join(
    [
        rf"[^\r\n\p{{L}}\p{{N}}]?{upper}{lower}(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        for upper, lower in _LETTER_CASES
    ]
    + [r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"]
)
_SPECIAL = {"<|endoftext|>": 199_999, "<|endofprompt|>": 200_018}

_loading = threading.Lock()
_loaded: list[tiktoken.Encoding] = []


@dataclass(frozen=True, slots=True)
class TokenCount:
    """How many tokens; `is_exact` says whether they were counted or estimated."""

    count: int
    is_exact: bool

    def __str__(self) -> str:
        return f"{self.count}" if self.is_exact else f"≈ {self.count}"


def count_tokens(text: str, model: str = "") -> TokenCount:
    """The tokens of `text` for `model`, with or without a provider's prefix (`openai/gpt-5`).

    Counted for models with the o200k vocabulary, and for no model in particular; estimated at 3.6
    characters each for all others and for texts above 512 Ki characters. Raises VocabularyDamaged.
    """
    if len(text) > EXACT_CHARACTERS or not _has_vocabulary(model):
        return TokenCount(ceil(len(text) / CHARACTERS_PER_TOKEN), is_exact=False)
    return TokenCount(len(_encoding().encode_ordinary(text)), is_exact=True)


def _has_vocabulary(model: str) -> bool:
    name = model.rpartition("/")[2].lower()
    if not name:
        return True
    try:
        return encoding_name_for_model(name) in _SAME_VOCABULARY
    except KeyError:
        return False


def _encoding() -> tiktoken.Encoding:
    with _loading:
        if not _loaded:
            ranks = _read_vocabulary(VOCABULARY)
            _loaded.append(
                tiktoken.Encoding(
                    "o200k_base", pat_str=_SPLIT, mergeable_ranks=ranks, special_tokens=_SPECIAL
                )
            )
        return _loaded[0]


def _read_vocabulary(path: Path) -> dict[bytes, int]:
    try:
        unpacked = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise VocabularyDamaged(f"{path.name} cannot be read.") from error
    if hashlib.sha256(unpacked).hexdigest() != VOCABULARY_SHA256:
        raise VocabularyDamaged(f"{path.name} is not the published vocabulary.")
    pairs = (line.split() for line in unpacked.splitlines())
    return {base64.b64decode(token): int(rank) for token, rank in pairs}
