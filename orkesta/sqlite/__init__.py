"""Django's SQLite backend for one busy process; `base.py` is the name that Django looks for."""
