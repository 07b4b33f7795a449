"""`make demo`: ingest the sample documents, or the user's own, and ask."""

import hashlib
import os
import sys
from pathlib import Path

from indexes.models.embedder import EMBEDDED_FOLDER, folder_fingerprint
from rag.cli.main import main
from rag.language import say

SAMPLE_QUESTIONS = (
    "육아휴직은 얼마나 쓸 수 있나요?",
    "보안 사고를 발견하면 몇 분 안에 신고해야 하나요?",
    "2025년 매출액은 얼마이고 전년보다 얼마나 늘었나요?",
)


def demo() -> int:
    """Ingest and ask as a user would from the command line; the worst exit code of all steps."""
    source = Path(os.environ.get("PDF") or "eval/samples").expanduser().absolute()
    asked = os.environ.get("QUESTION")
    own = source != Path("eval/samples").absolute()
    if own and not asked:
        print(
            say('질문도 주세요: make demo PDF=… QUESTION="…"', 'ask something: make demo PDF=… QUESTION="…"')
        )
        return 2
    # An index of its own for each source, so that one demo's documents do not answer another's, and
    # for each embedded model, since an index of an older one would be refused.
    key = f"{source}\0{folder_fingerprint(EMBEDDED_FOLDER)}"
    index = f"build/demo/{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    run = ["--index", index]
    print(f"$ rag ingest {source} --index {index}", flush=True)
    worst = main(["ingest", str(source), *run])
    if worst == 1:
        return worst
    for question in [asked] if asked else SAMPLE_QUESTIONS:
        print(f'\n$ rag ask "{question}" --index {index}\n', flush=True)
        worst = max(worst, main(["ask", question, *run]))
    return worst


if __name__ == "__main__":
    sys.exit(demo())
