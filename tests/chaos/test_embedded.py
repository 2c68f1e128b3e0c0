from pathlib import Path

import pytest

from tests.chaos.embedded import installation

pytestmark = [pytest.mark.chaos, pytest.mark.long]


def test_one_process_on_one_file_loses_nothing_it_accepted(tmp_path: Path) -> None:
    with installation(tmp_path) as one:
        storm = one.storm(kills=3, seed=11, num_tasks=60)
        storm.rage(seconds_to_settle=30)
        assert storm.broken_promises() == []
        assert len(storm.history.acknowledged) == 60
        assert storm.history.statuses <= {0}
        assert one.rows("PRAGMA integrity_check") == [("ok",)]
