"""Files → documents, chunks and index terms, each read in a child process with limits.

A bad file fails alone: a hang ends at the time limit, a leak at the memory limit, and a crash takes
one child. The pool is a helper process that loads Kiwi once and forks the children, so they share
its 0.5 GB; it is started fresh, never forked from the caller, whose threads a fork would not
survive. Each child has a socket of its own, which the helper hands to the caller: nobody else holds
the child's end, so a child that dies in the middle of an answer leaves an end of file and no half
message. Messages are JSON with a length in front. The helper sees the end of its caller, however
that came about, and ends its children at once. Where there is no fork (Windows), files are read in
the calling process, without limits.
"""

import contextlib
import ctypes
import gc
import hashlib
import importlib
import json
import os
import re
import selectors
import shutil
import signal
import socket
import stringprep
import struct
import subprocess
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import Path
from typing import Any, Literal, get_args

from ingest.document import Chunk, Document, Heading, Page, Table
from ingest.errors import ReaderEnded, UnreadableFile, first_line
from ingest.korean.analyse import load_kiwi, open_analyser
from ingest.pdf.ocr import Tesseract
from ingest.raw import RawFile
from ingest.readers.read import read_file
from ingest.repair.normalise import Normalised, normalise
from ingest.structure.chunking import ChunkingConfig, split
from ingest.structure.outline import find_contents, find_headings, find_tables
from ingest.structure.terms import index_terms

# "auto": pages without text that can be read are given to Tesseract, where it is installed.
Ocr = Literal["off", "auto"]
# Raise it whenever the same file could give another text or other chunks: it makes files «changed».
PARSER_VERSION = 7
FRAME = struct.Struct(">I")
# Number of the child; of the one before it: its exit code (a signal: below 0), its peak memory in MB.
CHILD = struct.Struct(">IiI")
# What a child ends with when its caller is gone. Not 0: a library that calls exit() ends with that.
CALLER_GONE = 83
# A reader that ends itself for want of memory (PDFium) does so with one of these.
OUT_OF_MEMORY = {signal.SIGABRT, signal.SIGILL, signal.SIGTRAP}


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """Limits of reading one file, and how many are read at a time (0: one per core)."""

    workers: int = 0
    timeout_seconds: float = 300.0
    max_memory_mb: int = 2048
    max_pages: int = 20_000
    max_file_mb: int = 1024
    max_characters: int = 20_000_000
    ocr: Ocr = "off"

    def __post_init__(self) -> None:
        for name in ("timeout_seconds", "max_memory_mb", "max_pages", "max_file_mb", "max_characters"):
            if getattr(self, name) <= 0:
                raise ValueError(f"ingest.{name} must be above 0, got {getattr(self, name)}")
        if self.ocr not in get_args(Ocr):
            raise ValueError(f"ingest.ocr must be one of {', '.join(get_args(Ocr))}, got {self.ocr!r}")
        if self.workers < 0:
            raise ValueError(f"ingest.workers must be at least 0, got {self.workers}")


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """All that decides what a file becomes.

    `tokenizer_json` counts chunk sizes (tokenizers' format). `passwords` are pairs of a pattern and
    a password for the files that it fits; see `passwords_for`. `tesseract`: None where OCR is off or
    cannot be had. `dictionary`: words that are terms as a whole; chunks do not depend on it.
    """

    tokenizer_json: str
    analyser: str = "kiwi"
    chunking: ChunkingConfig = field(default_factory=ChunkingConfig)
    limits: IngestConfig = field(default_factory=IngestConfig)
    passwords: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    tesseract: Tesseract | None = None
    dictionary: tuple[str, ...] = ()

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


@dataclass(frozen=True, slots=True)
class Reading:
    """One file, read, with every stage on the way to its chunks."""

    path: str
    bytes: int
    raw: RawFile
    normalised: Normalised
    document: Document
    chunks: tuple[Chunk, ...]


class Parser:
    """Reads files in this process; built once, for its tokenizer and analyser take time to load."""

    def __init__(self, options: ParseOptions) -> None:
        from tokenizers import Tokenizer

        self._options = options
        self._tokenizer = Tokenizer.from_str(options.tokenizer_json)
        self._analyser = open_analyser(options.analyser, options.dictionary)

    def parse(self, path: str) -> Parsed:
        """The file at `path` as a document, its chunks and their terms.

        Raises:
            UnreadableFile: for every reason but timeout, memory and crashed.
        """
        reading = self.read(path)
        document, chunks = reading.document, reading.chunks
        if not document.text.strip():
            raise UnreadableFile("no_text", path)
        terms = tuple(index_terms(self._analyser, document.title, chunks))
        return Parsed(path, reading.bytes, document, chunks, terms)

    def read(self, path: str) -> Reading:
        """The file at `path` as the stages see it; one without any text is no error here.

        Raises:
            UnreadableFile: for every reason but no_text, timeout, memory and crashed.
        """
        data = self._bytes(path)
        limits = self._options.limits
        passwords = passwords_for(path, self._options.passwords)
        raw = read_file(Path(path), data, passwords, limits.max_pages, self._options.tesseract)
        characters = sum(len(page.text) for page in raw.pages)
        if characters > limits.max_characters:
            detail = f"{characters:,} > {limits.max_characters:,} characters"
            raise UnreadableFile("too_large", path, detail)
        normalised = normalise(raw)
        document = make_document(hashlib.sha256(data).hexdigest()[:16], raw, normalised)
        chunks = tuple(split(document, self._options.chunking, self._count))
        return Reading(path, len(data), raw, normalised, document, chunks)

    def _bytes(self, path: str) -> bytes:
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


def passwords_for(path: str, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """The passwords to try on the file at `path`, those of patterns that fit it best first.

    A pattern (`*`, `?`, `[…]`) fits a file's name or whole path, both in NFC. One without wildcards
    goes before one with them, a longer one before a shorter. AES-256 locks with the SASLprep form of
    a password (RFC 4013, in essence NFKC), other programs with what was typed: both are tried.
    """
    whole = unicodedata.normalize("NFC", path)
    name = os.path.basename(whole)
    fitting = []
    for pattern, password in pairs:
        pattern = unicodedata.normalize("NFC", pattern)
        if fnmatchcase(name, pattern) or fnmatchcase(whole, pattern) or pattern in (name, whole):
            fitting.append((any(mark in pattern for mark in "*?["), -len(pattern), password))
    ordered = [password for _, _, password in sorted(fitting, key=lambda item: item[:2])]
    forms = [form for password in ordered for form in (password, saslprep(password))]
    # What UTF-8 cannot encode (an argument's stray bytes) locks no PDF; readers end a password at NUL.
    return [form for form in dict.fromkeys(forms) if form and not re.search("[\0\ud800-\udfff]", form)]


def saslprep(password: str) -> str:
    """`password` as RFC 4013 prepares it: blanks as spaces, invisible characters gone, NFKC."""
    mapped = (
        " " if stringprep.in_table_c12(char) else char
        for char in password
        if not stringprep.in_table_b1(char)
    )
    return unicodedata.normalize("NFKC", "".join(mapped))


class WorkerPool:
    """Reads many files in child processes; a context manager.

    Results come in the order of the paths, whatever order they finish in, and at most a few wait:
    memory does not grow with the number of files.

    Args:
        module: what the helper process runs; calls `main`.
    """

    def __init__(self, options: ParseOptions, module: str = "ingest.workers.pool") -> None:
        self._options = options
        self._module = module
        self._size = options.limits.workers or os.cpu_count() or 1
        self._folder: str | None = None  # of the temporary files of all children
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
            yield from (_outcome(parser.parse, path, self._options.limits) for path in paths)
            return
        jobs = iter(paths)
        for first in jobs:  # where there is nothing to read, nothing is started
            if self._process is None:
                self._start()
            yield from self._schedule(enumerate(chain([first], jobs)))

    def _start(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="rag-")
        self._helper, theirs = socket.socketpair()
        source = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", self._module, str(theirs.fileno()), str(self._size), self._folder],
            stdin=subprocess.PIPE,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C goes to the caller, which ends the pool in good order
            # Children are as many as there are cores: the threads of each one's BLAS would spin in vain.
            env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        )
        theirs.close()
        # Where it has ended already, its socket says so, too.
        with contextlib.suppress(BrokenPipeError), self._process.stdin as pipe:
            pipe.write(json.dumps(asdict(self._options)).encode())

    def _stop(self) -> None:
        if self._folder is not None:
            self._stop_processes()
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _stop_processes(self) -> None:
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
        due, more, whole = 0, True, False
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
            whole = True
        finally:
            selector.close()
            # Left in the middle, also between two lines of this file: answers would come to nobody.
            if not whole:
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
                old, end, new = self._next_child()
                if old in running:
                    number, path = running.pop(old)
                    finished[number] = self._result(path, _receive(old) or end)
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

    def _next_child(self) -> tuple[socket.socket | None, dict[str, int], socket.socket]:
        """The child that ended, if one did, how it ended, and the new one in its place."""
        try:
            message, descriptors, _, _ = socket.recv_fds(self._helper, CHILD.size, 1)
        except ConnectionError:
            message = b""
        if not message:
            raise ReaderEnded(how=_how_it_ended(self._process.wait()))
        slot, code, peak_mb = CHILD.unpack(message)
        new = socket.socket(fileno=descriptors[0])
        old, self._children[slot] = self._children.get(slot), new
        return old, {"exit": code, "peak_mb": peak_mb}, new

    def _result(self, path: str, reply: dict[str, Any]) -> Parsed | UnreadableFile:
        if "exit" in reply:
            return self._died(path, reply["exit"], reply["peak_mb"])
        if "reason" in reply:
            return UnreadableFile(reply["reason"], path, reply["detail"], reply["page"])
        document = _document(reply["document"])
        chunks = tuple(_chunk(document, row) for row in reply["chunks"])
        return Parsed(path, reply["bytes"], document, chunks, tuple(reply["terms"]))

    def _died(self, path: str, code: int, peak_mb: int) -> UnreadableFile:
        limits = self._options.limits
        if code == -signal.SIGALRM:
            return UnreadableFile("timeout", path, f"{limits.timeout_seconds:g}")
        if code == -signal.SIGKILL:  # never ours: the system, for want of memory, or a person
            return UnreadableFile("killed", path)
        if -code in OUT_OF_MEMORY and peak_mb > limits.max_memory_mb / 2:
            return UnreadableFile("memory", path, str(limits.max_memory_mb))
        return UnreadableFile("crashed", path, _how_it_ended(code))


def _how_it_ended(code: int) -> str:
    """A name for the end of a process; `code` as subprocess gives it."""
    with contextlib.suppress(ValueError):
        return signal.Signals(-code).name
    return f"exit {code}"


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


def _outcome(parse: Callable[[str], Parsed], path: str, limits: IngestConfig) -> Parsed | UnreadableFile:
    try:
        return parse(path)
    except UnreadableFile as failure:
        return failure
    except MemoryError:
        return UnreadableFile("memory", path, str(limits.max_memory_mb))
    except Exception as exc:  # noqa: BLE001 - one file must not end the run; the failure is reported
        return UnreadableFile("crashed", path, f"{type(exc).__name__}: {first_line(exc)}")


# The helper process: loads what is heavy once, then keeps `size` forked children.


def main(arguments: Sequence[str], make_parser: Callable[[ParseOptions], Parser] = Parser) -> None:
    """Serve the parent; options come as JSON on standard input.

    Args:
        arguments: descriptor of the parent's socket, number of children, folder for temporary files.
    """
    descriptor, size, folder = arguments
    os.dup2(2, 1)  # standard output is the caller's, who may print JSON there
    options = _load_options(json.load(sys.stdin))
    parser = make_parser(options)
    # What every child needs (line breaks need Kiwi, whatever the analyser) is loaded once, before the
    # fork: it shares the memory, and is not on the clock of each child's first file.
    load_kiwi()
    for library in ("langchain_text_splitters", "pypdf", "pypdfium2", "lxml.etree", "docx"):
        importlib.import_module(library)
    settle_memory()
    _give_memory_back()  # what loading has freed; children would each free their view of it
    parent = socket.socket(fileno=int(descriptor))
    _Helper(parser, options.limits, parent, Path(folder)).run(int(size))


def settle_memory() -> None:
    """Leave what is loaded to the garbage collector no more, and let it come seldom.

    A page makes thousands of small tuples and hardly a cycle: looking for cycles took a fifth of the
    time of reading. And what the collector never touches, forked children go on sharing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


class _Helper:
    """Keeps the children: forks another where one ends, and ends them all with the caller."""

    def __init__(self, parser: Parser, limits: IngestConfig, parent: socket.socket, folder: Path) -> None:
        self._parser = parser
        self._limits = limits
        self._parent = parent
        self._folder = folder
        self._slots: dict[int, int] = {}  # by process id

    def run(self, size: int) -> None:
        awake, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to be written to `wake`
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        with contextlib.suppress(BrokenPipeError), selectors.DefaultSelector() as selector:
            for slot in range(size):
                self._fork(slot)
            selector.register(awake, selectors.EVENT_READ)
            selector.register(self._parent, selectors.EVENT_READ)  # it never writes: readable is ended
            while self._parent not in [key.fileobj for key, _ in selector.select()]:
                os.read(awake, 512)
                self._replace_ended()
        self._end_all()

    def _replace_ended(self) -> None:
        while self._slots:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                return
            slot = self._slots.pop(pid)
            shutil.rmtree(self._folder / str(slot), ignore_errors=True)
            code = os.waitstatus_to_exitcode(status)
            if code != CALLER_GONE:
                self._fork(slot, code, max(0, _peak_mb(usage) - _own_memory_mb()))

    def _end_all(self) -> None:
        """The caller is gone: nobody waits for what the children are reading."""
        for pid in self._slots:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)
        os.killpg(0, signal.SIGKILL)  # and what the children have started

    def _fork(self, slot: int, code: int = 0, peak_mb: int = 0) -> None:
        """Fork a child and hand its socket to the parent, with how the one before it ended."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if not pid:
            status = 1
            try:
                ours.close()
                self._parent.close()
                _use_temporary_folder(self._folder / str(slot))
                status = _serve(self._parser, self._limits, theirs)
            finally:
                os._exit(status)
        self._slots[pid] = slot
        theirs.close()
        socket.send_fds(self._parent, [CHILD.pack(slot, code, peak_mb)], [ours.fileno()])
        ours.close()


def _own_memory_mb() -> int:
    """What this process holds now, as its children do when they are forked."""
    import resource  # not on Windows

    statm = Path("/proc/self/statm")
    if not statm.exists():
        return _peak_mb(resource.getrusage(resource.RUSAGE_SELF))
    return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize() // 2**20


def _peak_mb(usage) -> int:
    return usage.ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)


def _use_temporary_folder(folder: Path) -> None:
    """A folder of the child's own, which goes with it: a child that is killed cleans nothing up."""
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def _load_options(options: dict[str, Any]) -> ParseOptions:
    return ParseOptions(
        options["tokenizer_json"],
        options["analyser"],
        ChunkingConfig(**options["chunking"]),
        IngestConfig(**options["limits"]),
        tuple((pattern, password) for pattern, password in options["passwords"]),
        Tesseract(**options["tesseract"]) if options["tesseract"] else None,
    )


def _serve(parser: Parser, limits: IngestConfig, connection: socket.socket) -> int:
    """Read what is asked for until the caller is gone; the exit status of the child."""
    _limit_resources(limits.max_memory_mb * 2**20)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends a child that hangs inside a library
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})  # a mask is inherited from the caller
    while (job := _receive(connection)) is not None:
        signal.setitimer(signal.ITIMER_REAL, limits.timeout_seconds)
        frame, ends = _reply(parser, limits, job["path"])
        signal.setitimer(signal.ITIMER_REAL, 0)  # the caller takes the answer when it has time
        try:
            connection.sendall(frame)
        except ConnectionError:
            break
        if ends:
            return 1
        del frame
        _give_memory_back()
    return CALLER_GONE


def _give_memory_back() -> None:
    """Free memory to the system, where the allocator is glibc's: else a child stays as large as its
    largest file made it, and in a long run every child meets a large one. It takes 0.2 to 13 ms."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def _ends_child(reply: dict[str, Any]) -> bool:
    """A child that ran out of memory ends: it keeps what the file took, and the next would lack it."""
    return reply.get("reason") == "memory"


def _limit_resources(allowance: int) -> None:
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash leaves no file of the memory's size
    statm = Path("/proc/self/statm")
    fields = statm.read_text(encoding="ascii").split() if statm.exists() else []
    if fields:  # on other systems than Linux there is no such limit
        limit = int(fields[0]) * resource.getpagesize() + allowance
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def _reply(parser: Parser, limits: IngestConfig, path: str) -> tuple[bytes, bool]:
    """The answer, ready to be sent, and whether it is the child's last."""
    outcome = _outcome(parser.parse, path, limits)
    try:
        reply = _failure(outcome) if isinstance(outcome, UnreadableFile) else _content(outcome)
        return _frame(reply), _ends_child(reply)
    except MemoryError:
        return _frame(_failure(UnreadableFile("memory", path, str(limits.max_memory_mb)))), True


def _failure(failure: UnreadableFile) -> dict[str, Any]:
    return {"reason": failure.reason, "detail": failure.fields["detail"], "page": failure.page}


def _content(parsed: Parsed) -> dict[str, Any]:
    document = parsed.document
    return {
        "bytes": parsed.bytes,
        "document": {
            "id": document.id,
            "title": document.title,
            "text": document.text,
            "pages": [
                [*astuple(replace(page, source=b""))[:-1], page.source.hex()] for page in document.pages
            ],
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
    connection.sendall(_frame(message))


def _frame(message: dict[str, Any]) -> bytes:
    # A path may hold bytes that are not UTF-8; json.loads reads surrogates back.
    body = json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return FRAME.pack(len(body)) + body


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
    main(sys.argv[1:])
