"""Channel layers in trouble. `CHANNEL_LAYERS` names them by path."""

from typing import Any

from channels.layers import InMemoryChannelLayer


class DroppingLayer(InMemoryChannelLayer):
    """Takes every message and delivers none."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        return None


class FailingLayer(InMemoryChannelLayer):
    """What a restart of Redis looks like from here."""

    num_failures = 0

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        FailingLayer.num_failures += 1
        raise ConnectionError("the layer is gone")

    async def group_add(self, group: str, channel: str) -> None:
        raise ConnectionError("the layer is gone")


class ClosedLayer(DroppingLayer):
    """What uvloop says of a write to a connection that the server has just closed."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")

    async def group_add(self, group: str, channel: str) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")


def use_layer(settings: Any, layer: type[InMemoryChannelLayer]) -> None:
    """Let the project use this layer for the rest of the test."""
    path = f"{layer.__module__}.{layer.__qualname__}"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": path}}
