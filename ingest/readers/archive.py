"""A zip archive (HWPX, DOCX) → its parts and their XML, within limits. The only file that imports lxml.

The archive is not trusted: sizes are checked before anything is unpacked, and XML may neither
declare a document type (hence no entities) nor nest without limit.
"""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from io import BytesIO

from lxml import etree

from ingest.errors import UnreadableFile, first_line

Element = etree._Element

# An office file has about a hundred entries: one per picture, and a dozen more.
MAX_ENTRIES = 10_000
MAX_PART_BYTES = 256 * 2**20
# The sum over all parts that are read. A page of HWPX with a table takes 0.1 MB.
MAX_TOTAL_BYTES = 512 * 2**20
# The highest compression ratio that a part of more than SMALL_BYTES may have. Office XML reaches 10 to 60,
# one repeated letter 1,000.
MAX_RATIO = 250
SMALL_BYTES = 4 * 2**20
ENTRY_MARK = b"PK\x01\x02"
XML_TYPES = tuple("<!DOCTYPE".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
# How libxml2 reports a limit on depth or size: from 2.14 on by the code XML_ERR_RESOURCE_LIMIT, before by a
# message that names the switch.
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
    """A zip archive in memory. `names` lists its entries; `path` is for messages only.

    Raises:
        UnreadableFile: damaged, encrypted, unsupported or too_large; from every method.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self._read = 0
        # zipfile creates an object for each entry when it opens the archive, so they are counted before.
        if data.count(ENTRY_MARK) > MAX_ENTRIES:
            raise UnreadableFile("too_large", path, f"> {MAX_ENTRIES:,} zip entries")
        self._zip = self._guard(lambda: zipfile.ZipFile(BytesIO(data)))
        self.names = tuple(self._zip.namelist())

    def part(self, name: str) -> bytes:
        """The unpacked bytes of the part called `name`.

        Only stored and deflated parts are read: for those, zipfile stops at the size that was checked.
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
        """The bytes of the XML part called `name`; unsupported if it declares a document type."""
        data = self.part(name)
        if any(mark in data for mark in XML_TYPES):
            raise UnreadableFile("unsupported", self.path, f"a DTD in {name}")
        return data

    def xml(self, name: str) -> Element:
        """The root of the XML part called `name`."""
        return parse_xml(self.path, self.xml_part(name))

    def outermost(self, name: str, tag: str) -> Iterator[Element]:
        """The elements called `tag` in the part called `name` that lie in no other such element.

        Each is cleared when the next one is asked for, so the tree of the whole part is never in memory.
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
        # On a broken archive (bad offsets, names, dates) zipfile 3.11 lets these other exceptions through.
        try:
            return read()
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, OverflowError) as exc:
            raise UnreadableFile("damaged", self.path, first_line(exc)) from exc
        except NotImplementedError as exc:
            raise UnreadableFile("unsupported", self.path, first_line(exc)) from exc


def parse_xml(path: str, data: bytes) -> Element:
    """The root element of the XML in `data`. Entities stay unresolved; nothing is fetched.

    Raises:
        UnreadableFile: damaged or too_large.
    """
    try:
        return etree.fromstring(data, etree.XMLParser(**PARSING))
    except (etree.LxmlError, ValueError) as exc:
        raise broken_xml(path, exc) from exc


def broken_xml(path: str, exc: Exception) -> UnreadableFile:
    """The UnreadableFile for `exc`, which parsing XML raised: too_large at a limit, else damaged."""
    over = getattr(exc, "code", None) == LIMIT_ERROR or LIMIT_SWITCH in str(exc)
    return UnreadableFile("too_large" if over else "damaged", path, first_line(exc))


def local_name(element: Element) -> str:
    """The tag without its namespace, which in OWPML changes from one edition to the next."""
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def whole_number(value: str | None, default: int) -> int:
    """The attribute `value` as a number of at most 9 digits; `default` if it is none."""
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 10 else default
