"""Times and sizes in words."""

DAY = 86_400.0


def format_duration(seconds: float) -> str:
    """Return a length of time in words.

    Example:
        >>> format_duration(42), format_duration(5400), format_duration(200_000)
        ('42 s', '1.5 h', '2.3 days')
    """
    for unit, length in (("days", DAY), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 1.5 * length or (unit == "h" and seconds >= 3600):
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def format_count(count: int, noun: str) -> str:
    """Return a number of things in words.

    Example:
        >>> format_count(1, "run"), format_count(2, "run")
        ('1 run', '2 runs')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def format_size(count: float) -> str:
    """Return a number of bytes in words.

    Example:
        >>> format_size(57_000_000), format_size(1.03e11)
        ('57 MB', '103 GB')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 1e6:.0f} MB"
