"""Who asks, as a caller of the Python API writes it → a `Filter`."""

from collections.abc import Set

from indexes.types import Filter

# A `Filter`, or the names of the groups whose documents may be seen.
Allowed = Filter | Set[str] | list[str] | tuple[str, ...]


def filter_of(allowed: Allowed) -> Filter:
    """The filter that `allowed` means: names of groups let through only the documents of these groups.

    It fails closed: no group lets nothing through, and what is neither a filter nor names is refused.

    Raises:
        TypeError: `allowed` is one string, None or something else; the message says what to write.
    """
    if isinstance(allowed, Filter):
        return allowed
    if isinstance(allowed, str):
        raise TypeError(f"allowed={allowed!r} is one string; write allowed={{{allowed!r}}} for that group")
    if isinstance(allowed, Set | list | tuple) and all(isinstance(group, str) for group in allowed):
        return Filter(groups=tuple(sorted(set(allowed))))
    raise TypeError(
        f"allowed takes a set of group names, such as {{'인사'}}, or a Filter, got {allowed!r};"
        " leave it out to see everything"
    )
