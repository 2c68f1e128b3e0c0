"""Every address that the URL configuration knows, so that whatever walks them leaves none out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, reverse


@dataclass(frozen=True)
class Address:
    """One pattern: its route from the root, its name with namespaces, what it asks for."""

    route: str
    name: str
    parameters: tuple[str, ...]
    view: Any

    def path(self, **values: Any) -> str:
        return reverse(self.name, kwargs={key: values[key] for key in self.parameters})

    @property
    def methods(self) -> list[str]:
        """What the view answers to; unknown views are tried with all of it."""
        view = getattr(self.view, "view_class", getattr(self.view, "cls", self.view))
        declared = getattr(view, "required_scopes", None)
        return sorted(declared) if declared else ["GET", "POST"]


def addresses(prefix: str = "") -> list[Address]:
    """Every address whose route begins with `prefix`."""
    return [found for found in _walk(get_resolver()) if found.route.startswith(prefix)]


def _walk(
    resolver: URLResolver, route: str = "", namespace: str = "", above: tuple[str, ...] = ()
) -> Iterator[Address]:
    for entry in resolver.url_patterns:
        here = route + str(entry.pattern)
        asked = above + tuple(_parameters(entry))
        if isinstance(entry, URLResolver):
            inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
            yield from _walk(entry, here, inner, asked)
        else:
            name = f"{namespace}{entry.name}" if entry.name else ""
            yield Address(here, name, asked, entry.callback)


def _parameters(entry: URLPattern | URLResolver) -> list[str]:
    pattern = entry.pattern
    named = getattr(getattr(pattern, "regex", None), "groupindex", {})
    return list(pattern.converters) or list(named)
