"""The demo tenants: a hardware store and a flower shop, both in Spanish.

What they are stands in the data files beside this; `seed.py` writes it, once, as anybody would
through the admin. Their logins and keys are derived from the installation's secret key, so they
can be shown again at every start although nothing plain is stored.
"""
