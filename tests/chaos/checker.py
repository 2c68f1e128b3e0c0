"""The one judge of a storm: what is in the database against what clients were told.

It speaks plain SQL, so that it shares nothing with the code it judges, and runs on both databases.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.chaos.history import History
from tests.production.till import Till
from tests.production.upstream import answer_to, tools_in

COMPLETED: Final = ("completed", "")

Rows = Callable[[str], list[tuple[Any, ...]]]
TERMINAL: Final = {"completed", "failed", "cancelled"}


def faults_in(history: History, rows: Rows, till: Till | None = None) -> list[str]:
    """Every promise that was broken, in words; empty when all were kept. With a till also those
    about what happened outside.
    """
    return [
        *_of_tasks(history, rows),
        *_of_messages(history, rows),
        *_of_events(rows),
        *_of_steps(rows),
        *([*_of_calls(history, rows), *_of_effects(rows, till)] if till else []),
    ]


def _of_tasks(history: History, rows: Rows) -> list[str]:
    found = {
        _id(id_): (status, why)
        for id_, status, why in rows(
            # Nobody asked for branches: they are how a task is done.
            "SELECT id, status, error_code FROM conversations_task WHERE parent_id IS NULL"
        )
    }
    promised = {_id(told.task_id): told.text for told in history.acknowledged}
    never_promised = len(found.keys() - promised.keys())
    return [
        *(
            f"{found.get(id_, 'lost')}: {text}"
            for id_, text in promised.items()
            if found.get(id_) != COMPLETED
        ),
        *([f"{never_promised} tasks beyond those that were accepted"] if never_promised else []),
    ]


def _of_messages(history: History, rows: Rows) -> list[str]:
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for task_id, role, content in rows(
        "SELECT task_id, role, content FROM conversations_message ORDER BY seq"
    ):
        found[_id(task_id)].append((role, content))
    return [
        f"messages of {told.text}: {found[_id(told.task_id)]}"
        for told in history.acknowledged
        if found[_id(told.task_id)] != [("user", told.text), ("assistant", answer_to(told.text))]
    ]


def _of_events(rows: Rows) -> list[str]:
    seqs: dict[str, list[int]] = defaultdict(list)
    endings: Counter[str] = Counter()
    for session_id, task_id, seq, kind, data in rows(
        "SELECT session_id, task_id, seq, type, data FROM conversations_event ORDER BY seq"
    ):
        seqs[_id(session_id)].append(seq)
        told = json.loads(data) if isinstance(data, str) else data
        if kind == "task.status_changed" and told["status"] in TERMINAL:
            endings[_id(task_id)] += 1
    last = {_id(id_): seq for id_, seq in rows("SELECT id, last_seq FROM conversations_session")}
    tasks = [_id(id_) for (id_,) in rows("SELECT id FROM conversations_task")]
    return [
        *(f"{endings[id_]} endings of {id_}" for id_ in tasks if endings[id_] != 1),
        *(
            f"gaps in session {id_}: {seqs[id_]} to {seq}"
            for id_, seq in last.items()
            if seqs[id_] != list(range(1, seq + 1))
        ),
    ]


def _of_steps(rows: Rows) -> list[str]:
    numbers: dict[str, list[int]] = defaultdict(list)
    for task_id, number in rows("SELECT task_id, number FROM conversations_step ORDER BY number"):
        numbers[_id(task_id)].append(number)
    return [
        f"steps of {id_}: {numbers[_id(id_)]} of {count}"
        for id_, count in rows("SELECT id, num_steps FROM conversations_task")
        if numbers[_id(id_)] != list(range(1, count + 1))
    ]


def _of_calls(history: History, rows: Rows) -> list[str]:
    """Each call that was asked for is one step, which has succeeded, in the order of the asking."""
    found: dict[str, list[str]] = defaultdict(list)
    for task_id, status, _, call in _calls(rows):
        found[_id(task_id)].append(call if status == "succeeded" else f"{call} {status}")
    return [
        f"calls of {told.text}: {found[_id(told.task_id)]}"
        for told in history.acknowledged
        if found[_id(told.task_id)] != tools_in(told.text)
    ]


def _of_effects(rows: Rows, till: Till) -> list[str]:
    """Outside, a call may arrive more than once, but with one key only: the one that is written
    down. So each has one effect, and nothing has an effect of which nobody knows.
    """
    written = Counter(
        key for _, status, key, call in _calls(rows) if status == "succeeded" and call != "price"
    )
    return [
        *(f"no effect of {key}" for key in written.keys() - till.charged),
        *(f"an effect that is not written down: {key}" for key in till.charged - written.keys()),
        *(f"{times} steps with the key {key}" for key, times in written.items() if times > 1),
    ]


def _calls(rows: Rows) -> Iterator[tuple[str, str, str, str]]:
    """Task, status, key and name of each."""
    for task_id, status, input_ in rows(
        "SELECT task_id, status, input FROM conversations_step WHERE kind = 'tool' ORDER BY number"
    ):
        call = json.loads(input_) if isinstance(input_, str) else input_
        yield task_id, status, call["idempotency_key"], call["name"]


def _id(value: Any) -> str:
    """SQLite keeps UUIDs without dashes."""
    return str(value).replace("-", "")
