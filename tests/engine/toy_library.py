"""What the toy assets import, to be edited by tests of drift."""


def length(text: str) -> int:
    """Number of characters."""
    return len(text)
