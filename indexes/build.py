"""The ingest flow: discover, skip unchanged, parse, embed, commit."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from indexes.discover import discover, located
from indexes.embedding import EmbeddingThread
from indexes.embedding import Progress as EmbeddingProgress
from indexes.engine import IndexWriter
from indexes.errors import ChunkTooLong, NothingToIngest
from indexes.models.embedder import UNLIMITED, Embedder
from indexes.open import open_writer
from indexes.report import OCR_MISSING, Failure, IngestReport, ocr_pages, unreadable_pages
from indexes.types import (
    Calibration,
    Manifest,
    NewContent,
    StoredDocument,
    find_document,
    names_document,
    nfc,
)
from indexes.upkeep.calibrate import OpenReranker, calibrate, is_due
from ingest.errors import UnreadableFile
from ingest.korean.analyse import open_analyser
from ingest.parse import Parsed, ParseOptions, file_id
from ingest.workers.pool import WorkerPool

# A commit is made after 5,000 chunks or 30 s, whichever comes first: often enough that a kill loses little work, and
# seldom enough that syncing files costs little.
COMMIT_CHUNKS = 5_000
COMMIT_SECONDS = 30.0
# After Ctrl-C, documents that were read are embedded for up to 10 s more, so that they can be committed.
LAST_SECONDS = 10.0
# Typical Korean text (from a law), to estimate how many tokens of an embedder a chunk has.
SAMPLE = """제60조(연차 유급휴가) ① 사용자는 1년간 80퍼센트 이상 출근한 근로자에게 15일의 유급휴가를 주어야 한다.
② 사용자는 계속하여 근로한 기간이 1년 미만인 근로자 또는 1년간 80퍼센트 미만 출근한 근로자에게 1개월 개근 시
1일의 유급휴가를 주어야 한다. 2024년 매출액은 1,234억원으로 전년보다 12.5% 늘었다(연결 기준).
"""
TEXT_SHARE = 0.8  # the part of an embedder's input for a chunk's text; the rest is for its title and headings

# Called after each file with (files done, all files, pages read, path of the file).
Progress = Callable[[int, int, int, str], None]


def ingest(
    folder: Path,
    paths: Sequence[Path],
    embedder: Embedder,
    options: ParseOptions,
    *,
    tokenizer: str,
    groups: Sequence[str] = (),
    sync: bool = False,
    progress: Progress = lambda *_: None,
    embedded: EmbeddingProgress = lambda *_: None,
    commit_chunks: int = COMMIT_CHUNKS,
    open_reranker: OpenReranker = lambda: None,
) -> IngestReport:
    """Bring the index in `folder` up to date with the files at `paths` (files, or folders to walk).

    A file that cannot be read is reported and changes nothing; the other files are ingested. Documents are committed
    after `commit_chunks` chunks or 30 s, and on Ctrl-C.

    Args:
        tokenizer: name of the tokenizer that counts chunk sizes, for the manifest.
        groups: the groups that may read these documents; added to the groups that a document already has.
        sync: remove documents under `paths` whose files are gone.
        embedded: called from another thread with the number of embedded chunks and of chunks read so far.
        commit_chunks: the number of waiting chunks after which a commit is made.
        open_reranker: called if the index has changed so much that it is calibrated again.

    Raises:
        NoSuchPath, NothingToIngest, ChunkTooLong: before anything is written.
        TextTooLong: the embedder would cut a chunk; documents embedded before are kept.
        IndexBusy, IndexMismatch, IndexUnwritable.
    """
    started = time.monotonic()
    files, closed, skipped = discover(paths)
    # With `sync`, too, because a network share that is not mounted looks like an empty folder.
    if not (files or closed or skipped):
        raise NothingToIngest(path=", ".join(map(str, paths)))
    check_reads_chunks(embedder, options)
    manifest = Manifest(
        embedder.identity, open_analyser(options.analyser, options.dictionary).name, tokenizer
    )
    report = IngestReport(str(folder), skipped=skipped)
    if options.limits.ocr == "auto" and options.tesseract is None:
        report.warnings.append(OCR_MISSING)
    with (
        open_writer(folder, manifest) as writer,
        WorkerPool(options) as pool,
        EmbeddingThread(embedder, embedded) as embedding,
    ):
        opened = writer.version
        run = _Run(writer, embedding, options.fingerprint, tuple(map(nfc, groups)), report, commit_chunks)
        try:
            for failure in closed:
                run.fail(failure)
            run.read(files, pool, progress)
            if sync and not closed:
                run.remove_gone(paths, set(files))
        except BaseException:  # Ctrl-C included: documents that were read are kept
            if writer.has_changes:
                writer.commit()
            raise
        writer.commit()
        report.version = writer.merge()
        if report.version != opened:  # unchanged: an index too small to calibrate need not be tried again
            recalibrate(writer, embedder, open_reranker)
    report.warnings.sort(key=attrgetter("code"))
    report.seconds = time.monotonic() - started
    return report


def recalibrate(
    writer: IndexWriter, embedder: Embedder, open_reranker: OpenReranker = lambda: None, *, anew: bool = False
) -> Calibration | None:
    """Calibrate the writer's index if it has changed much since the last time, or if `anew`.

    Returns:
        The calibration that is in force: the stored one, or the new one. None if there is too little text for one.
    """
    documents = list(writer.documents.values())
    known = writer.calibration
    if not anew and not is_due(known, sum(document.chunks for document in documents)):
        return known
    found = calibrate(documents, writer.chunks, embedder, open_reranker())
    if found is not None:
        writer.set_calibration(found)
    return found


def check_reads_chunks(embedder: Embedder, options: ParseOptions) -> None:
    """Check that the embedder reads a chunk of usual text as a whole.

    Real chunks are counted when they are embedded; this finds the error before a thousand files are read.

    Raises:
        ChunkTooLong: a chunk of `chunking.max_tokens` has more of the embedder's tokens than it reads.
    """
    if embedder.max_tokens >= UNLIMITED:
        return
    from tokenizers import Tokenizer

    longest = options.chunking.max_tokens
    tokenizer = Tokenizer.from_str(options.tokenizer_json)
    text = SAMPLE * (1 + longest // len(tokenizer.encode(SAMPLE, add_special_tokens=False)))
    _, end = tokenizer.encode(text, add_special_tokens=False).offsets[longest - 1]
    (tokens,) = embedder.count_tokens([text[:end]])
    if tokens > embedder.max_tokens:
        raise ChunkTooLong(
            embedder=embedder.identity.name,
            reads=embedder.max_tokens,
            chunk=longest,
            tokens=tokens,
            fitting=int(TEXT_SHARE * longest * embedder.max_tokens / tokens),
        )


def delete(folder: Path, names: Sequence[str], manifest: Manifest) -> list[StoredDocument]:
    """Delete the named documents (ids, paths, file names or titles) in one commit; returns them.

    Raises:
        DocumentNotFound, AmbiguousDocument: by one of the names; then nothing is deleted.
    """
    with open_writer(folder, manifest) as writer:
        gone = {
            document.document_id: document
            for document in (find_document(writer.documents.values(), name) for name in names)
        }
        for document_id in gone:
            writer.remove(document_id)
        writer.commit()
    return list(gone.values())


def set_groups(
    folder: Path, names: Sequence[str], change: Callable[[set[str]], Iterable[str]], manifest: Manifest
) -> list[StoredDocument]:
    """Change the groups of the named documents, in one commit.

    Args:
        names: ids, paths, file names or path patterns; each must name at least one document.
        change: gives the new groups for the present ones.

    Returns:
        The documents whose groups have changed.

    Raises:
        DocumentNotFound, AmbiguousDocument: by one of the names; then nothing is changed.
    """
    with open_writer(folder, manifest) as writer:
        named = {d.document_id: d for name in names for d in _named(list(writer.documents.values()), name)}
        changed = []
        for document in named.values():
            groups = tuple(sorted({nfc(group) for group in change(set(document.groups))}))
            if groups != document.groups:
                changed.append(replace(document, groups=groups))
                writer.change(changed[-1])
        writer.commit()
    return changed


def _named(documents: Sequence[StoredDocument], name: str) -> list[StoredDocument]:
    """The documents that a name or pattern matches, at least one."""
    found = [document for document in documents if names_document(name, document)]
    return found or [find_document(documents, name)]


class _Run:
    """The state of one ingest: the documents that are known, and those that wait for the next commit."""

    def __init__(
        self,
        writer: IndexWriter,
        embedding: EmbeddingThread,
        fingerprint: str,
        groups: tuple[str, ...],
        report: IngestReport,
        commit_chunks: int,
    ) -> None:
        self._commit_chunks = commit_chunks
        self._writer = writer
        self._embedding = embedding
        self._fingerprint = fingerprint
        self._groups = groups
        self._report = report
        self._committed = time.monotonic()
        # Id of a file being read → its path, then other paths with the same bytes.
        self._copies: dict[str, list[str]] = {}
        # Documents that were removed because their paths hold others now, by id.
        self._released: dict[str, StoredDocument] = {}
        self._at_path = {path: d.document_id for d in writer.documents.values() for path in d.paths}

    def read(self, files: Sequence[str], pool: WorkerPool, progress: Progress) -> None:
        """Read the new and changed files among `files` and add them."""
        total = len(files)
        self._done = 0

        def advance(path: str) -> None:
            self._done += 1
            progress(self._done, total, self._report.pages, path)

        try:
            for result in pool.parse(self._to_read(files, advance)):
                if isinstance(result, UnreadableFile):
                    self.fail(result)
                else:
                    self._store(self._embedding.give(result))
                advance(result.path)
                if self._due():
                    self._store(self._embedding.finish())
                    self._writer.commit()
                    self._writer.merge()
                    self._committed = time.monotonic()
        except BaseException:
            self._store(self._embedding.finish(LAST_SECONDS))
            raise
        self._store(self._embedding.finish())
        failed = {failure.path: failure.error for failure in self._report.failures}
        for identity, (first, *copies) in self._copies.items():
            for path in copies:
                if error := failed.get(first):
                    self.fail(UnreadableFile(error.reason, path, error.fields["detail"], error.page))
                else:
                    self._keep(path, identity)

    def remove_gone(self, roots: Sequence[Path], present: set[str]) -> None:
        """Remove the documents under `roots` whose files are gone."""
        folders = [os.path.join(located(root), "") for root in roots if root.is_dir()]
        for document in list(self._writer.documents.values()):
            left = tuple(
                path
                for path in document.paths
                if path in present or not any(path.startswith(folder) for folder in folders)
            )
            if left != document.paths:
                self._set_paths(document, left)
                self._report.documents.removed += not left

    def _due(self) -> bool:
        waited = time.monotonic() - self._committed
        chunks = self._writer.pending_chunks + self._embedding.held
        return chunks >= self._commit_chunks or (chunks > 0 and waited >= COMMIT_SECONDS)

    def _to_read(self, files: Sequence[str], advance: Callable[[str], None]) -> Iterator[str]:
        """The `files` to read: without those whose bytes the index holds as this parser would read them."""
        for path in files:
            try:
                identity = file_id(path)
            except OSError as exc:
                self.fail(UnreadableFile("unreadable", path, exc.strerror or str(exc)))
                advance(path)
                continue
            known = self._writer.documents.get(identity)
            if known is not None and known.parser == self._fingerprint:
                self._keep(path, identity)
                advance(path)
            elif identity in self._copies:
                self._copies[identity].append(path)
                advance(path)
            else:
                self._copies[identity] = [path]
                yield path

    def _keep(self, path: str, identity: str) -> None:
        """Add `path` and the groups of this ingest to the document with the same bytes."""
        known = self._writer.documents.get(identity)
        if known is None:  # the file changed while it was read; the next ingest reads it
            return
        counts = self._report.documents
        if path in known.paths and set(self._groups) <= set(known.groups):
            counts.unchanged += 1
            return
        gone = [old for old in known.paths if not os.path.exists(old)]
        counts.moved += bool(gone) and path not in known.paths
        counts.unchanged += not gone or path in known.paths
        self._release(path, identity)
        paths = tuple(dict.fromkeys([p for p in known.paths if p not in gone] + [path]))
        groups = tuple(sorted({*known.groups, *self._groups}))
        self._writer.change(replace(known, paths=paths, groups=groups))

    def _store(self, embedded: Iterable[tuple[Parsed, NDArray[np.float32]]]) -> None:
        for parsed, vectors in embedded:
            self._store_one(parsed, vectors)

    def _store_one(self, parsed: Parsed, vectors: NDArray[np.float32]) -> None:
        document = parsed.document
        old = self._owner(parsed.path)
        same = self._writer.documents.get(document.id) or self._released.get(document.id)
        replaced = old if old and old.paths == (parsed.path,) else None
        groups = {*self._groups, *(group for d in (same, replaced) if d for group in d.groups)}
        paths = dict.fromkeys(
            [p for p in (same.paths if same else ()) if self._at_path[p] == document.id] + [parsed.path]
        )
        self._report.documents.updated += bool(old or same)
        self._report.documents.added += not (old or same)
        self._release(parsed.path, document.id)
        stored = StoredDocument(
            document_id=document.id,
            title=document.title,
            paths=tuple(paths),
            groups=tuple(sorted(groups)),
            parser=self._fingerprint,
            bytes=parsed.bytes,
            unit=document.unit,
        )
        self._writer.add(NewContent(stored, document.pages, parsed.chunks, parsed.terms, vectors))
        self._report.pages += len(document.pages)
        self._report.chunks += len(parsed.chunks)
        if numbers := document.unreadable_pages:
            self._report.unreadable_pages[parsed.path] = numbers
            self._report.warnings.append(unreadable_pages(parsed.path, numbers, document.unit))
        if confidences := document.ocr_pages:
            self._report.ocr_pages[parsed.path] = confidences
            self._report.warnings.append(ocr_pages(parsed.path, confidences))

    def _owner(self, path: str) -> StoredDocument | None:
        return self._writer.documents.get(self._at_path.get(path, ""))

    def _release(self, path: str, identity: str) -> None:
        """Make `identity` the document at `path`; the one that was there goes, unless it has other paths."""
        old = self._owner(path)
        self._at_path[path] = identity
        if old is not None and old.document_id != identity:
            self._set_paths(old, tuple(p for p in old.paths if p != path))

    def _set_paths(self, document: StoredDocument, paths: tuple[str, ...]) -> None:
        if paths:
            self._writer.change(replace(document, paths=paths))
        else:
            self._released[document.document_id] = document
            self._writer.remove(document.document_id)

    def fail(self, failure: UnreadableFile) -> None:
        """Report a file that could not be read."""
        self._report.documents.failed += 1
        self._report.failures.append(Failure(failure.path, failure.code, failure.page, failure))
