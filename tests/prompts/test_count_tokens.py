import gzip
import hashlib
import re
import threading
import time
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from prompts import tokens
from prompts.errors import VocabularyDamaged
from prompts.tokens import TokenCount, count_tokens

O200K_URL = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"

TEXTS = [
    "",
    "Hello, world!",
    "Hola, ¿cómo estás? Tu pedido nº 12345 llegará el 3 de mayo.",
    "I'll we've THEY'RE CamelCase snake_case\n\n  indented\r\n\ttab   ",
    "日本語のテキスト 한국어 العربية עברית ไทย",
    "👩‍👩‍👧‍👦 emoji 😀",
    "<|endoftext|> is text <|endofprompt|>",
    "\x00\x01\ud800",
    '{"json": [1, 2.5, null]} // path/to/file',
]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> tiktoken.Encoding:
    cache = tmp_path_factory.mktemp("tiktoken")
    name = hashlib.sha1(O200K_URL.encode()).hexdigest()
    (cache / name).write_bytes(gzip.decompress(tokens.VOCABULARY.read_bytes()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
        return tiktoken.get_encoding("o200k_base")


@pytest.mark.parametrize("text", TEXTS)
def test_it_counts_as_the_published_tokenizer_does(text: str, reference: tiktoken.Encoding) -> None:
    expected = len(reference.encode(text, disallowed_special=()))
    assert count_tokens(text) == TokenCount(expected, is_exact=True)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(text=st.text())
def test_it_counts_any_text_as_the_published_tokenizer_does(
    text: str, reference: tiktoken.Encoding
) -> None:
    assert count_tokens(text).count == len(reference.encode_ordinary(text))


@pytest.mark.parametrize(
    ("model", "is_exact"),
    [
        ("", True),
        ("gpt-4o", True),
        ("gpt-4o-mini", True),
        ("gpt-4.1-mini", True),
        ("gpt-5.2", True),
        ("o3", True),
        ("openai/gpt-5-mini", True),
        ("openrouter/openai/GPT-5", True),
        ("gpt-oss-120b", True),
        ("gpt-4", False),
        ("gpt-3.5-turbo", False),
        ("claude-sonnet-4-5", False),
        ("llama-3.3-70b", False),
        ("offline", False),
    ],
)
def test_only_known_models_are_exact(model: str, is_exact: bool) -> None:
    counted = count_tokens("x" * 36, model)
    assert counted.is_exact is is_exact
    if not is_exact:
        assert counted.count == 10
        assert str(counted) == "≈ 10"


def test_an_enormous_text_is_estimated_at_once() -> None:
    started = time.thread_time()
    counted = count_tokens("a" * 3_600_000)
    assert counted == TokenCount(1_000_000, is_exact=False)
    assert time.thread_time() - started < 2


@pytest.mark.parametrize(
    "content",
    [None, b"", b"not gzip", gzip.compress(b"YQ== 0\n", mtime=0)],
    ids=["absent", "empty", "not gzip", "too short"],
)
def test_a_damaged_vocabulary_is_refused(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "damaged.gz"
    if content is not None:
        damaged.write_bytes(content)
    monkeypatch.setattr(tokens, "VOCABULARY", damaged)
    monkeypatch.setattr(tokens, "_loaded", [])
    with pytest.raises(VocabularyDamaged, match=re.escape("damaged.gz")):
        count_tokens("x")


def test_many_threads_load_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_loaded", [])
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(count_tokens("Hello, world!").count))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [4] * 8
    assert len(tokens._loaded) == 1
