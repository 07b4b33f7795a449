"""Passwords for locked files: which of them are tried on which file, and in which form."""

import os
import re
import stringprep
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase

EVERY_FILE = "*"


def with_patterns(passwords: Iterable[str | tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """`passwords` as pairs of a pattern and a password; one without a pattern is for every file."""
    return tuple((EVERY_FILE, given) if isinstance(given, str) else given for given in passwords)


def passwords_for(path: str, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The passwords to try on the file at `path`, those of patterns that fit it best first.

    A pattern (`*`, `?`, `[…]`) fits a file's name or whole path, both in NFC. One without wildcards
    goes before one with them, a longer one before a shorter. AES-256 locks with the SASLprep form of
    a password (RFC 4013, in essence NFKC), other programs with what was typed: both are tried.
    """
    whole = unicodedata.normalize("NFC", path)
    name = os.path.basename(whole)
    fitting = []
    for pattern, password in pairs:
        pattern = unicodedata.normalize("NFC", pattern)
        if fnmatchcase(name, pattern) or fnmatchcase(whole, pattern) or pattern in (name, whole):
            fitting.append((any(mark in pattern for mark in "*?["), -len(pattern), password))
    ordered = [password for _, _, password in sorted(fitting, key=lambda item: item[:2])]
    forms = [form for password in ordered for form in (password, saslprep(password))]
    # What UTF-8 cannot encode (an argument's stray bytes) locks no PDF; readers end a password at NUL.
    return [form for form in dict.fromkeys(forms) if form and not re.search("[\0\ud800-\udfff]", form)]


def saslprep(password: str) -> str:
    """`password` as RFC 4013 prepares it: blanks as spaces, invisible characters gone, NFKC."""
    mapped = (
        " " if stringprep.in_table_c12(char) else char
        for char in password
        if not stringprep.in_table_b1(char)
    )
    return unicodedata.normalize("NFKC", "".join(mapped))
