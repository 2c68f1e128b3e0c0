"""Finds what a message speaks of in the catalogue."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Final

from routing.llm.offline.briefing import Product
from routing.llm.offline.quantities import Piece, pieces_of
from routing.llm.offline.synonyms import is_thing, names_of
from routing.llm.offline.vocabulary import FILLERS
from routing.llm.offline.words import best_likeness, likeness, root, words

#: Others that fit nearly as well as the best are offered beside it.
NEARLY: Final = 0.8
AS_WELL: Final = 0.9
MAX_OTHERS: Final = 4
FUZZY_WEIGHT: Final = 0.8
#: Words whose likes are kept per catalogue.
MAX_REMEMBERED: Final = 4096


_CODE = re.compile(r"[\w-]+")


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
        self._places: dict[str, list[int]] = defaultdict(list)
        for place, product in enumerate(products):
            for word in product.roots:
                self._places[word].append(place)
        self._likes: dict[str, Mapping[str, float]] = {}
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

    def refined(self, mention: Mention, text: str) -> Mention | None:
        """`mention` as «el de 3/4» makes it: the one of its others that `text` describes best."""
        asked = [root(word) for word in words(text) if word not in FILLERS]
        fits = [
            (sum(best_likeness(word, other.roots) for word in asked), -place, other)
            for place, other in enumerate(mention.others)
        ]
        fit, _, product = max(fits, default=(0.0, 0, mention.product))
        return Mention(product, mention.quantity) if fit else None

    def _by_code(self, text: str) -> list[Mention]:
        """Products named by their SKU; one quantity beside them is meant for the first."""
        text = text.casefold()
        codes = [code for code in _CODE.findall(text) if code in self._by_sku]
        found = [self._by_sku[code] for code in dict.fromkeys(codes)]
        for code in codes:
            text = text.replace(code, " ")
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
        if not is_alone and piece.quantity is None and not self._names_thing(asked, best):
            return None
        others = tuple(p for s, p in ranked[1:] if s >= score * NEARLY)[:MAX_OTHERS]
        return Mention(best, piece.quantity, others)

    def _ranked(self, asked: Sequence[str]) -> list[tuple[float, Product]]:
        hits = [self._names_like(word) for word in asked]
        touched = {i for names in hits for name in names for i in self._places[name]}
        scored = [(self._score(hits, asked, self.products[i]), -i) for i in touched]
        ranked = sorted((pair for pair in scored if pair[0] > 0), reverse=True)
        if not ranked:
            return []
        # Of those that fit about as well, the one the shop lists first.
        best = max(ranked, key=lambda pair: (pair[0] >= ranked[0][0] * AS_WELL, pair[1]))
        ranked = [best, *(pair for pair in ranked if pair != best)]
        return [(score, self.products[-place]) for score, place in ranked]

    def _names_like(self, word: str) -> Mapping[str, float]:
        """The words of the catalogue that `word` may mean, and how alike they are."""
        if word not in self._likes:
            if len(self._likes) >= MAX_REMEMBERED:
                self._likes.clear()
            same = names_of(word)
            alike = {name: 1.0 if name in same else likeness(word, name) for name in self._weights}
            self._likes[word] = {name: value for name, value in alike.items() if value}
        return self._likes[word]

    def _score(
        self, hits: Sequence[Mapping[str, float]], asked: Sequence[str], product: Product
    ) -> float:
        """How well the asked roots name the product: rare words weigh more, a whole name most."""
        gain = 0.0
        matched: set[str] = set()
        for names in hits:
            alike, name = max((names.get(name, 0.0), name) for name in product.roots)
            if alike:
                matched.add(name)
                gain += self._weights[name] * (1.0 if alike == 1.0 else alike * FUZZY_WEIGHT)
        if not any(len(name) > 2 and not name[0].isdigit() for name in matched):
            return 0.0
        whole = sum(self._weights[word] for word in product.roots)
        coverage = sum(self._weights[word] for word in matched) / whole
        head = 0.3 if product.roots[0] in matched else 0.0
        unit = 0.1 if product.unit_roots.intersection(asked) else 0.0
        return gain * (0.7 + 0.3 * coverage + head + unit)

    def _names_thing(self, asked: Sequence[str], product: Product) -> bool:
        head = names_of(product.roots[0])
        return any(is_thing(word) or best_likeness(word, head) for word in asked)


@lru_cache(maxsize=64)
def catalogue_of(products: tuple[Product, ...]) -> Catalogue:
    return Catalogue(products)
