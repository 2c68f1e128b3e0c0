import ast

import pytest

from orkesta.env import PROJECT_ROOT
from tests.mutants.__main__ import mutated
from tests.mutants.table import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_mutant_still_fits(mutant: Mutant) -> None:
    for path, changes in mutant.edits:
        text = (PROJECT_ROOT / path).read_text(encoding="utf-8")
        ast.parse(mutated(changes, text))
    for test in mutant.tests:
        assert (PROJECT_ROOT / test).exists()


def test_there_are_enough_of_them() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 20
