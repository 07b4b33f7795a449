"""A file of passwords → pairs of a pattern and a password.

    # 2026 reports
    인사_*.pdf = 비밀 번호 1
    계약/2026/*.pdf = a = b
    for-all-files

A pattern (`*`, `?`, `[…]`) fits a file's name or whole path; everything after the first « = » is the
password, blanks included. A line without « = » is a password for every file.
"""

from pathlib import Path

from ingest.errors import first_line
from ingest.passwords import EVERY_FILE
from rag.errors import InputUnreadable

SEPARATOR = " = "


def read_passwords(path: Path) -> list[tuple[str, str]]:
    """The pairs in the UTF-8 file at `path`, in its order; blank lines and `#` lines are left out.

    Raises:
        InputUnreadable: naming the line, never what is on it.
    """
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as exc:
        raise InputUnreadable(path=path, detail=exc.strerror or first_line(exc)) from exc
    pairs = []
    for number, raw in enumerate(lines, start=1):
        try:
            line = raw.removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:  # its message quotes the bytes, so it must not be shown as the cause
            raise InputUnreadable(path=path, detail=f"line {number} is not UTF-8") from None
        if not line.strip() or line.startswith("#"):
            continue
        pattern, separator, password = line.partition(SEPARATOR)
        if not separator:
            pattern, password = EVERY_FILE, line
        if not pattern.strip() or not password:
            missing = "password" if pattern.strip() else "pattern"
            raise InputUnreadable(path=path, detail=f"line {number} has no {missing}")
        pairs.append((pattern.strip(), password))
    return pairs
