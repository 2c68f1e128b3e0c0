"""How well a version of a prompt does: rates with what they are worth, never bare percentages.

Tasks and feedback live a few storeys above; whoever keeps them says here how to ask for them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.utils import timezone

from prompts.confidence import Interval, wilson_interval

#: How far back outcomes are counted when nobody says otherwise.
PERIOD: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class VersionOutcomes:
    """Ended tasks that were run under a version, and what people thought of its answers."""

    num_tasks: int = 0
    num_failed: int = 0
    num_handed_over: int = 0
    num_up: int = 0
    num_down: int = 0

    @property
    def success(self) -> Interval:
        """Of the answers that people rated, those that they found helpful."""
        return wilson_interval(self.num_up, self.num_up + self.num_down)

    @property
    def failure(self) -> Interval:
        """Of all tasks, those that failed, or that the fallback agent had to answer."""
        return wilson_interval(self.num_failed, self.num_tasks)

    @property
    def handover(self) -> Interval:
        """Of all tasks, those that another agent or a person had to take up."""
        return wilson_interval(self.num_handed_over, self.num_tasks)


Source = Callable[[Sequence[UUID], datetime], Mapping[UUID, VersionOutcomes]]
_sources: list[Source] = []


def ask_for_outcomes(source: Source) -> None:
    """Let `source(version_ids, since)` be who knows; it is called in the tenant's scope."""
    _sources[:] = [source]


def outcomes_of(
    version_ids: Sequence[UUID], *, since: datetime | None = None
) -> Mapping[UUID, VersionOutcomes]:
    """Outcomes by version, of the last 30 days; zeros where there are none."""
    known = _sources[0](version_ids, since or timezone.now() - PERIOD) if _sources else {}
    return {version_id: known.get(version_id, VersionOutcomes()) for version_id in version_ids}
