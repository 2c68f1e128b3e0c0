"""CPU time: the figure that holds on a machine that is busy with other things as well."""

from bench.processes import cpu_seconds, memory_mb
from bench.setups import Orkesta


class CpuClock:
    """CPU time that Orkesta has used since this was made, each of its processes for itself."""

    def __init__(self, orkesta: Orkesta) -> None:
        self._orkesta = orkesta
        self._before = self._read()
        self._services_before = cpu_seconds(orkesta.services)

    def seconds(self) -> float:
        """Of all servers and workers, without the database's."""
        return sum(self._since().values())

    def ms_a_turn(self, num_turns: int) -> dict[str, float]:
        """By what a table calls it."""
        per_turn = 1000 / max(1, num_turns)
        since = self._since()
        figures = {"server CPU ms a turn": sum(since.values()) * per_turn}
        if len(since) > 1:
            figures |= {f"of it {name}": used * per_turn for name, used in since.items()}
        if self._orkesta.services:
            used = cpu_seconds(self._orkesta.services) - self._services_before
            figures["PostgreSQL and Valkey"] = used * per_turn
        return figures | {"server MB": memory_mb(self._orkesta.children)}

    def _since(self) -> dict[str, float]:
        now = self._read()
        return {name: used - self._before[name] for name, used in now.items()}

    def _read(self) -> dict[str, float]:
        return {child.name: cpu_seconds([child.process.pid]) for child in self._orkesta.children}
