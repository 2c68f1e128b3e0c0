"""A hardware store's own systems, offered to agents as an MCP server: a model to copy.

    python -m examples.ferreteria --port 8100

`shop.py` is its data (SQLite), `catalogue.py`, `orders.py`, `money.py` and `stock.py` what can be
done with it, `tools.py` how that is offered to a language model, and `guard.py` who may ask.
"""
