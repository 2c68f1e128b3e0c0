"""Doing the durable runs of drafts, beside live traffic: replays and test sets."""
