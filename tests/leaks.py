"""`python -m tests.leaks`: searches random indexes as random callers, who must not find what they may not see.

An obvious second implementation says what a search must give: the ranking of everything, without what the
caller may not see, cut at k. Exit code 1 if search gives anything else.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from random import Random

from indexes.disk.retriever import Retriever
from indexes.disk.writer import Writer
from indexes.errors import DocumentNotFound
from indexes.search.fusion import fuse_scores
from indexes.search.retrieve import LEAST_CANDIDATES
from indexes.types import MODES, Filter, StoredDocument, nfc
from tests.support.indexes import MANIFEST, content, reader

# Names that contain each other, begin with each other, are odd, or differ only in Unicode normalisation (NFD).
GROUPS = (
    "인사",
    "인사팀",
    "인",
    "HR",
    "hr",
    "경영 지원",
    "a,b",
    "",
    "*",
    "\u110b\u1175\u11ab\u1109\u1161",
    "인사 ",
)
WORDS = ("휴가", "예산", "계약", "보안", "점검", "출입", "보고", "이용료", "규정", "지급")
CASES_OF_INDEX = 100
CASES_OF_VERSION = 20
EVERYTHING = 10_000


def run(seed: int, count: int) -> tuple[Counter[str], list[str]]:
    """The counts of cases by mode and kind; and what was wrong, in words."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for first in range(0, count, CASES_OF_INDEX):
        random = Random(f"{seed}:{first}")
        with tempfile.TemporaryDirectory(prefix="rag-leaks-") as folder:
            build(Path(folder), random)
            for case in range(first, min(count, first + CASES_OF_INDEX)):
                if case % CASES_OF_VERSION == 0:
                    change(Path(folder), random)
                    opened = reader(Path(folder))
                what = one_case(opened, random, counts)
                wrong += [f"case {case}: {what}"] if what else []
    return counts, wrong


def build(folder: Path, random: Random) -> None:
    """Fill an index with documents of random groups; one in ten has a thousand, few of which have a group."""
    many = random.random() < 0.1
    with Writer(folder, MANIFEST) as writer:
        for number in range(1000 if many else random.randint(1, 40)):
            groups = () if many and random.random() < 0.998 else some_groups(random)
            writer.add(some_document(random, number, groups))
            if random.random() < 0.05:
                writer.commit()
        writer.commit()
        writer.merge()


def some_document(random: Random, number: int, groups: tuple[str, ...]):
    texts = [f"{' '.join(random.choices(WORDS, k=5))} {number}호. " for _ in range(random.randint(1, 3))]
    added = content(f"규정{number}", *texts, groups=groups)
    return replace(
        added, document=replace(added.document, paths=(f"/{random.choice(WORDS)}/규정{number}.pdf",))
    )


def some_groups(random: Random) -> tuple[str, ...]:
    """Some of GROUPS, in the form in which ingest stores them: NFC, sorted."""
    return tuple(sorted({nfc(group) for group in random.sample(GROUPS, random.choice((0, 1, 1, 2, 4)))}))


def change(folder: Path, random: Random) -> None:
    """Change up to five documents: their groups, their text, or remove them."""
    with Writer(folder, MANIFEST) as writer:
        for document in random.sample(list(writer.documents.values()), min(5, len(writer.documents))):
            action = random.random()
            number = int(document.title.removeprefix("규정"))
            if action < 0.5:
                writer.change(replace(document, groups=some_groups(random)))
            elif action < 0.75:
                writer.remove(document.document_id)
            else:
                writer.add(some_document(random, number, document.groups))
        writer.commit()


def one_case(opened: Retriever, random: Random, counts: Counter[str]) -> str:
    """What is wrong with one random search, in words; "" if nothing is."""
    allowed = some_filter(opened, random)
    mode, k = random.choice(MODES), random.choice((1, 2, 10, 50, EVERYTHING))
    query = " ".join(random.choices((*WORDS, "없는말", "3호"), k=random.randint(1, 4)))
    seen = {document.document_id for document in opened.documents if may_see(document, allowed)}
    counts[mode] += 1
    counts["of a few" if 0 < len(seen) <= max(1, len(opened.documents) // 100) else "of many or none"] += 1
    found = opened.retrieve([query], k, mode, allowed)[0]
    if leaked := {p.chunk.document_id for p in found} - seen:
        return f"{leaked} leaked to {allowed} by {mode} {query!r}"
    wanted = twin(opened, query, mode, seen)
    scores = [round(p.score, 4) for p in found]
    if mode == "hybrid" and len(wanted) > LEAST_CANDIDATES:  # the fusion sees only the best of each ranking
        return "" if len(found) == min(k, len(wanted)) else f"{len(found)} of {len(wanted)} for k={k}"
    # Among chunks with equal scores, any may come last.
    if scores != [round(score, 4) for score in wanted.values()][:k] or any(
        round(wanted.get(p.chunk.id, -1), 4) != round(p.score, 4) for p in found
    ):
        return f"{allowed} by {mode} {query!r}, k={k}: {scores[:5]} for {list(wanted.items())[:5]}"
    if [p.rank for p in found] != list(range(1, len(found) + 1)):
        return "ranks do not count up"
    return hidden_name(opened, allowed, seen, random)


def some_filter(opened: Retriever, random: Random) -> Filter:
    groups = None if random.random() < 0.2 else tuple(random.sample(GROUPS, random.choice((0, 1, 1, 2))))
    if random.random() < 0.6 or not opened.documents:
        return Filter(groups, None)
    some = random.choices(opened.documents, k=random.randint(0, 3))
    forms = (
        lambda d: d.document_id,
        lambda d: d.path,
        lambda d: Path(d.path).name,
        lambda d: f"*{d.title[-1]}.pdf",
        lambda d: "*",
    )
    return Filter(groups, tuple(random.choice(forms)(document) for document in some))


def may_see(document: StoredDocument, allowed: Filter) -> bool:
    """Whether `allowed` lets its caller see the document, by code of our own."""
    if allowed.groups is not None and not any(nfc(group) in document.groups for group in allowed.groups):
        return False
    if allowed.documents is None:
        return True
    names = [document.document_id, document.path, document.path.rpartition("/")[2]]
    return any(fnmatch(name, wanted) for wanted in allowed.documents for name in names[1:]) or any(
        name == wanted for wanted in allowed.documents for name in names
    )


def twin(opened: Retriever, query: str, mode: str, seen: set[str]) -> dict[str, float]:
    """Chunk id → score, best first: the ranking of everything, restricted to the documents in `seen`."""

    def scores(of: str) -> dict[str, float]:
        everything = opened.retrieve([query], EVERYTHING, of)[0]
        return {p.chunk.id: p.score for p in everything if p.chunk.document_id in seen}

    if mode != "hybrid":
        return scores(mode)
    keys = {
        chunk.id: row.content + offset
        for row in opened.store.documents.of(opened.version)
        for offset, chunk in enumerate(opened.store.texts.chunks_of(row))
        if row.document.document_id in seen
    }
    by_key = {key: identity for identity, key in keys.items()}
    words, near = ({keys[i]: score for i, score in scores(of).items()} for of in ("lexical", "dense"))
    return {by_key[key]: score for key, score in fuse_scores(words, near, 0.4) if score > 0}


def hidden_name(opened: Retriever, allowed: Filter, seen: set[str], random: Random) -> str:
    """What is wrong if a document that may not be seen is found by one of its names; "" if nothing is."""
    hidden = [document for document in opened.documents if document.document_id not in seen]
    if not hidden:
        return ""
    document = random.choice(hidden)
    for name in (document.document_id, document.path, Path(document.path).name, document.title):
        try:
            opened.document(name, allowed)
        except DocumentNotFound as exc:
            if document.document_id in str(exc).replace(name, ""):
                return f"the error tells of {document.document_id}"
        else:
            return f"{document.document_id} is found by its name {name}"
    return ""


def main() -> int:
    """Run the cases; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.leaks", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    started = time.monotonic()
    counts, wrong = run(given.seed, given.count)
    for name, count in sorted(counts.items()):
        print(f"{name:16}{count:>8,}")
    print(f"{given.count:,} cases, {len(wrong)} wrong, {time.monotonic() - started:.0f} s")
    for what in wrong[:20]:
        print("WRONG", what)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
