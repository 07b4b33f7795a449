"""The locale → the language that people are addressed in."""

import locale
import os


def language() -> str:
    """ "ko" or "en", by the locale that the environment names."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "ko" if value.lower().startswith("ko") else "en"
    return "ko" if (locale.getlocale()[0] or "").lower().startswith("ko") else "en"


def say(korean: str, english: str) -> str:
    """The wording for the language of the locale."""
    return say_in(language(), korean, english)


def say_in(chosen: str, korean: str, english: str) -> str:
    """The wording for the language `chosen`: Korean for "ko", else English."""
    return korean if chosen == "ko" else english
