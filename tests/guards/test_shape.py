import ast
import re

from orkesta.env import PROJECT_ROOT
from tests.guards.sources import PACKAGES, all_sources, length, product_sources

MAX_FUNCTION_LINES = 60
MAX_TEST_LINES = 40
MAX_FILE_LINES = 500
EMPTY_NAMES = re.compile(r"(^|/)(utils?|helpers?|common|misc|base)(\.py$|/)|(^|/)base_[^/]*\.py$")
#: Where Django looks for a database backend.
GIVEN_NAMES = re.compile(r"orkesta/(sqlite|postgresql)/base\.py")
#: The one boundary where what nobody foresaw becomes a recorded failure.
BOUNDARIES = {"conversations/engine/runner.py"}
PURE = (
    "routing/rules/context.py",
    "routing/rules/conversation.py",
    "routing/rules/examples.py",
    "routing/rules/hours.py",
    "routing/rules/intents.py",
    "routing/rules/keywords.py",
    "routing/rules/patterns.py",
    "routing/rules/trying.py",
    "routing/rules/values.py",
    "routing/replay.py",
    "conversations/states.py",
    "conversations/cursor.py",
    "conversations/engine/actions.py",
    "conversations/engine/orchestrator.py",
    "conversations/engine/folding.py",
    "conversations/engine/state.py",
)
IMPURE_IMPORTS = re.compile(
    r"^(asyncio|time|random|secrets|threading|socket|django\.db\.(?!models)|django\.utils\.timezone"
    r"|django\.conf|orkesta\.database|\w+\.models|tenants\.scope)\b"
)
IMPURE_CALLS = {"now", "today", "utcnow", "uuid4", "uuid7"}


def test_no_function_is_longer_than_a_page() -> None:
    long = [
        f"{source.name}:{node.lineno} {node.name} has {length(node)} lines"
        for source in all_sources()
        for node in source.functions()
        if length(node) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_test_is_longer_than_forty_lines() -> None:
    long = [
        f"{source.name}:{node.lineno} {node.name} has {length(node)} lines"
        for source in all_sources()
        for node in source.functions()
        if source.name.startswith("tests/")
        and node.name.startswith("test_")
        and length(node) > MAX_TEST_LINES
    ]
    assert long == []


def test_no_file_is_longer_than_five_hundred_lines() -> None:
    long = [
        f"{source.name} has {len(source.text.splitlines())} lines"
        for source in all_sources()
        if len(source.text.splitlines()) > MAX_FILE_LINES
    ]
    assert long == []


def test_every_file_is_named_after_a_thing() -> None:
    empty = [source.name for source in all_sources() if EMPTY_NAMES.search(source.name)]
    assert [name for name in empty if not GIVEN_NAMES.fullmatch(name)] == []


def test_tests_speak_for_themselves() -> None:
    told = [
        f"{source.name}:{node.lineno}"
        for source in all_sources()
        for node in source.functions()
        if node.name.startswith("test_") and ast.get_docstring(node)
    ]
    assert told == []


def test_nothing_is_mocked() -> None:
    banned = {"unittest.mock", "mock", "pytest_mock", "respx", "responses"}
    found = [
        f"{source.name} imports {name}"
        for source in all_sources()
        for name in source.imports()
        if name in banned or name.startswith("unittest.mock")
    ]
    assert found == []


def test_whatever_is_raised_is_caught_in_one_place_only() -> None:
    broad = {
        source.name
        for source in product_sources()
        for node in ast.walk(source.tree)
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node)
    }
    assert broad == BOUNDARIES


def test_what_decides_is_pure() -> None:
    sources = {source.name: source for source in product_sources()}
    assert [name for name in PURE if name not in sources] == []
    for name in PURE:
        source = sources[name]
        waits = [node for node in ast.walk(source.tree) if isinstance(node, ast.AsyncFunctionDef)]
        calls = [node for node in ast.walk(source.tree) if isinstance(node, ast.Call)]
        assert waits == [], name
        assert [dotted for dotted in source.imports() if IMPURE_IMPORTS.match(dotted)] == [], name
        assert {_called(call) for call in calls} & IMPURE_CALLS == set(), name


def test_migrations_have_names() -> None:
    migrations = [
        path
        for package in PACKAGES
        for path in (PROJECT_ROOT / package).glob("migrations/[0-9]*.py")
    ]
    assert len(migrations) >= 4
    assert [path.name for path in migrations if "_auto_" in path.name] == []
    assert [
        path.name for path in migrations if not re.match(r"\d{4}_[a-z]\w+\.py", path.name)
    ] == []


def _catches_everything(node: ast.ExceptHandler) -> bool:
    """Whether any exception ends here. Tidying up and raising it again is not catching it."""
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    names = {kind.id for kind in kinds if isinstance(kind, ast.Name)}
    last = node.body[-1]
    is_passed_on = isinstance(last, ast.Raise) and last.exc is None
    return not is_passed_on and (node.type is None or bool(names & {"Exception", "BaseException"}))


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
