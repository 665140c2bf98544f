"""Errors whose message is for people."""

from __future__ import annotations


class UserError(Exception):
    """Something that the user can put right; commands show its message without a traceback."""
