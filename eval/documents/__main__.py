"""`python -m eval.documents`: write the references and the transcripts of `docs` anew; `--check`: only say what is stale."""

import sys

from eval.documents.pages import ROOT, runnable
from eval.documents.references import made_references
from eval.documents.transcripts import rewrite


def main(check: bool) -> int:
    """1 where something was stale and `check` is set, else 0."""
    stale = []
    for path, text in made_references().items():
        if not path.exists() or path.read_text("utf-8") != text:
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(text, "utf-8")
    stale += rewrite(runnable(), write=not check)
    for name in stale:
        print(f"{'stale' if check else 'written'}: {name}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
