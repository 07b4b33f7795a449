"""The parts of a zip archive (HWPX, DOCX) and their XML, read within limits; the only file that imports lxml.

What an archive says of itself is not believed: sizes are checked before anything is unpacked, and
XML may neither declare a type (no entities) nor nest without end.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

from lxml import etree

from ingest.errors import UnreadableFile, first_line

Element = etree._Element

# Office files have some hundred entries: one per picture, and a dozen more.
MAX_ENTRIES = 10_000
MAX_PART_BYTES = 256 * 2**20
# Of all parts that are read. A page of HWPX with a table takes 0.1 MB.
MAX_TOTAL_BYTES = 512 * 2**20
# Office XML packs 10 to 60 times smaller, one letter repeated 1,000 times; small parts may be anything.
MAX_RATIO = 250
SMALL_BYTES = 4 * 2**20
ENTRY_MARK = b"PK\x01\x02"
XML_TYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
# libxml2 2.14: XML_ERR_RESOURCE_LIMIT; before it, depth and size are told by the name of the switch.
LIMIT_ERROR, LIMIT_SWITCH = 114, "XML_PARSE_HUGE"
PARSING = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "huge_tree": False,  # libxml2 then stops at 256 levels and 10 MB of text in a piece
    "remove_comments": True,
    "remove_pis": True,
}


class Archive:
    """A zip archive in memory. `path` is for messages only.

    Raises:
        UnreadableFile: damaged, encrypted, unsupported or too_large, from every method.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self._read = 0
        # zipfile makes an object of each entry as it opens the archive: count them before.
        if data.count(ENTRY_MARK) > MAX_ENTRIES:
            raise UnreadableFile("too_large", path, f"> {MAX_ENTRIES:,} zip entries")
        self._zip = self._guard(lambda: zipfile.ZipFile(BytesIO(data)))
        self.names = tuple(self._zip.namelist())

    def part(self, name: str) -> bytes:
        """The bytes of the part called `name`.

        Source: for deflate, the only packing taken, zipfile stops at the size that was checked.
        """
        if name not in self._zip.NameToInfo:
            raise UnreadableFile("damaged", self.path, f"no {name}")
        info = self._zip.getinfo(name)
        if info.flag_bits & 1:
            raise UnreadableFile("encrypted", self.path)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnreadableFile("unsupported", self.path, f"zip method {info.compress_type}")
        self._allow(info)
        return self._guard(lambda: self._zip.read(info))

    def xml_part(self, name: str) -> bytes:
        """The part called `name`, which declares no document type."""
        data = self.part(name)
        if any(mark in data for mark in XML_TYPES):
            raise UnreadableFile("unsupported", self.path, f"a DTD in {name}")
        return data

    def xml(self, name: str) -> Element:
        """The root of the XML part called `name`."""
        return parse_xml(self.path, self.xml_part(name))

    def outermost(self, name: str, tag: str) -> Iterator[Element]:
        """The elements called `tag` in the part called `name`, but none inside another.

        One at a time: each is gone after its turn, so a tree of the whole part is never in memory.
        """
        data = BytesIO(self.xml_part(name))
        depth = 0
        try:
            for event, element in etree.iterparse(data, ("start", "end"), tag=f"{{*}}{tag}", **PARSING):
                depth += 1 if event == "start" else -1
                if event == "end" and depth == 0:
                    yield element
                    element.clear()
                    while element.getprevious() is not None:
                        del element.getparent()[0]
        except etree.LxmlError as exc:
            raise broken_xml(self.path, exc) from exc

    def _allow(self, info: zipfile.ZipInfo) -> None:
        size = info.file_size
        self._read += size
        if size > MAX_PART_BYTES or self._read > MAX_TOTAL_BYTES:
            raise UnreadableFile("too_large", self.path, f"{self._read / 2**20:,.0f} MB unpacked")
        if size > SMALL_BYTES and size > MAX_RATIO * info.compress_size:
            raise UnreadableFile("too_large", self.path, f"{info.filename} unpacks > {MAX_RATIO} times")

    def _guard(self, read: Callable):
        # zipfile 3.11 passes on what its fields make of a broken archive: bad offsets, names, dates.
        try:
            return read()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError) as exc:
            raise UnreadableFile("damaged", self.path, first_line(exc)) from exc
        except NotImplementedError as exc:
            raise UnreadableFile("unsupported", self.path, first_line(exc)) from exc


def parse_xml(path: str, data: bytes) -> Element:
    """The root of the XML in `data`; entities stay unresolved, nothing is fetched.

    Raises:
        UnreadableFile: damaged or too_large.
    """
    try:
        return etree.fromstring(data, etree.XMLParser(**PARSING))
    except (etree.LxmlError, ValueError) as exc:
        raise broken_xml(path, exc) from exc


def broken_xml(path: str, exc: Exception) -> UnreadableFile:
    """What `exc`, raised while XML was parsed, means for the user: over a limit, or damaged."""
    over = getattr(exc, "code", None) == LIMIT_ERROR or LIMIT_SWITCH in str(exc)
    return UnreadableFile("too_large" if over else "damaged", path, first_line(exc))


def local_name(element: Element) -> str:
    """The tag without its namespace: those of OWPML change from one edition to the next."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def whole_number(value: str | None, default: int) -> int:
    """An attribute as a number; `default` where it is none."""
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 10 else default
