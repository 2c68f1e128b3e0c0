"""Money on the pages of the admin."""

from django.utils.formats import number_format

from tenants.usage.money import to_cents, to_dollars

_CENT, _HUNDREDTH_OF_A_CENT = 10_000_000, 100_000


def dollars(nano: int) -> str:
    """As people say it; amounts below a cent keep four digits, the smallest six."""
    if nano == 0 or nano >= _CENT:
        return f"US$ {number_format(to_cents(nano), 2, force_grouping=True)}"
    digits = 4 if nano >= _HUNDREDTH_OF_A_CENT else 6
    return f"US$ {number_format(round(to_dollars(nano), digits), digits)}"
