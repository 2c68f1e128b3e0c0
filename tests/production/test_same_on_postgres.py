import os
import subprocess
import sys

import pytest

from orkesta.env import PROJECT_ROOT

#: What depends on the database more than on anything else; elsewhere it runs on SQLite.
CONFORMANCE = (
    "tests/conversations/test_claims.py",
    "tests/conversations/test_fair_turns.py",
    "tests/conversations/test_control_tasks.py",
    "tests/conversations/test_message_while_busy.py",
    "tests/conversations/test_run_turn.py",
    "tests/conversations/test_resume_and_cancel.py",
    "tests/conversations/test_people.py",
    "tests/conversations/test_idempotency.py",
    "tests/conversations/test_batches.py",
    "tests/prompts/test_publish_at_once.py",
    "tests/prompts/test_task_types.py",
    "tests/tenants/test_scope.py",
    "tests/tenants/test_prepared_statements.py",
    "tests/conversations/test_turn_statements.py",
    "tests/conversations/test_charging.py",
    "tests/tenants/usage/test_rollup.py",
    "tests/routing/test_embed_examples.py",
)
#: Nothing about PostgreSQL that ten would not show.
TOO_LONG = "tests/conversations/test_batches.py::test_it_takes_a_thousand"


@pytest.mark.postgres
def test_engine_and_store_behave_on_postgres_as_on_sqlite(postgres_url: str) -> None:
    command = ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--deselect", TOO_LONG]
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, *command, *CONFORMANCE],
        cwd=PROJECT_ROOT,
        env=inherited | {"TEST_ORKESTA_DATABASE_URL": postgres_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
