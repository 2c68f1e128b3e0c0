"""Running a prompt's test cases under one of its versions: durably, one case after the other."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import re2
from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet

from prompts.case_models import PromptTestCase, PromptTestRun
from prompts.drafted import DraftAnswer
from prompts.errors import TestCaseNotFound, TestRunNotFound
from prompts.models import Prompt, PromptVersion
from prompts.past import wake_runners
from prompts.run_models import RunStatus
from tenants.audit import record, record_change, record_new, values_of
from tenants.audit_models import AuditAction

#: Cases that one run takes; a prompt with more has them tried in order of age.
MAX_CASES: Final = 50
MAX_MESSAGE_CHARS: Final = 4000
_KEPT_CHARS: Final = 2000


@transaction.atomic
def start_test_run(
    *, version: PromptVersion, author: AbstractBaseUser | None = None
) -> PromptTestRun:
    """Ask all test cases under `version`, and keep how it did. A run of the same text that is under
    way is taken up instead.
    """
    rows = PromptTestCase.objects.filter(prompt=version.prompt_id).order_by("id")
    cases = [str(pk) for pk in rows.values_list("pk", flat=True)[:MAX_CASES]]
    running = list_test_runs(version).filter(
        digest=digest_of(version), status=RunStatus.RUNNING, cases=cases
    )
    if cases and (found := running.first()) is not None:
        return found
    run = PromptTestRun.objects.create(
        version=version,
        # What is asked about is what is written down as tested, whoever edits the draft meanwhile.
        digest=digest_of(version),
        num_parts=len(cases),
        cases=cases,
        status=RunStatus.RUNNING if cases else RunStatus.COMPLETED,
        author_id=author.pk if author else None,
    )
    wake_runners()
    return run


def list_test_runs(version: PromptVersion) -> QuerySet[PromptTestRun]:
    """The version's runs, newest first."""
    return PromptTestRun.objects.filter(version=version).order_by("-id")


def get_test_run(run_id: UUID) -> PromptTestRun:
    """The run with its version and prompt. Raises TestRunNotFound."""
    rows = PromptTestRun.objects.select_related("version__prompt__tenant")
    run = rows.filter(pk=run_id).first()
    if run is None:
        raise TestRunNotFound
    return run


def get_run_of(prompt: Prompt, run_id: UUID) -> PromptTestRun:
    """The run, when it is of that prompt. Raises TestRunNotFound."""
    run = get_test_run(run_id)
    if run.version.prompt_id != prompt.pk:
        raise TestRunNotFound
    return run


def get_case(prompt: Prompt, case_id: UUID) -> PromptTestCase:
    """Raises TestCaseNotFound."""
    case = PromptTestCase.objects.filter(prompt=prompt, pk=case_id).first()
    if case is None:
        raise TestCaseNotFound
    return case


def case_of(prompt: Prompt, message: str, context: Mapping[str, Any]) -> PromptTestCase:
    """A test case of a real message, with nothing expected of its answer yet."""
    return add_case(prompt, message=message[:MAX_MESSAGE_CHARS], context=dict(context))


@transaction.atomic
def add_case(prompt: Prompt, **given: Any) -> PromptTestCase:
    """A new test case of the prompt, with these fields."""
    case = PromptTestCase.objects.create(prompt=prompt, **given)
    record_new(case)
    return case


@transaction.atomic
def edit_case(case: PromptTestCase, **given: Any) -> None:
    """Give the fields that are named other values."""
    before = values_of(case)
    for name, value in given.items():
        setattr(case, name, value)
    if given:
        case.save(update_fields=list(given))
    record_change(case, before)


@transaction.atomic
def remove_case(case: PromptTestCase) -> None:
    """Take the test case away; what runs found of it stays."""
    record(AuditAction.DELETED, case)
    case.delete()


def latest_run(version: PromptVersion) -> PromptTestRun | None:
    """The newest run on the text that the version has now, finished or not."""
    return list_test_runs(version).filter(digest=digest_of(version)).first()


def next_case(run: PromptTestRun) -> PromptTestCase | None:
    """The case whose turn it is; None when it was deleted meanwhile."""
    return PromptTestCase.objects.filter(pk=run.cases[run.num_done]).first()


def digest_of(version: PromptVersion) -> str:
    texts = [version.template, *(text for _, text in sorted(version.variants.items()))]
    return sha256("\0".join(texts).encode()).hexdigest()


def result_of(case: PromptTestCase, answer: DraftAnswer) -> dict[str, Any]:
    """How the answer is, as a run keeps it."""
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
