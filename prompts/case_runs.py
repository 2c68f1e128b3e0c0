"""Running a prompt's test cases under one of its versions."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import re2
from django.contrib.auth.models import AbstractBaseUser

from prompts.case_models import PromptTestCase, PromptTestRun
from prompts.drafted import DraftAnswer, DraftQuestion, answers_under
from prompts.models import PromptVersion

#: Cases that one run takes; a prompt with more has them tried in order of age.
MAX_CASES: Final = 50
_KEPT_CHARS: Final = 2000


def run_test_set(
    *, version: PromptVersion, author: AbstractBaseUser | None = None
) -> PromptTestRun:
    """Ask all test cases under `version`, and keep how it did. Raises NobodyAnswers."""
    cases = list(PromptTestCase.objects.filter(prompt=version.prompt_id)[:MAX_CASES])
    # What is asked about is what is written down as tested, whoever edits the draft meanwhile.
    digest = digest_of(version)
    questions = [DraftQuestion(case.message, case.context) for case in cases]
    answers = answers_under(version, questions) if cases else []
    results = [_result(case, answer) for case, answer in zip(cases, answers, strict=True)]
    num_failed = sum(1 for result in results if result["faults"])
    return PromptTestRun.objects.create(
        version=version,
        digest=digest,
        num_passed=len(results) - num_failed,
        num_failed=num_failed,
        results=results,
        author_id=author.pk if author else None,
    )


def latest_run(version: PromptVersion) -> PromptTestRun | None:
    """The newest run on the text that the version has now."""
    return PromptTestRun.objects.filter(version=version, digest=digest_of(version)).first()


def digest_of(version: PromptVersion) -> str:
    return sha256(version.template.encode()).hexdigest()


def _result(case: PromptTestCase, answer: DraftAnswer) -> dict[str, Any]:
    return {
        "case": str(case.pk),
        "message": case.message[:_KEPT_CHARS],
        "answer": answer.text[:_KEPT_CHARS],
        "tokens": answer.output_tokens,
        "faults": [{"code": code, "wanted": wanted} for code, wanted in faults_of(case, answer)],
    }


def faults_of(case: PromptTestCase, answer: DraftAnswer) -> Iterator[tuple[str, str]]:
    """What is wrong with the answer: pairs of a code and what had been expected."""
    if answer.failure:
        yield "failed", answer.failure
        return
    said = answer.text.casefold()
    for phrase in _lines(case.must_contain):
        if phrase.casefold() not in said:
            yield "lacks", phrase
    for phrase in _lines(case.must_not_contain):
        if phrase.casefold() in said:
            yield "contains", phrase
    if case.pattern and not re2.search(case.pattern, answer.text):
        yield "unlike", case.pattern
    if case.max_tokens is not None and answer.output_tokens > case.max_tokens:
        yield "longer", str(case.max_tokens)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
