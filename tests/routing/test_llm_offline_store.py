"""What customers of the demo's store write, and what makes sense as an answer."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.fakes.hardware_store import HardwareStore
from tests.fakes.llm_door import open_door
from tests.fakes.llm_server import says

MADE = "crear_pedido"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[HardwareStore]:
    async with open_door(says("never asked")) as door:
        yield HardwareStore(door, tmp_path / "store.sqlite3")


async def ask(store: HardwareStore, *texts: str) -> str:
    """The answer to the last of `texts`."""
    answer = ""
    for text in texts:
        answer = await store.say(text)
    return answer


async def test_what_is_not_sold_changes_nothing_that_was_ordered(store: HardwareStore) -> None:
    answer = await ask(store, "cotiza 5 bultos de cemento y 3 varillas de 3/8", "y ponle 2 palas")
    assert "No encuentro «palas»" in answer
    assert "5 × Cemento gris" in answer
    assert "3 × Varilla" in answer


async def test_a_quantity_of_what_was_spoken_of_may_name_its_unit(store: HardwareStore) -> None:
    said = ["dame 5 bultos de cemento"]
    for text in ("mejor 20 bultos", "que sean 20 por favor", "20 nomás"):
        assert "20 × Cemento gris" in await ask(store, *said, text)


async def test_a_question_between_offer_and_confirmation_loses_no_order(
    store: HardwareStore,
) -> None:
    answer = await ask(store, "necesito 10 tubos pvc", "¿cuánto es el envío?")
    assert "cuesta $90.00" in answer
    assert store.called == []
    assert "quedó registrado" in await ask(store, "confirmo")
    assert "quedó registrado" not in await ask(store, "confirmo")


@pytest.mark.parametrize("text", ["sí", "ok", "gracias", "¿confirmo mañana?"])
async def test_only_a_clear_word_confirms_what_was_offered_earlier(
    store: HardwareStore, text: str
) -> None:
    await ask(store, "necesito 10 tubos pvc", "¿cuánto es el envío?", text)
    assert MADE not in [name for name, _ in store.called]


async def test_what_was_declined_is_not_confirmed_later(store: HardwareStore) -> None:
    await ask(store, "necesito 10 tubos pvc", "no, gracias", "¿cuánto es el envío?", "confirmo")
    assert MADE not in [name for name, _ in store.called]


async def test_a_no_with_another_wish_changes_the_order(store: HardwareStore) -> None:
    answer = await ask(store, "Necesito 10 tubos PVC", "no, mejor de 1 pulgada")
    assert '10 × Tubo PVC hidráulico 1" x 6 m (TUB-100)' in answer
    assert "5 × Tubo PVC hidráulico 1" in await ask(store, "no, 5")
    assert "de acuerdo, no hago" in (await ask(store, "no, mejor ya no")).lower()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nesecito 10 tuvos de pbc", "10 × Tubo PVC hidráulico"),
        ("nesesito 5 bultos de semento", "5 × Cemento gris"),
    ],
)
async def test_slips_of_the_pen_by_ear_are_understood(
    store: HardwareStore, text: str, expected: str
) -> None:
    assert expected in await ask(store, text)


async def test_spanish_in_capitals_is_answered_in_spanish(store: HardwareStore) -> None:
    answer = await ask(store, "NESECITO CEMENTO URGENTE 20 BULTOS A DOMICILIO")
    assert answer.startswith("¡Claro!")
    assert "20 × Cemento gris" in answer
    assert "¿Confirmas el pedido?" in answer


async def test_what_is_not_found_is_named(store: HardwareStore) -> None:
    answer = await ask(store, "¿cuánto cuesta una sierra circular?")
    assert "No encuentro «sierra circular»" in answer
    assert "No encontré resultados" not in answer


async def test_how_many_are_left_is_asked_of_what_was_spoken_of(store: HardwareStore) -> None:
    answer = await ask(store, "¿tienes pintura blanca?", "¿cuántas cubetas te quedan?")
    assert "Hay 26 en existencia" in answer


async def test_wanting_it_asks_how_many_and_then_confirms(store: HardwareStore) -> None:
    answer = await ask(store, "precio del taladro", "lo quiero")
    assert "¿Qué cantidad necesitas?" in answer
    assert "1 × Taladro" in await ask(store, "solo uno")


async def test_an_order_is_not_cancelled_by_words(store: HardwareStore) -> None:
    answer = await ask(store, "cancela mi pedido")
    assert "no puedo cancelar" in answer.lower()
    assert "33 5550 0142" in answer
