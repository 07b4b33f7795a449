"""A page that PDFium could not read → its text by another engine: pdfminer.six, then OCR."""

from ingest.korean.legible import judge
from ingest.pdf import miner, ocr
from ingest.raw import Engine, ReadPage

# OCR that is less sure than this of its own words has read a picture.
LEAST_CONFIDENCE = 0.4
# If pdfminer made sense of none of the first MINED_IN_VAIN pages that it was given, it is asked no more:
# it takes 0.1 s a page, and a file of 160 pages was given up because that took too long.
MINED_IN_VAIN = 10
# Of the characters of a page of words.
LETTERS_SHARE = 0.35


class Rereader:
    """Second tries at the pages of one PDF, which pdfminer parses once, and only if it is asked.

    Args:
        pdf: the open `pypdfium2.PdfDocument`.
        data: the bytes of the file.
        tesseract: None where OCR is off.
    """

    def __init__(self, pdf, data: bytes, password: str, tesseract: ocr.Tesseract | None) -> None:
        self._pdf = pdf
        self._tesseract = tesseract
        self._miner = miner.Miner(data, password)
        self._in_vain = 0  # pages; stays below zero once one was not

    def read(
        self, index: int, *, only_ocr: bool = False, doubted: bool = False, mute: bool = False
    ) -> ReadPage | None:
        """Page `index` (from 0) by the first engine that makes sense of it; None where none does.

        Not for pages that are only partly garbled: what PDFium read of those is better than OCR.

        Args:
            only_ocr: the page has no characters at all, or its fonts have wrong tables, which pdfminer
                believes, too.
            mute: PDFium found a font's points and digits only; what holds no more is no second reading.
            doubted: the file is garbled on the whole; pdfminer believes the same tables as PDFium.
        """
        if not only_ocr and self._in_vain < MINED_IN_VAIN:
            mined = self.read_with("pdfminer", index)
            sense = mined is not None and judge(mined.text, doubted=doubted) == ""
            if sense and not (mute and _is_bare(mined)):
                self._in_vain = -(10**9)
                return mined
            self._in_vain += 1
        seen = self.read_with("tesseract", index)
        if seen is None or seen.confidence < LEAST_CONFIDENCE or judge(seen.text) in ("empty", "garbled"):
            return None
        return seen

    def read_with(self, engine: Engine, index: int) -> ReadPage | None:
        """What one engine makes of the page, sense or not: the same characters each time."""
        import pypdfium2

        if engine == "pdfminer":
            return self._miner.read_page(index)
        if self._tesseract is None or engine != "tesseract":
            return None
        try:
            page = self._pdf[index]
        except pypdfium2.PdfiumError:
            return None
        try:
            return ocr.read_page(page, self._tesseract)
        finally:
            page.close()


def _is_bare(page: ReadPage) -> bool:
    """Whether a page is digits and marks rather than words."""
    solid = "".join(page.text.split())
    return sum(map(str.isalpha, solid)) < LETTERS_SHARE * len(solid)
