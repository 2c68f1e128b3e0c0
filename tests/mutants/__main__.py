"""`python -m tests.mutants [words]`: plant each bug in a copy of the tree, and run its tests there.

A mutant is caught when its tests fail (pytest's exit code 1). Any other end, and tests that fail
in an unchanged copy, prove nothing: they count as survived. Ends with 1 when fewer than 19 of 20
were caught.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orkesta.env import PROJECT_ROOT
from tests.mutants.table import MUTANTS, Changes, Mutant

AT_ONCE = 2
#: Of 20 mutants, 19 have to be caught.
NEEDED = 0.95
FAILED = 1
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "var", "static-collected")


def main(words: Sequence[str]) -> int:
    chosen = [
        mutant for mutant in MUTANTS if not words or any(word in mutant.name for word in words)
    ]
    with tempfile.TemporaryDirectory(prefix="orkesta-mutants-") as folder:
        original = _copy(Path(folder) / "original")
        tests = sorted({test for mutant in chosen for test in mutant.tests})
        broken = _failing(original, tests)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            caught = list(pool.map(lambda mutant: _is_caught(mutant, original, broken), chosen))
    _say(f"{sum(caught)} of {len(chosen)} mutants were caught.")
    return 0 if sum(caught) >= NEEDED * len(chosen) else 1


def _failing(original: Path, tests: Iterable[str]) -> set[str]:
    """Test files that fail without any mutant, and so prove nothing."""
    unchanged = _run(original, tests, "-rfE")
    if unchanged.returncode not in {0, FAILED}:
        raise SystemExit(unchanged.stdout + unchanged.stderr)
    found = {line.split()[1].partition("::")[0] for line in _reports(unchanged.stdout)}
    for path in sorted(found):
        _say(f"FAILS WITHOUT ANY MUTANT: {path}")
    return found


def _reports(output: str) -> Iterable[str]:
    return (line for line in output.splitlines() if line.startswith(("FAILED ", "ERROR ")))


def _is_caught(mutant: Mutant, original: Path, broken: set[str]) -> bool:
    started = time.monotonic()
    tests = sorted({*mutant.tests} - broken)
    if not tests:
        return False
    tree = original.parent / mutant.name.replace(" ", "-")
    shutil.copytree(original, tree)
    try:
        for path, changes in mutant.edits:
            source = tree / path
            text = mutated(changes, source.read_text(encoding="utf-8"))
            source.write_text(text, encoding="utf-8")
        code = _run(tree, tests, "-x").returncode
    finally:
        shutil.rmtree(tree)
    is_caught = code == FAILED
    word = "caught  " if is_caught else "SURVIVED"
    note = "" if code in {0, FAILED} else f" (pytest ended with {code})"
    _say(f"{word} {time.monotonic() - started:5.1f} s  {mutant.name}{note}")
    return is_caught


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def mutated(changes: Changes, text: str) -> str:
    """`text` with the bug in it. Raises ValueError unless each change fits in one place only."""
    for before, after in changes:
        if text.count(before) != 1:
            raise ValueError(f"{text.count(before)} places fit: {before!r}")
        text = text.replace(before, after)
    return text


def _copy(tree: Path) -> Path:
    shutil.copytree(PROJECT_ROOT, tree, ignore=NOT_COPIED)
    (tree / "var").mkdir()
    return tree


def _run(tree: Path, tests: Iterable[str], option: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", option, "-q", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
