"""Planted bugs, and whether the project's own tests notice them (`make mutants`)."""
