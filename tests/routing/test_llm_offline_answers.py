from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from routing.llm.offline.conversation import Conversation, Turn
from routing.llm.offline.reply import reply
from tests.fakes.llm_door import Door, open_door
from tests.fakes.llm_server import says
from tests.fakes.llm_shop import MARKS, SHOP, talk


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with open_door(says("never asked")) as opened:
        yield opened


async def test_an_order_is_counted_priced_and_put_to_confirmation(door: Door) -> None:
    answer = await talk(door, "Necesito 10 tubos PVC")
    assert '10 × Tubo PVC hidráulico 1/2" (TUB-050) a $45.00 MXN = $450.00 MXN' in answer
    assert "Total: $450.00 MXN" in answer
    assert "Tubo PVC sanitario" in answer
    assert "¿Confirmas" in answer


ASKED = {
    "¿cuánto cuesta el cemento?": ("Cemento gris", "$235.00 MXN", "120"),
    "¿tienen pintura blanca?": ("Pintura vinílica blanca", "$1,350.00 MXN", "18"),
    "busco SEMENTO": ("Cemento gris 50 kg (CEM-050) cuesta $235.00",),
    "tienen pinturas blancas": ("Pintura vinílica blanca",),
    "taladro 750 watts": ("cuesta $1,890.00",),
    "taladros": ("Taladro", "$1,890.00"),
    "¿a cómo el tubo de 4 pulgadas?": ("Tubo PVC sanitario", "$189.50"),
    "cable calibre 12, 100 metros": ("100 × Cable", "$1,890.00"),
    "10 tubos de 1/2": ("10 × Tubo PVC hidráulico", "$450.00"),
    "precio de CAB-012": ("Cable THW", "$18.90"),
    "5 bultos de cemento y 3 cubetas de pintura blanca": ("$1,175.00", "$4,050.00", "$5,225.00"),
    "dos docenas de codos": ("24 × Codo", "$156.00"),
    "media docena de codos de 1/2": ("6 × Codo", "$39.00"),
    "mándame 2.5 metros de cable": ("2.5 × Cable", "$47.25"),
    "cemento, 4 bultos": ("4 × Cemento", "$940.00"),
    "3 x TUB-100": ("3 × Tubo PVC sanitario", "$568.50"),
    "quiero un pedido de 3 codos": ("3 × Codo", "$19.50"),
    "I need 12 bags of cement": ("12 × Cemento", "$2,820.00", "Do you confirm"),
    "do you have white paint?": ("Pintura vinílica blanca", "costs", "in stock"),
}


@pytest.mark.parametrize("text", ASKED)
async def test_products_are_found_however_they_are_asked_for(door: Door, text: str) -> None:
    answer = await talk(door, text)
    assert [part for part in ASKED[text] if part not in answer] == []


TOLD = {
    "¿a qué hora abren?": "lunes a viernes de 8:00",
    "¿hasta qué hora cierran el sábado?": "lunes a viernes de 8:00",
    "¿aceptan tarjeta?": "efectivo, tarjeta y transferencia",
    "¿hacen envíos?": "gratis en compras mayores a $1,500",
    "¿dónde están?": "Av. Juárez 123",
    "¿hacen cortes de cable?": "cortamos el cable a la medida",
    "¿tienen garantía los taladros?": "Un año con su ticket",
    "what time do you close?": "lunes a viernes de 8:00",
    "quiero hablar con una persona": "Av. Juárez 123",
}


@pytest.mark.parametrize("text", TOLD)
async def test_what_the_prompt_knows_is_told(door: Door, text: str) -> None:
    assert TOLD[text] in await talk(door, text)


async def test_an_order_and_a_question_are_both_answered(door: Door) -> None:
    answer = await talk(door, "quiero 5 bultos de cemento, ¿hacen envíos?")
    assert "$1,175.00" in answer
    assert "gratis en compras" in answer


async def test_a_shortage_is_said(door: Door) -> None:
    assert "solo hay 6 en existencia" in await talk(door, "quiero 30 taladros")
    assert "agotado" in await talk(door, "dame 2 martillos")
    assert "agotado" in await talk(door, "¿tienen martillos?")


async def test_a_yes_confirms_what_was_asked_for(door: Door) -> None:
    answer = await talk(door, "Necesito 10 tubos PVC", "sí, confirmo")
    assert "Tomo nota" in answer
    assert "$450.00 MXN" in answer
    assert "efectivo, tarjeta y transferencia" in answer


async def test_an_order_changes_as_it_is_talked_about(door: Door) -> None:
    said = ["¿cuánto cuesta el tubo de 1/2?", "dame 10", "mejor 20", "agrega 3 codos"]
    answer = await talk(door, *said)
    assert "20 × Tubo" in answer
    assert "3 × Codo" in answer
    assert "Total: $919.50 MXN" in answer
    assert "20 × Tubo" not in await talk(door, *said, "quita los tubos")
    assert "Total: $919.50 MXN" in await talk(door, *said, "¿cuánto es en total?")
    assert "ningún pedido" in await talk(door, *said, "no, gracias")
    assert "$919.50" not in await talk(door, *said, "no, gracias", "sí")


async def test_one_of_several_is_chosen_by_what_tells_it_apart(door: Door) -> None:
    answer = await talk(door, "Necesito 10 tubos PVC", "los de 4 pulgadas", "sí")
    assert "10 × Tubo PVC sanitario" in answer
    assert "$1,895.00 MXN" in answer


async def test_what_is_said_with_and_is_added(door: Door) -> None:
    answer = await talk(door, "quiero 2 taladros", "y 5 bultos de cemento")
    assert "Total: $4,955.00 MXN" in answer


async def test_a_unit_alone_counts_for_what_was_spoken_of(door: Door) -> None:
    assert "3 × Codo" in await talk(door, "¿cuánto cuestan los codos?", "dame 3 piezas")


async def test_several_things_are_priced_one_by_one(door: Door) -> None:
    answer = await talk(door, "necesito taladro y martillo")
    assert "$1,890.00" in answer
    assert "$219.00" in answer
    assert "Cable" not in await talk(door, "¿tienes tubo blanco y negro?")


async def test_it_greets_as_the_prompt_says_and_lists_what_it_can_do(door: Door) -> None:
    answer = await talk(door, "Hola, buenas tardes")
    assert "Soy Lupita, la encargada de Ferretería El Tornillo Feliz" in answer
    assert "horario" in answer
    assert "tono" not in answer.lower()


async def test_what_is_not_in_the_catalogue_is_not_made_up(door: Door) -> None:
    answer = await talk(door, "¿tienen bicicletas?")
    assert "No encuentro «bicicletas»" in answer
    assert "asdf" not in await talk(door, "asdf qwer")


async def test_the_catalogue_is_listed(door: Door) -> None:
    answer = await talk(door, "¿qué productos manejan?")
    assert answer.count("•") == 8
    assert "… y 1 más." in answer


@pytest.mark.parametrize("prompt", [SHOP, "", "You are Bob, a helpful clerk of Acme."])
@pytest.mark.parametrize("text", ["hola", "hi", "10 tubos", "adiós", "", "¿?", "pagar"])
async def test_every_answer_says_once_that_it_is_offline(
    door: Door, prompt: str, text: str
) -> None:
    answer = await talk(door, text, prompt=prompt)
    assert sum(answer.count(mark) for mark in MARKS) == 1
    assert len(answer) > 30


async def test_the_language_is_that_of_the_message(door: Door) -> None:
    assert "Bob" in await talk(door, "hello there", prompt="You are Bob, a clerk of Acme.")
    assert "(offline model)" in await talk(door, "How much is the cement, please?")
    assert "(modelo sin conexión)" in await talk(door, "How much is the cement?", "gracias")


COPPER = """SKU | nombre | unidad | precio | stock
T1 | Tubo PVC hidráulico 1/2" x 6 m | pieza | $68.00 | 9
T2 | Tubo cobre 1/2" x 6 m | pieza | $685.00 | 9
"""


async def test_of_things_that_fit_about_as_well_the_first_listed_is_meant(door: Door) -> None:
    assert "(T1) a $68.00" in await talk(door, "dame 2 tubos de 1/2", prompt=COPPER)
    assert "(T2) a $685.00" in await talk(door, "dame 2 tubos de cobre", prompt=COPPER)


async def test_a_measure_alone_names_nothing(door: Door) -> None:
    assert "cuesta" not in await talk(door, "¿tienen de 1/2?")


EUROPEAN = """Eres el dependiente.
código | artículo | existencias | precio (EUR)
A1 | Sierra | 3 | 1.250,50
"""


async def test_columns_and_currency_are_read_from_the_heading(door: Door) -> None:
    assert "2.501,00 EUR" in await talk(door, "quiero 2 sierras", prompt=EUROPEAN)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(texts=st.lists(st.text(max_size=60), max_size=4), system=st.text(max_size=120))
def test_no_text_breaks_it(texts: list[str], system: str) -> None:
    turns = [Turn("system", SHOP + system), *(Turn("user", text) for text in texts)]
    answer = reply(Conversation(tuple(turns)))
    assert sum(answer.count(mark) for mark in MARKS) >= 1
