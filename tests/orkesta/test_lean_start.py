import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
HEAVY: Final = {"mcp", "mcp_types", "twisted", "autobahn"}
SERVING: Final = "import orkesta.asgi; from orkesta.urls import urlpatterns"
WORKING: Final = "import django; django.setup(); import conversations.engine.worker"


@pytest.mark.parametrize("starting", [SERVING, WORKING])
def test_a_process_starts_without_the_libraries_that_few_turns_need(starting: str) -> None:
    asking = f"{starting}; import sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", asking],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert not HEAVY & set(done.stdout.split())
