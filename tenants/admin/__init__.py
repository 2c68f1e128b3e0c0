"""The admin of tenants, and the base of every other room's admin."""

from tenants.admin import audit, businesses, keys, people, prices, tiers

__all__ = ["audit", "businesses", "keys", "people", "prices", "tiers"]
