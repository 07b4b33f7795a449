"""What is asked of a child, and what it answers: a job about one file → its result, or an `UnreadableFile`.

Parse(path)   → Parsed     a document, its chunks and their terms, for an index
Read(path)    → Reading    what each of its lines was taken for, for people
Locate(path)  → Located    where a span of its text stands on its pages
Draw(path)    → Picture    one of its pages as a picture
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

from ingest.document import Page
from ingest.errors import UnreadableFile, first_line
from ingest.korean.analyse import load_kiwi
from ingest.parse import Parsed, ParseOptions, Parser, Reading, read_bytes
from ingest.passwords import passwords_for
from ingest.pdf.places import load_pillow, page_image, span_boxes
from ingest.pdf.read import load_pypdf
from ingest.raw import Box
from ingest.readers.docx import load_docx
from ingest.structure.chunking import load_splitters

JPEG_QUALITY = 65


@dataclass(frozen=True, slots=True)
class Parse:
    """See `Parser.parse`."""

    path: str


@dataclass(frozen=True, slots=True)
class Read:
    """See `Parser.read`."""

    path: str


@dataclass(frozen=True, slots=True)
class Locate:
    """Where the characters [start, end) of the text stand; `pages`: all of the document's."""

    path: str
    pages: tuple[Page, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Located:
    """Pairs of the index of a page and the rectangles on it; see `ingest.pdf.places.span_boxes`."""

    boxes: tuple[tuple[int, tuple[Box, ...]], ...]


@dataclass(frozen=True, slots=True)
class Draw:
    """The page at `index` with `boxes` marked on it, at `scale` pixels for a point.

    `form`: "png" in any case, or whichever is "smaller" of PNG and JPEG.
    """

    path: str
    index: int
    boxes: tuple[Box, ...] = ()
    scale: float = 2.0
    form: Literal["png", "smaller"] = "png"


@dataclass(frozen=True, slots=True)
class Picture:
    """The bytes of a picture file; `width` and `height` of the page in points."""

    kind: Literal["png", "jpeg"]
    data: bytes
    width: float
    height: float


Job = Parse | Read | Locate | Draw
Result = Parsed | Reading | Located | Picture
RESULTS: dict[type[Job], type[Result]] = {Parse: Parsed, Read: Reading, Locate: Located, Draw: Picture}
JOBS: dict[str, type[Job]] = {job.__name__: job for job in RESULTS}


@dataclass(frozen=True, slots=True)
class Start:
    """What a helper process is told: `reads`, whether `Parse` and `Read` will be asked for."""

    options: ParseOptions
    reads: bool


class Worker:
    """Does jobs, one after the other.

    Args:
        reads: whether `Parse` and `Read` will be asked for; what they need takes seconds to load.
    """

    def __init__(self, options: ParseOptions, *, reads: bool) -> None:
        self.limits = options.limits
        self._options = options
        # Whatever takes time is loaded now, before children are forked: they share its memory, and it
        # is not on the clock of each child's first file. Joining lines needs Kiwi, whatever the analyser.
        load_pypdf()
        load_pillow()
        if reads:
            self._parser = Parser(options)
            load_kiwi()
            load_splitters()
            load_docx()

    def outcome(self, job: Job) -> Result | UnreadableFile:
        """The result of `job`; whatever goes wrong is told as an error about its file."""
        try:
            return self.do(job)
        except UnreadableFile as failure:
            return failure
        except MemoryError:
            return UnreadableFile("memory", job.path, str(self.limits.max_memory_mb))
        except Exception as exc:  # noqa: BLE001 - one file must not end the run; the failure is reported
            return UnreadableFile("crashed", job.path, f"{type(exc).__name__}: {first_line(exc)}")

    def do(self, job: Job) -> Result:
        """The result of `job`.

        Raises:
            UnreadableFile.
        """
        match job:
            case Parse():
                return self._parser.parse(job.path)
            case Read():
                return self._parser.read(job.path)
            case Locate():
                return self._locate(job)
            case Draw():
                return self._draw(job)

    def _locate(self, job: Locate) -> Located:
        data, passwords = self._open(job.path)
        tesseract = self._options.tesseract
        found = span_boxes(Path(job.path), data, passwords, job.pages, job.start, job.end, tesseract)
        return Located(tuple((index, tuple(boxes)) for index, boxes in found.items()))

    def _draw(self, job: Draw) -> Picture:
        data, passwords = self._open(job.path)
        drawn = page_image(Path(job.path), data, passwords, job.index, job.boxes, job.scale)
        kinds = (
            {"png": {}}
            if job.form == "png"
            else {"png": {"optimize": True}, "jpeg": {"quality": JPEG_QUALITY}}
        )
        files = []
        for kind, settings in kinds.items():
            file = BytesIO()
            drawn.image.save(file, kind, **settings)
            files.append((len(file.getvalue()), kind, file.getvalue()))
        _, kind, picture = min(files)
        return Picture(kind, picture, drawn.width, drawn.height)

    def _open(self, path: str) -> tuple[bytes, list[str]]:
        """The bytes of the file, and the passwords to try on it."""
        return read_bytes(path, self.limits.max_file_mb), passwords_for(path, self._options.passwords)
