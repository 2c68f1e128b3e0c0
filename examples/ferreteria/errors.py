"""Why the store says no. Messages are Spanish: a language model reads them, and tells a customer.

* ShopError
  + UnknownProduct
  + UnknownFolio
  + UnknownCustomer
  + UnknownSupplier
  + NotEnoughStock
  + NothingOrdered
  + NothingToPay
  + NothingAsked
  + StaffOnly
  + BadDate
  + KeyReused
"""

from typing import ClassVar


class ShopError(Exception):
    """`code` is for programs, `message` says what is wrong and what to do instead."""

    code: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class UnknownProduct(ShopError):
    code = "sku_desconocido"


class UnknownFolio(ShopError):
    code = "folio_desconocido"


class UnknownCustomer(ShopError):
    code = "cliente_desconocido"


class UnknownSupplier(ShopError):
    code = "proveedor_desconocido"


class NotEnoughStock(ShopError):
    code = "existencia_insuficiente"


class NothingOrdered(ShopError):
    code = "sin_renglones"


class NothingToPay(ShopError):
    code = "nada_por_pagar"


class NothingAsked(ShopError):
    code = "falta_criterio"


class StaffOnly(ShopError):
    code = "solo_personal"


class BadDate(ShopError):
    code = "fecha_no_valida"


class KeyReused(ShopError):
    code = "llave_repetida"
