"""A module → what it prints in a process that speaks one language: words are chosen when the program is loaded."""

import os
import subprocess
import sys

from eval.documents.pages import ROOT

LOCALES = {"en": "en_US.UTF-8", "ko": "ko_KR.UTF-8"}
COLUMNS = "100"


def spoken(module: str, language: str, given: str = "") -> str:
    """What `python -m module` prints in `language`, with `given` on its standard input.

    Raises:
        RuntimeError: it failed; the message is its error output.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=given,
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=ROOT,
        env={**os.environ, "LC_ALL": LOCALES[language], "COLUMNS": COLUMNS, "NO_COLOR": "1"},
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed in {language}: {done.stderr}")
    return done.stdout
