import ast
import re

from orkesta.env import PROJECT_ROOT
from tests.guards.sources import PACKAGES, Source, product_sources

#: Vendors and the only place each is spoken to; elsewhere their names and exceptions are unknown.
VENDORS = {
    "openai": ("routing/llm/",),
    "httpx2": ("routing/llm/", "routing/tools/", "routing/webhook_agents.py", "orkesta/outbound/"),
    "mcp": ("routing/tools/",),
    "mcp_types": ("routing/tools/", "conversations/demo/tools.py"),
    "stamina": ("routing/tools/insisting.py",),
    "yaml": ("routing/tools/openapi.py",),
    "daphne": ("conversations/embedded.py", "conversations/patient_server.py"),
    "twisted": ("conversations/embedded.py", "conversations/patient_server.py"),
    "jinja2": ("prompts/rendering/",),
    "cryptography": ("orkesta/crypto.py",),
    "environs": ("orkesta/env.py",),
    # The ground floor turns ScopeError into a problem; it cannot ask tenants for the name.
    "django_scopes": ("tenants/scope.py", "tenants/statements.py", "orkesta/api/problems.py"),
    "genai_prices": ("tenants/usage/prices.py",),
    "django_ratelimit": ("orkesta/anonymous_doors.py",),
    "tiktoken": ("prompts/tokens.py",),
}
#: Who may tell watchers of something: acts, the numbered log, and the engine's store.
TELLERS = ("conversations/services/", "conversations/event_log.py", "conversations/engine/store.py")
FOREIGN_HOST = re.compile(
    r"""(?:(?:src|action)\s*=\s*["']?|<link[^>]+href\s*=\s*["']?|url\(\s*["']?"""
    r"""|@import\s+["']?|import\(["'])(?:https?:)?//"""
)


def test_each_vendor_is_met_at_one_door() -> None:
    strays = [
        f"{source.name} imports {name}"
        for source in product_sources()
        for name in source.imports()
        for vendor, doors in VENDORS.items()
        if name.split(".")[0] == vendor and not source.name.startswith(doors)
    ]
    assert strays == []


def test_every_vendor_in_the_table_is_still_used() -> None:
    used = {name.split(".")[0] for source in product_sources() for name in source.imports()}
    assert set(VENDORS) - used == set()


def test_watchers_are_told_from_few_places_and_after_the_commit() -> None:
    tellers = {source.name for source in product_sources() if _calls(source, "publish_on_commit")}
    assert tellers, "nobody tells watchers anything"
    assert [name for name in tellers if not name.startswith(TELLERS)] == []


def test_pages_load_nothing_from_other_hosts() -> None:
    pages = [
        path
        for package in (".", *PACKAGES)
        for folder in ("templates", "static")
        for path in (PROJECT_ROOT / package / folder).rglob("*")
        if path.suffix in {".html", ".css", ".js", ".svg", ".txt"}
    ]
    assert pages
    strays = [
        f"{path.relative_to(PROJECT_ROOT)}: {found.group(0)}"
        for path in pages
        for found in FOREIGN_HOST.finditer(path.read_text(encoding="utf-8"))
    ]
    assert strays == []


def _calls(source: Source, name: str) -> bool:
    return any(
        isinstance(node, ast.Call)
        and name in {getattr(node.func, "attr", ""), getattr(node.func, "id", "")}
        for node in ast.walk(source.tree)
    )
