"""BM25 postings on disk: one tantivy index, whose versions are folders of hard links.

tantivy never changes a finished file; only meta.json is replaced. So a new version starts as a folder of links to the
files of the old one and grows only by what is new, while readers of the old version see no change. There is one index,
not one for each commit, because BM25's statistics must cover all chunks.
"""

import ctypes
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

# Memory of a tantivy writer; the least that it accepts is 15 MB for each thread.
WRITER_BYTES = 64 << 20
META, MANAGED = "meta.json", ".managed.json"
WORK = ".work"
# tantivy merges 8 segments of similar size.
SEGMENTS = 8
# The parameters M_MMAP_THRESHOLD and M_TRIM_THRESHOLD of glibc's mallopt, and the value for both.
MMAP_THRESHOLD, TRIM_THRESHOLD, MALLOC_BYTES = -3, -1, 1 << 20
TAKE_OVERS = 20  # attempts to link a version's files while tantivy merges


class LexicalIndex:
    """One version, open for searching."""

    def __init__(self, folder: Path) -> None:
        with _unlocked(folder) as place:
            self._index = _open(place)
            self._schema = self._index.schema
            self._searcher = self._index.searcher()  # has all files open from here on

    @property
    def chunks(self) -> int:
        """The number of chunks in it, without deleted ones."""
        return self._searcher.num_docs

    def holders(self, term: str) -> int:
        """The number of chunks that have `term`, those of deleted documents included."""
        return self._searcher.doc_freq("terms", term)

    def search(
        self,
        terms: Mapping[str, float],
        k: int,
        documents: Collection[str] | None,
        having: str | None = None,
    ) -> list[tuple[int, float]]:
        """The `k` chunks with the best BM25 (k1 = 1.2, b = 0.75) for `terms`: (key, score), best first.

        Args:
            terms: of the query, each with its weight, for example its number of occurrences.
            documents: ids of the documents to search, None for all. Applied before the best k are taken.
            having: a term that a chunk must have to be found; it adds nothing to the score.
        """
        from tantivy import Occur, Query

        if not (terms or having) or (documents is not None and not documents):
            return []
        scored = [(Occur.Should, self._term(term, weight)) for term, weight in terms.items()]
        filters = []
        if documents is not None:
            filters.append(Query.term_set_query(self._schema, "document", sorted(documents)))
        if having is not None:
            filters.append(self._term(having))
        if filters:
            scored = (
                [] if not scored else [(Occur.Should if having else Occur.Must, Query.boolean_query(scored))]
            )
            scored += [(Occur.Must, Query.const_score_query(each, 0.0)) for each in filters]
        query = Query.boolean_query(scored)
        hits = self._searcher.search(query, k, count=False).hits
        found = [(self._searcher.doc(address)["key"][0], score) for score, address in hits]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))

    def _term(self, term: str, weight: float = 1.0):
        from tantivy import Query

        query = Query.term_query(self._schema, "terms", term, index_option="freq")
        return query if weight == 1.0 else Query.boost_query(query, weight)


def write_version(
    folder: Path,
    previous: Path | None,
    removed: Iterable[str],
    added: Iterable[tuple[int, str, str]],
    *,
    merge: bool = False,
) -> list[str]:
    """Write into the new `folder` the version `previous`, without the `removed` and with the `added` chunks.

    tantivy works in another folder beside it, so its threads, which may go on, cannot touch the version.

    Args:
        previous: folder of the version to start from; None to start empty.
        removed: ids of the documents whose chunks are deleted.
        added: (chunk key, document id, terms of the chunk joined with spaces).
        merge: wait until tantivy has merged small segments; else they may stay.

    Returns:
        The names of the version's files. Files are not synced.
    """
    work = folder.with_suffix(WORK)
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    if previous is not None:
        for name in version_files(previous):
            os.link(previous / name, work / name)
    try:
        _write(_create(work) if previous is None else _open(work), removed, added, merge)
        _take_over(work, folder)
    except ValueError as exc:  # the only error that tantivy raises; the cause is the disk
        raise OSError(str(exc)) from exc
    shutil.rmtree(work, ignore_errors=True)
    return version_files(folder)


def needs_merge(folder: Path) -> bool:
    """Whether a version has at least `SEGMENTS` segments, from which on tantivy merges some."""
    return len(segments_of(folder)) >= SEGMENTS


def holds_deleted(folder: Path) -> bool:
    """Whether a version still holds postings of deleted documents."""
    return any(_segments(json.loads((folder / META).read_bytes())).values())


def segments_of(folder: Path) -> set[str]:
    """The segments of a version."""
    return set(_segments(json.loads((folder / META).read_bytes())))


def _write(index, removed: Iterable[str], added: Iterable[tuple[int, str, str]], merge: bool) -> None:
    from tantivy import Document

    _keep_heaps_small()
    writer = index.writer(heap_size=WRITER_BYTES, num_threads=1)
    for document_id in removed:
        writer.delete_documents_by_term("document", document_id)
    for key, document_id, terms in added:
        entry = Document(document=document_id, terms=terms)
        entry.add_unsigned("key", key)
        writer.add_document(entry)
    writer.commit()
    if merge:
        writer.wait_merging_threads()


def _keep_heaps_small() -> None:
    """Make glibc return to the system the memory that tantivy's threads free.

    Each commit starts threads, which take blocks of 1 to 6 MB, 15 MB in all, from one of the heaps that glibc keeps
    for threads, eight for each core. Once such blocks are freed, glibc keeps up to twice as much in each heap, unless
    it is given a limit: a process that wrote beside sixteen readers grew by 30 MB a minute with no more memory in use.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # only glibc has it
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, MALLOC_BYTES)
        mallopt(TRIM_THRESHOLD, MALLOC_BYTES)


def _take_over(work: Path, folder: Path) -> None:
    """Fill the new `folder` with links to the files that meta.json in `work` names at one moment.

    A merge that tantivy has begun may end meanwhile and replace these files; then the links are made again.
    """
    for attempt in range(TAKE_OVERS):
        folder.mkdir()
        meta = (work / META).read_bytes()
        names = _files_of(meta, work)
        try:
            for name in names:
                os.link(work / name, folder / name)
        except FileNotFoundError:
            if attempt == TAKE_OVERS - 1:
                raise
            shutil.rmtree(folder)
            continue
        (folder / META).write_bytes(meta)
        (folder / MANAGED).write_text(json.dumps([META, *names]), encoding="utf-8")
        return


def _files_of(meta: bytes, folder: Path) -> list[str]:
    """Names of the files in `folder` of the segments that `meta`, the bytes of meta.json, names; sorted."""
    segments = _segments(json.loads(meta))
    names = []
    for path in folder.iterdir():
        segment, _, ending = path.name.partition(".")
        if segment not in segments:
            continue
        deletes = segments[segment]
        if not ending.endswith("del") or (deletes and ending == f"{deletes['opstamp']}.del"):
            names.append(path.name)
    return sorted(names)


def _segments(meta: dict) -> dict[str, dict | None]:
    """Segment → its record of deletions in meta.json, None if it has none."""
    return {segment["segment_id"].replace("-", ""): segment["deletes"] for segment in meta["segments"]}


@contextmanager
def _unlocked(folder: Path) -> Iterator[Path]:
    """A folder with the same files in which tantivy can make its lock file, which it does even to read."""
    if not folder.is_dir() or os.access(folder, os.W_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="rag-postings-") as place:
        for name in version_files(folder):
            os.symlink((folder / name).absolute(), Path(place, name))
        yield Path(place)


def version_files(folder: Path) -> list[str]:
    """Names of the files of a version, sorted: all but tantivy's locks."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def _open(folder: Path):
    from tantivy import Index

    return _with_tokenizer(Index.open(str(folder)))  # unlike Index(…, reuse=True), it never makes one


def _create(folder: Path):
    from tantivy import Index, SchemaBuilder

    builder = SchemaBuilder()
    builder.add_unsigned_field("key", stored=True)
    # Deleting by an unsigned field deletes nothing, silently (tantivy 0.27), so documents are text.
    builder.add_text_field("document", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("terms", tokenizer_name="terms", index_option="freq")
    return _with_tokenizer(Index(builder.build(), path=str(folder)))


def _with_tokenizer(index):
    from tantivy import TextAnalyzerBuilder, Tokenizer

    # The terms are analysed already; they only need to be split at the spaces.
    index.register_tokenizer("terms", TextAnalyzerBuilder(Tokenizer.whitespace()).build())
    return index
