"""Finds what a message speaks of in the catalogue."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Final

from routing.llm.offline.briefing import Product
from routing.llm.offline.quantities import Piece, pieces_of
from routing.llm.offline.synonyms import names_of
from routing.llm.offline.vocabulary import FILLERS
from routing.llm.offline.words import best_likeness, root

#: Others that fit nearly as well as the best are offered beside it.
NEARLY: Final = 0.8
MAX_OTHERS: Final = 4
FUZZY_WEIGHT: Final = 0.8


@dataclass(frozen=True, slots=True)
class Mention:
    """A product that was spoken of, how many were asked for, and what else might be meant."""

    product: Product
    quantity: Decimal | None = None
    others: tuple[Product, ...] = ()


class Catalogue:
    """Looks products up by words, forgiving number, gender, accents, slips and other names."""

    def __init__(self, products: tuple[Product, ...]) -> None:
        self.products = products
        counts = Counter(word for product in products for word in product.roots)
        self._weights = {
            word: math.log(1 + len(products) / count) * (0.5 if word[0].isdigit() else 1.0)
            for word, count in counts.items()
        }
        self._by_sku = {product.sku.casefold(): product for product in products if product.sku}

    def mentions(self, text: str) -> list[Mention]:
        """The products of `text` in order, each once; a quantity said after its product counts."""
        by_code = self._by_code(text)
        if by_code:
            return by_code
        found: list[Mention] = []
        for piece in pieces_of(text):
            best = self._best(piece, is_alone=not found)
            if best is None:
                if found and piece.is_explicit and found[-1].quantity is None:
                    found[-1] = replace(found[-1], quantity=piece.quantity)
                continue
            known = next((i for i, m in enumerate(found) if m.product == best.product), None)
            if known is None:
                found.append(best)
            elif found[known].quantity is None:
                found[known] = replace(found[known], quantity=best.quantity)
        return found

    def _by_code(self, text: str) -> list[Mention]:
        """Products named by their SKU; one quantity beside them is meant for the first."""
        text = text.casefold()
        found = []
        for sku, product in self._by_sku.items():
            if sku in text:
                text = text.replace(sku, " ")
                found.append(product)
        counted = [piece.quantity for piece in pieces_of(text) if found and piece.is_explicit]
        return [
            Mention(product, counted[0] if counted and position == 0 else None)
            for position, product in enumerate(found)
        ]

    def _best(self, piece: Piece, *, is_alone: bool) -> Mention | None:
        asked = [root(word) for word in piece.words if word not in FILLERS]
        ranked = self._ranked(asked)
        if not ranked:
            return None
        score, best = ranked[0]
        # «tubo blanco y negro»: a later piece must name a thing, not only say what it is like.
        if not is_alone and piece.quantity is None and not self._names_head(asked, best):
            return None
        others = tuple(p for s, p in ranked[1:] if s >= score * NEARLY)[:MAX_OTHERS]
        return Mention(best, piece.quantity, others)

    def _ranked(self, asked: Sequence[str]) -> list[tuple[float, Product]]:
        ranked = [(self._score(asked, product), product) for product in self.products]
        found = [(score, product) for score, product in ranked if score > 0]
        return sorted(found, key=lambda pair: -pair[0])

    def _score(self, asked: Sequence[str], product: Product) -> float:
        """How well the asked roots name the product: rare words weigh more, a whole name most."""
        gain = 0.0
        has_word = False
        matched: set[str] = set()
        for word in asked:
            hit = self._hit(word, product)
            if hit is None:
                continue
            name, alike = hit
            matched.add(name)
            gain += self._weights[name] * (1.0 if alike == 1.0 else alike * FUZZY_WEIGHT)
            has_word = has_word or (len(name) > 2 and not name[0].isdigit())
        if not has_word:
            return 0.0
        whole = sum(self._weights[word] for word in product.roots)
        coverage = sum(self._weights[word] for word in matched) / whole
        head = 0.3 if product.roots[0] in matched else 0.0
        unit = 0.1 if product.unit_roots.intersection(asked) else 0.0
        return gain * (0.7 + 0.3 * coverage + head + unit)

    def _hit(self, word: str, product: Product) -> tuple[str, float] | None:
        for name in product.roots:
            if name in names_of(word):
                return name, 1.0
        alike, name = max((best_likeness(word, (name,)), name) for name in product.roots)
        return (name, alike) if alike else None

    def _names_head(self, asked: Sequence[str], product: Product) -> bool:
        return any(best_likeness(word, names_of(product.roots[0])) for word in asked)


@lru_cache(maxsize=64)
def catalogue_of(products: tuple[Product, ...]) -> Catalogue:
    return Catalogue(products)
