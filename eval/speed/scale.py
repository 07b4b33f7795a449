"""Statutes → indexes of 1,000 to 1,000,000 chunks, to measure the index with.

The statutes make some hundred thousand chunks, read, cut and analysed as ingest does. The million is
made of them and of copies in which words and numbers are others: in each copy of a document some
of its nouns stand for other nouns of the same length, everywhere in the text and in the terms alike,
and digits for other digits. So copies differ in words and in vectors, which are embedded anew, and
Kiwi, which takes most of the time, reads each statute once. Which words are exchanged follows from the
document's name and the number of the copy.
"""

import re
import sys
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from eval.training.statutes import read_laws
from indexes.disk.writer import Writer
from indexes.embedding import embed_chunks
from indexes.types import Manifest, NewContent, StoredDocument
from ingest.document import Chunk, chunk_id
from ingest.parse import Parsed
from ingest.workers.pool import WorkerPool
from rag import Config, Pipeline
from rag.prompting.tokens import ModelTokenizer

STATUTES = Path("data/text/statutes.jsonl.gz")
SIZES = (1_000, 10_000, 100_000, 1_000_000)
COMMIT_CHUNKS = 20_000
NOUN = re.compile("[가-힣]{2,3}")
EXCHANGED = 12  # nouns of a copy
NOUNS = 2_000  # the vocabulary to choose from
COMMON = 3  # occurrences that make a noun of a document worth exchanging
DEPARTMENTS = ("감사", "경영", "기획", "법무", "보안", "인사", "재무", "총무")
SEED = 7


def build(shared: Path, folder: Path, sizes: Sequence[int] = SIZES) -> None:
    """Make those of the indexes `folder`/SIZE that are not there yet; progress on standard error.

    Each document has one group; a thousandth of the chunks are also of the group «천분의일», and half of
    the documents of «절반».
    """
    wanted = sorted(size for size in sizes if not (folder / str(size) / "done").is_file())
    if not wanted:
        return
    pipeline = Pipeline.open(folder / "unused", Config())
    files = _write_laws(shared / STATUTES, folder / "laws")
    makers = [_Maker(folder / str(size), size, pipeline) for size in wanted]
    copies = range(1, 1 << 30) if wanted[-1] > 100_000 else range(1, 2)
    parsed: list[Parsed] = []
    try:
        with WorkerPool(pipeline._parse_options(())) as pool:
            for result in pool.parse(files):
                if isinstance(result, Parsed):
                    parsed.append(result)
                    _add(makers, result, 0, [], pipeline)
                if all(maker.full for maker in makers):
                    return
        nouns = _nouns(parsed)
        for copy in copies:
            for result in parsed:
                if all(maker.full for maker in makers):
                    return
                _add(makers, result, copy, nouns, pipeline)
    finally:
        for maker in makers:
            maker.close()


class _Maker:
    """One index on its way to its size."""

    def __init__(self, folder: Path, size: int, pipeline: Pipeline) -> None:
        manifest = Manifest(
            pipeline.embedder.identity, pipeline.analyser.name, pipeline.tokenizer.fingerprint
        )
        self._writer = Writer(folder, manifest)
        for document_id in list(self._writer.documents):  # of a build that was broken off
            self._writer.remove(document_id)
        self._folder, self._size = folder, size
        self._chunks, self._seconds, self._rare = 0, 0.0, 0

    @property
    def full(self) -> bool:
        return self._chunks >= self._size

    def add(self, content: NewContent) -> None:
        groups = {DEPARTMENTS[zlib.crc32(content.document.document_id.encode()) % len(DEPARTMENTS)]}
        if zlib.crc32(content.document.document_id.encode(), 1) % 2:
            groups.add("절반")
        if self._rare + len(content.chunks) <= max(3, self._size // 1000):
            self._rare += len(content.chunks)
            groups.add("천분의일")
        self._writer.add(replace(content, document=replace(content.document, groups=tuple(sorted(groups)))))
        self._chunks += len(content.chunks)
        if self._writer.pending_chunks >= COMMIT_CHUNKS or self.full:
            self._commit()

    def _commit(self) -> None:
        started = time.monotonic()
        self._writer.commit()
        self._writer.merge()
        self._seconds += time.monotonic() - started
        print(f"{self._size:>9,}: {self._chunks:,} chunks, {self._seconds:.0f} s of commits", file=sys.stderr)

    def close(self) -> None:
        self._writer.__exit__(None, None, None)
        if self.full:
            (self._folder / "done").touch()


def _write_laws(path: Path, folder: Path) -> list[str]:
    """The laws as text files, which ingest reads; their paths, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number, law in enumerate(read_laws(path)):
        file = folder / f"{number:04d} {law.id.replace('/', ' ')[:60]}.txt"
        if not file.exists():
            file.write_text(f"{law.name}\n\n{law.text}\n", encoding="utf-8")
        files.append(str(file))
    return files


def _add(
    makers: Sequence[_Maker], parsed: Parsed, copy: int, nouns: Sequence[str], pipeline: Pipeline
) -> None:
    open_makers = [maker for maker in makers if not maker.full]
    if not open_makers:
        return
    content = _content(parsed, copy, nouns, pipeline)
    for maker in open_makers:
        maker.add(content)


def _content(parsed: Parsed, copy: int, nouns: Sequence[str], pipeline: Pipeline) -> NewContent:
    document, chunks, terms, title = parsed.document, parsed.chunks, parsed.terms, parsed.document.title
    identity = document.id
    if copy:
        random = Random(f"{SEED}:{document.id}:{copy}")
        identity = f"{random.getrandbits(64):016x}"
        others = _exchange(terms, nouns, random)
        chunks = tuple(_changed(chunk, identity, others, pipeline.tokenizer) for chunk in chunks)
        terms = tuple(_translated(row, others) for row in terms)
        title = f"{title} 제{copy}판"
    stored = StoredDocument(
        identity, title, (f"/법령/{copy}/{title}.txt",), (), "scale", parsed.bytes, unit=document.unit
    )
    return NewContent(stored, document.pages, chunks, terms, embed_chunks(pipeline.embedder, title, chunks))


def _exchange(terms: Sequence[str], nouns: Sequence[str], random: Random) -> dict[str, str]:
    """Some nouns and all digits of a document → what stands for them in a copy; of the same length."""
    counts = Counter(term for row in terms for term in row.split() if NOUN.fullmatch(term))
    own = [term for term, count in sorted(counts.items()) if count >= COMMON]
    others = {}
    for noun in random.sample(own, min(EXCHANGED, len(own))):
        alike = [other for other in random.choices(nouns, k=20) if len(other) == len(noun)]
        if alike:
            others[noun] = alike[0]
    return others | dict(zip("23456789", random.sample("23456789", 8), strict=True))


def _changed(chunk: Chunk, identity: str, others: dict[str, str], tokenizer: ModelTokenizer) -> Chunk:
    pattern = _pattern(others)
    text, context = (pattern.sub(lambda m: others[m[0]], part) for part in (chunk.text, chunk.context))
    return replace(
        chunk,
        id=chunk_id(identity, chunk.start, chunk.end),
        document_id=identity,
        text=text,
        context=context,
        tokens=tokenizer.count(text),
    )


def _translated(row: str, others: dict[str, str]) -> str:
    pattern = _pattern(others)
    return " ".join(
        others.get(term) or (pattern.sub(lambda m: others[m[0]], term) if term[0].isdigit() else term)
        for term in row.split()
    )


def _pattern(others: dict[str, str]) -> re.Pattern:
    return re.compile("|".join(sorted(others, key=len, reverse=True)))


def _nouns(parsed: Sequence[Parsed]) -> list[str]:
    counts = Counter(
        term for result in parsed for row in result.terms for term in set(row.split()) if NOUN.fullmatch(term)
    )
    return [noun for noun, _ in counts.most_common(NOUNS)]


def sentences(shared: Path, count: int) -> Iterator[str]:
    """Titles of articles with the name of their law, and sentences, in turn: queries."""
    random = Random(SEED)
    laws = [law for law in read_laws(shared / STATUTES) if law.articles]
    for number in range(count):
        law = random.choice(laws)
        article = random.choice(law.articles)
        if number % 2 and article.title:
            yield f"{law.name} {article.title}"
        else:
            sentence = random.choice(re.split(r"(?<=다\.)\s", article.text))
            yield sentence[:120] or law.name
