"""The HTTP API of tenants: what they used."""
