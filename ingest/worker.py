"""Files → documents, chunks and index terms, each read in a child process with limits.

A bad file fails alone: a hang ends at the time limit, a leak at the memory limit, and a crash takes
one child. The pool is a helper process that loads Kiwi once and forks the children, so they share
its 0.5 GB; it is started fresh, never forked from the caller, whose threads a fork would not
survive. Each child has a socket of its own, which the helper hands to the caller: nobody else holds
the child's end, so a child that dies in the middle of an answer leaves an end of file and no half
message. Messages are JSON with a length in front. Where there is no fork (Windows), files are read
in the calling process, without limits.
"""

import contextlib
import hashlib
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, astuple, dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

from ingest.chunking import ChunkingConfig, split
from ingest.document import Chunk, Document, Heading, Page, Table
from ingest.errors import UnreadableFile
from ingest.korean import load_kiwi, open_analyser
from ingest.normalise import Normalised, normalise
from ingest.ocr import Tesseract
from ingest.outline import find_contents, find_headings, find_tables
from ingest.pdf import read_pdf
from ingest.raw import RawFile

# "auto": pages without text that can be read are given to Tesseract, where it is installed.
Ocr = Literal["off", "auto"]
# Raise it whenever the same file could give another text or other chunks: it makes files «changed».
PARSER_VERSION = 2
FRAME = struct.Struct(">I")
CHILD = struct.Struct(">II")  # number of the child, signal that ended the one before it
CONTEXT_SEPARATOR = "\n"


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """Limits of reading one file, and how many are read at a time (0: one per core)."""

    workers: int = 0
    timeout_seconds: float = 300.0
    max_memory_mb: int = 2048
    max_pages: int = 20_000
    max_file_mb: int = 1024
    ocr: Ocr = "off"

    def __post_init__(self) -> None:
        for name in ("timeout_seconds", "max_memory_mb", "max_pages", "max_file_mb"):
            if getattr(self, name) <= 0:
                raise ValueError(f"ingest.{name} must be above 0, got {getattr(self, name)}")
        if self.ocr not in get_args(Ocr):
            raise ValueError(f"ingest.ocr must be one of {', '.join(get_args(Ocr))}, got {self.ocr!r}")
        if self.workers < 0:
            raise ValueError(f"ingest.workers must be at least 0, got {self.workers}")


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """All that decides what a file becomes.

    `tokenizer_json` counts chunk sizes (tokenizers' format). `tesseract`: None where OCR is off or
    cannot be had.
    """

    tokenizer_json: str
    analyser: str = "kiwi"
    chunking: ChunkingConfig = field(default_factory=ChunkingConfig)
    limits: IngestConfig = field(default_factory=IngestConfig)
    passwords: tuple[str, ...] = ()
    tesseract: Tesseract | None = None

    @property
    def fingerprint(self) -> str:
        """Same bytes and same fingerprint give the same chunks; part of what «unchanged» means."""
        tokenizer = hashlib.sha256(self.tokenizer_json.encode()).hexdigest()[:16]
        base = f"parser-{PARSER_VERSION} {self.analyser} {self.chunking.max_tokens} {tokenizer}"
        return base if self.tesseract is None else f"{base} {self.tesseract.fingerprint}"


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file, read: `terms[i]` are the index terms of `chunks[i]`, joined with spaces."""

    path: str
    bytes: int
    document: Document
    chunks: tuple[Chunk, ...]
    terms: tuple[str, ...]


class Parser:
    """Reads files in this process; built once, for its tokenizer and analyser take time to load."""

    def __init__(self, options: ParseOptions) -> None:
        from tokenizers import Tokenizer

        self._options = options
        self._tokenizer = Tokenizer.from_str(options.tokenizer_json)
        self._analyser = open_analyser(options.analyser)

    def parse(self, path: str) -> Parsed:
        """The file at `path` as a document, its chunks and their terms.

        Raises:
            UnreadableFile: for every reason but timeout, memory and crashed.
        """
        data = self._read(path)
        limits = self._options.limits
        raw = read_pdf(Path(path), data, self._options.passwords, limits.max_pages)
        normalised = normalise(raw)
        if not normalised.text.strip():
            raise UnreadableFile("no_text", path)
        document_id = hashlib.sha256(data).hexdigest()[:16]
        document = make_document(document_id, raw, normalised)
        chunks = split(document, self._options.chunking, self._count)
        searched = [searched_text(document.title, chunk) for chunk in chunks]
        terms = tuple(" ".join(terms) for terms in self._analyser.terms(searched))
        return Parsed(path, len(data), document, tuple(chunks), terms)

    def _read(self, path: str) -> bytes:
        limit = self._options.limits.max_file_mb
        try:
            size = os.path.getsize(path)
            if size > limit * 2**20:
                raise UnreadableFile("too_large", path, f"{size / 2**20:,.0f} > {limit:,} MB")
            data = Path(path).read_bytes()
        except OSError as exc:
            raise UnreadableFile("unreadable", path, exc.strerror or str(exc)) from exc
        if not data:
            raise UnreadableFile("damaged", path, "0 bytes")
        return data

    def _count(self, text: str) -> int:
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def searched_text(title: str, chunk: Chunk) -> str:
    """What the indexes see of a chunk: its words under its title and breadcrumb.

    Nothing of a contents page: its entries would be found in place of what they name.
    """
    if chunk.kind == "contents":
        return ""
    crumbs = chunk.context if chunk.context.startswith(title) else f"{title}\n{chunk.context}"
    return CONTEXT_SEPARATOR.join(part for part in (crumbs.strip(), chunk.text) if part)


def make_document(document_id: str, raw: RawFile, normalised: Normalised) -> Document:
    """The document that a file's clean text is."""
    return Document(
        document_id,
        raw.title,
        normalised.text,
        normalised.pages,
        find_headings(normalised, raw.outline),
        find_tables(normalised),
        find_contents(normalised),
        raw.unit,
    )


class WorkerPool:
    """Reads many files in child processes; a context manager.

    Results come in the order of the paths, whatever order they finish in, and at most a few wait:
    memory does not grow with the number of files.
    """

    def __init__(self, options: ParseOptions) -> None:
        self._options = options
        self._size = options.limits.workers or os.cpu_count() or 1
        self._process: subprocess.Popen | None = None
        self._helper: socket.socket | None = None
        self._children: dict[int, socket.socket] = {}

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *exc_info) -> None:
        self._stop()

    def parse(self, paths: Iterable[str]) -> Iterator[Parsed | UnreadableFile]:
        """Each path's result, in order: what it holds, or why it cannot be read. One call at a time."""
        if not hasattr(os, "fork"):
            parser = Parser(self._options)
            yield from (_outcome(parser.parse, path) for path in paths)
            return
        jobs = iter(paths)
        for first in jobs:  # where there is nothing to read, nothing is started
            if self._process is None:
                self._start()
            yield from self._schedule(enumerate(chain([first], jobs)))

    def _start(self) -> None:
        self._helper, theirs = socket.socketpair()
        source = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ingest.worker", str(theirs.fileno()), str(self._size)],
            stdin=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C goes to the caller, which ends the pool in good order
            env={**os.environ, "PYTHONPATH": path},
        )
        theirs.close()
        # Where it has ended already, its socket says so, too.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(json.dumps(asdict(self._options)).encode())

    def _stop(self) -> None:
        if self._process is None:
            return
        for connection in (self._helper, *self._children.values()):
            connection.close()
        # Children in the middle of a file would go on until it is read.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process, self._helper, self._children = None, None, {}

    def _schedule(self, jobs: Iterator[tuple[int, str]]) -> Iterator[Parsed | UnreadableFile]:
        idle = list(self._children.values())
        running: dict[socket.socket, tuple[int, str]] = {}
        finished: dict[int, Parsed | UnreadableFile] = {}
        selector = selectors.DefaultSelector()
        for connection in (self._helper, *idle):
            selector.register(connection, selectors.EVENT_READ)
        due, more = 0, True
        try:
            while more or running or finished:
                while more and idle and len(running) + len(finished) < 4 * self._size:
                    job = next(jobs, None)
                    more = job is not None
                    if job:
                        connection = idle.pop()
                        running[connection] = job
                        _send(connection, job)
                while due in finished:
                    yield finished.pop(due)
                    due += 1
                if running or (more and not idle):
                    finished |= self._wait(selector, idle, running)
        finally:
            selector.close()
            if running:  # not read to the end: the answers would come to nobody
                self._stop()

    def _wait(
        self,
        selector: selectors.BaseSelector,
        idle: list[socket.socket],
        running: dict[socket.socket, tuple[int, str]],
    ) -> dict[int, Parsed | UnreadableFile]:
        """Wait until a child answers, dies or is born; the results that came of it, by job."""
        finished = {}
        for key, _ in selector.select():
            if key.fileobj is self._helper:
                old, died, new = self._next_child()
                if old in running:
                    number, path = running.pop(old)
                    finished[number] = self._result(path, _receive(old) or {"signal": died})
                if old is not None:
                    _forget(selector, idle, old)
                    old.close()
                selector.register(new, selectors.EVENT_READ)
                idle.append(new)
            elif key.fileobj.fileno() < 0:
                continue  # closed in this round: it died
            elif (reply := _receive(key.fileobj)) is None:
                _forget(selector, idle, key.fileobj)  # dead; the helper is to say how
            else:
                number, path = running.pop(key.fileobj)
                finished[number] = self._result(path, reply)
                if not _ends_child(reply):
                    idle.append(key.fileobj)
        return finished

    def _next_child(self) -> tuple[socket.socket | None, int, socket.socket]:
        """The child that died, if one did, the signal that ended it, and the new one in its place."""
        message, descriptors, _, _ = socket.recv_fds(self._helper, CHILD.size, 1)
        if not message:
            raise RuntimeError("the reading process ended; see its messages above")
        slot, died = CHILD.unpack(message)
        new = socket.socket(fileno=descriptors[0])
        old, self._children[slot] = self._children.get(slot), new
        return old, died, new

    def _result(self, path: str, reply: dict[str, Any]) -> Parsed | UnreadableFile:
        if "signal" in reply:
            return self._died(path, reply["signal"])
        if "reason" in reply:
            return UnreadableFile(reply["reason"], path, reply["detail"], reply["page"])
        document = _document(reply["document"])
        chunks = tuple(_chunk(document, row) for row in reply["chunks"])
        return Parsed(path, reply["bytes"], document, chunks, tuple(reply["terms"]))

    def _died(self, path: str, number: int) -> UnreadableFile:
        limits = self._options.limits
        if number == signal.SIGALRM:
            return UnreadableFile("timeout", path, f"{limits.timeout_seconds:g}")
        if number == signal.SIGKILL:
            return UnreadableFile("memory", path, str(limits.max_memory_mb))
        name = signal.Signals(number).name if number else "exit"
        return UnreadableFile("crashed", path, name)


def _document(fields: dict[str, Any]) -> Document:
    return Document(
        fields["id"],
        fields["title"],
        fields["text"],
        tuple(Page(*page[:-1], source=bytes.fromhex(page[-1])) for page in fields["pages"]),
        tuple(Heading(*heading) for heading in fields["headings"]),
        tuple(Table(*table) for table in fields["tables"]),
        tuple((start, end) for start, end in fields["contents"]),
        fields["unit"],
    )


def _chunk(document: Document, row: list) -> Chunk:
    # The text does not travel twice: chunks tile the document.
    identity, start, end, *rest = row
    return Chunk(identity, document.id, start, end, document.text[start:end], *rest)


def _outcome(parse: Callable[[str], Parsed], path: str) -> Parsed | UnreadableFile:
    try:
        return parse(path)
    except UnreadableFile as failure:
        return failure


# The helper process: loads what is heavy once, then keeps `size` forked children.


def main(descriptor: int, size: int) -> None:
    """Serve the parent at the socket `descriptor`; options come as JSON on standard input."""
    parser = Parser(_load_options(json.load(sys.stdin)))
    # What every child needs (line breaks need Kiwi, whatever the analyser) is loaded once, before the
    # fork: it shares the memory, and is not on the clock of each child's first file.
    load_kiwi()
    for library in ("langchain_text_splitters", "pypdf", "pypdfium2"):
        importlib.import_module(library)
    parent = socket.socket(fileno=descriptor)
    with contextlib.suppress(BrokenPipeError):  # the parent is gone
        slots = {_fork_child(parser, parent, slot, 0): slot for slot in range(size)}
        while slots:
            pid, status = os.wait()
            slot = slots.pop(pid)
            if status:  # else the parent closed its end
                died = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
                slots[_fork_child(parser, parent, slot, died)] = slot


def _load_options(options: dict[str, Any]) -> ParseOptions:
    return ParseOptions(
        options["tokenizer_json"],
        options["analyser"],
        ChunkingConfig(**options["chunking"]),
        IngestConfig(**options["limits"]),
        tuple(options["passwords"]),
        Tesseract(**options["tesseract"]) if options["tesseract"] else None,
    )


def _fork_child(parser: Parser, parent: socket.socket, slot: int, died: int) -> int:
    """Fork a child and hand its socket to the parent; `died`: the signal that ended the one before."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        status = 1
        try:
            ours.close()
            parent.close()
            _serve(parser, theirs)
            status = 0
        finally:
            os._exit(status)
    theirs.close()
    socket.send_fds(parent, [CHILD.pack(slot, died)], [ours.fileno()])
    ours.close()
    return pid


def _serve(parser: Parser, connection: socket.socket) -> None:
    limits = parser._options.limits
    _limit_memory(limits.max_memory_mb * 2**20)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends a child that hangs inside a library
    while (job := _receive(connection)) is not None:
        signal.setitimer(signal.ITIMER_REAL, limits.timeout_seconds)
        reply = _reply(parser, job["path"])
        signal.setitimer(signal.ITIMER_REAL, 0)
        _send_frame(connection, reply)
        if _ends_child(reply):
            os._exit(1)


def _ends_child(reply: dict[str, Any]) -> bool:
    """A child that ran out of memory ends: it keeps what the file took, and the next would lack it."""
    return reply.get("reason") == "memory"


def _limit_memory(allowance: int) -> None:
    import resource  # not on Windows

    statm = Path("/proc/self/statm")
    fields = statm.read_text(encoding="ascii").split() if statm.exists() else []
    if fields:  # on other systems than Linux there is no such limit
        mapped = int(fields[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + allowance, resource.RLIM_INFINITY))


def _reply(parser: Parser, path: str) -> dict[str, Any]:
    try:
        parsed = parser.parse(path)
    except UnreadableFile as failure:
        detail = failure.fields["detail"]
        return {"reason": failure.code, "detail": detail, "page": failure.page}
    except MemoryError:
        limit = parser._options.limits.max_memory_mb
        return {"reason": "memory", "detail": str(limit), "page": None}
    except Exception as exc:  # noqa: BLE001 - one file must not end the run; the parent reports it
        return {"reason": "crashed", "detail": f"{type(exc).__name__}: {exc}", "page": None}
    document = parsed.document
    return {
        "bytes": parsed.bytes,
        "document": {
            "id": document.id,
            "title": document.title,
            "text": document.text,
            "pages": [[*astuple(replace(page, source=b""))[:-1], page.source.hex()] for page in document.pages],
            "headings": [astuple(heading) for heading in document.headings],
            "tables": [astuple(table) for table in document.tables],
            "contents": document.contents,
            "unit": document.unit,
        },
        "chunks": [
            [c.id, c.start, c.end, c.context, c.first_page, c.last_page, c.tokens, c.kind]
            for c in parsed.chunks
        ],
        "terms": parsed.terms,
    }


def _send(connection: socket.socket, job: tuple[int, str]) -> None:
    with contextlib.suppress(BrokenPipeError):  # a child that died idle; the helper will say so
        _send_frame(connection, {"path": job[1]})


def _forget(selector: selectors.BaseSelector, idle: list[socket.socket], dead: socket.socket) -> None:
    if dead in selector.get_map():
        selector.unregister(dead)
    if dead in idle:
        idle.remove(dead)


def _send_frame(connection: socket.socket, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode("ascii")  # escapes: a path may hold bytes that are not UTF-8
    connection.sendall(FRAME.pack(len(body)) + body)


def _receive(connection: socket.socket) -> dict[str, Any] | None:
    """The next message; None when the other side is gone."""
    header = _receive_exactly(connection, FRAME.size)
    if header is None:
        return None
    body = _receive_exactly(connection, FRAME.unpack(header)[0])
    return None if body is None else json.loads(body)


def _receive_exactly(connection: socket.socket, count: int) -> bytes | None:
    buffer = bytearray()
    while len(buffer) < count:
        try:
            part = connection.recv(min(count - len(buffer), 1 << 20))
        except ConnectionError:
            return None
        if not part:
            return None
        buffer += part
    return bytes(buffer)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
