"""The admin of tenants, and the base of every other room's admin."""

from tenants.admin import businesses, keys, people, prices, tiers

__all__ = ["businesses", "keys", "people", "prices", "tiers"]
