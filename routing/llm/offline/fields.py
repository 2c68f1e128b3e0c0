"""Single values of a form: what a field's name asks for, found in the material."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from routing.llm.offline.intents import weigh
from routing.llm.offline.lexicon import INTENTS
from routing.llm.offline.material import Material
from routing.llm.offline.quantities import codes_in
from routing.llm.offline.reply import reply
from routing.llm.offline.synonyms import ideas_in
from routing.llm.offline.vocabulary import vocabulary
from routing.llm.offline.words import best_likeness, root, root_set, words

Finder = Callable[[Material], str]


def _product(material: Material) -> str:
    return material.mentions[0].product.name if material.mentions else material.nouns


def _sku(material: Material) -> str:
    codes = [] if material.is_named else codes_in(material.text)
    if codes:
        return codes[0]
    return material.mentions[0].product.sku if material.mentions else material.code


def _intent(material: Material) -> str:
    weights = weigh(material.text)
    best = max(weights, key=lambda name: weights[name])
    return best if weights[best] else ""


#: Words in the name of a text field, and what it wants; the first line that fits decides.
FINDERS: Final[tuple[tuple[frozenset[str], Finder], ...]] = tuple(
    (root_set(vocabulary(names)), finder)
    for names, finder in (
        ("email correo mail", lambda m: m.email),
        ("phone telefono celular whatsapp movil", lambda m: m.phone),
        ("date fecha day dia", lambda m: m.date),
        ("url link enlace", lambda m: m.url),
        ("sku", _sku),
        ("address direccion domicilio", lambda m: m.place),
        ("product producto item articulo material", _product),
        ("id folio number numero codigo code reference referencia", lambda m: m.code),
        ("query consulta busqueda search term termino keyword q", lambda m: m.nouns or m.text),
        ("customer cliente name nombre person", lambda m: m.name),
        ("intent intencion category categoria topic tema", _intent),
        ("language idioma lang", lambda m: m.talk.language),
        ("answer response reply respuesta", lambda m: reply(m.talk)),
        (
            "text texto message mensaje question pregunta content input summary resumen reason"
            " motivo description descripcion note nota detail comment comentario title titulo",
            lambda m: m.text,
        ),
    )
)
QUANTITY: Final = root_set(
    vocabulary("cantidad quantity qty count units unidades piezas pieces how many num")
)
AMOUNT: Final = root_set(vocabulary("monto total amount importe precio price subtotal costo cost"))
#: How many results somebody wants to see; no message to a shop says that.
PAGING: Final = root_set(vocabulary("limite limit maximo max top pagina page offset"))
CONFIDENCE: Final = root_set(vocabulary("confidence confianza score certainty"))
#: Members of a closed set that stand for «nothing of this».
NEUTRAL: Final = vocabulary(
    "otro otra other none unknown neutral general desconocido ninguno default normal"
)


def text_for(name: str, material: Material) -> str:
    """The text a field called `name` wants; if that says nothing, what is quoted or capitalised."""
    asked = name_roots(name)
    for names, finder in FINDERS:
        if names & asked:
            return finder(material)
    return material.quoted[0] if material.quoted else material.proper_name


def number_for(name: str, material: Material) -> Decimal | None:
    """The number a field called `name` wants, or None."""
    asked = name_roots(name)
    if asked & PAGING:
        return None
    if asked & CONFIDENCE:
        weights = weigh(material.text).values()
        return Decimal(str(round(max(weights) / (sum(weights) + 0.5), 2)))
    if asked & QUANTITY:
        return material.quantities[0] if material.quantities else None
    if asked & AMOUNT:
        amount = _amount(material)
        if amount is not None:
            return amount
    return material.numbers[0] if material.numbers else None


def _amount(material: Material) -> Decimal | None:
    priced = [m for m in material.mentions if m.product.price is not None]
    if not priced:
        return None
    return sum(
        (
            m.product.price.amount * (m.quantity or Decimal(1))
            for m in priced
            if m.product.price is not None
        ),
        Decimal(0),
    )


def truth_for(name: str, material: Material) -> bool | None:
    """True when the message speaks of what the field is called; None when it does not."""
    return True if ideas_in(_readable(name)) & ideas_in(material.text) else None


def member_for(members: Sequence[Any], material: Material) -> Any:
    """The member of a closed set that the message speaks of; None when it speaks of none."""
    scored = [(_member_score(member, material), member) for member in members]
    best = max((score for score, _ in scored), default=0.0)
    return next((member for score, member in scored if score == best), None) if best else None


def members_for(members: Sequence[Any], material: Material) -> list[Any]:
    """Every member of a closed set that the message names."""
    said = [root(word) for word in words(material.text)]
    return [m for m in members if isinstance(m, str) and _is_named(m, said)]


def neutral_member(members: Sequence[Any]) -> Any:
    """The member that stands for nothing in particular, or the first."""
    for member in members:
        if member is None or (isinstance(member, str) and NEUTRAL & set(words(_readable(member)))):
            return member
    return members[0]


def _member_score(member: Any, material: Material) -> float:
    if isinstance(member, str):
        readable = _readable(member)
        shared = len(ideas_in(readable) & ideas_in(material.text))
        said = [root(word) for word in words(material.text)]
        named = sum(best_likeness(root(word), said) for word in words(readable))
        return shared + named + _by_intent(readable, weigh(material.text))
    if isinstance(member, int | float) and not isinstance(member, bool):
        return float(Decimal(str(member)) in material.numbers)
    return 0.0


def _by_intent(readable: str, weights: Mapping[str, float]) -> float:
    """How much the message is of the matter that the member is called after."""
    said = f" {' '.join(words(readable))}"
    return sum(
        0.5 * weights[intent.name]
        for intent in INTENTS
        if intent.name in readable or any(f" {label}" in said for label in intent.labels)
    )


def _is_named(member: str, said: Sequence[str]) -> bool:
    parts = words(_readable(member))
    return bool(parts) and all(best_likeness(root(part), said) for part in parts)


def name_roots(name: str) -> frozenset[str]:
    return root_set(words(_readable(name)))


def _readable(name: str) -> str:
    """`orderId` and `order_id` as words."""
    spaced = "".join(f" {c}" if c.isupper() else c for c in name) if not name.isupper() else name
    return spaced.replace("_", " ").replace("-", " ")
