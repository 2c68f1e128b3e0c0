"""Whether one tenant can learn of, or touch, what is another's: asked of the installation itself.

Tenants are made with one row of every kind, every text of which is a canary; then every address of
the API and of the admin is asked as somebody else. All of it happens in a transaction that is
rolled back, so nothing of it is ever there for anybody else: not for workers, not after a crash.

Addresses are found in the URL configuration, rows in the model registry, bodies in the schema: what
is added to the product is asked for too, without being listed here.
"""
