"""A page that PDFium could not read → its text by another engine: pdfminer.six, then OCR."""

from ingest.korean.legible import judge
from ingest.pdf import miner, ocr
from ingest.raw import Engine, ReadPage

# OCR of lower confidence has read a picture, not text.
LEAST_CONFIDENCE = 0.4
# If pdfminer made sense of none of the first MINED_IN_VAIN pages that it was given, it is not asked again:
# it takes 0.1 s a page, and a file of 160 pages ran out of time that way.
MINED_IN_VAIN = 10
# The least share of letters among the characters of a page that holds words.
LETTERS_SHARE = 0.35


class Rereader:
    """Reads pages of one PDF a second time. pdfminer parses the file once, and only if it is needed.

    Args:
        pdf: the open `pypdfium2.PdfDocument`.
        data: the bytes of the file.
        tesseract: None turns OCR off.
    """

    def __init__(self, pdf, data: bytes, password: str, tesseract: ocr.Tesseract | None) -> None:
        self._pdf = pdf
        self._tesseract = tesseract
        self._miner = miner.Miner(data, password)
        self._in_vain = 0  # pages that pdfminer was given and made no sense of
        self._mined = False  # whether it made sense of any

    def read(
        self, index: int, *, only_ocr: bool = False, doubted: bool = False, mute: bool = False
    ) -> ReadPage | None:
        """Page `index` (from 0) as read by the first engine that makes sense of it; None if none does.

        Not meant for partly garbled pages: what PDFium read of those is better than OCR.

        Args:
            only_ocr: do not ask pdfminer: the page has no characters at all, or its fonts have wrong
                tables, which pdfminer trusts as PDFium does.
            doubted: the file as a whole is garbled, so pdfminer's text is judged more strictly.
            mute: PDFium found only digits and marks on the page; a reading with no more than those is refused.
        """
        if not only_ocr and (self._mined or self._in_vain < MINED_IN_VAIN):
            mined = self.read_with("pdfminer", index)
            sense = mined is not None and judge(mined.text, doubted=doubted) == ""
            if sense and not (mute and _is_bare(mined)):
                self._mined = True
                return mined
            self._in_vain += 1
        seen = self.read_with("tesseract", index)
        if seen is None or seen.confidence < LEAST_CONFIDENCE or judge(seen.text) in ("empty", "garbled"):
            return None
        return seen

    def read_with(self, engine: Engine, index: int) -> ReadPage | None:
        """What one engine reads on the page, whether it makes sense or not; the same on every call.

        None if the engine fails, is off, or is neither "pdfminer" nor "tesseract".
        """
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
    """Whether a page consists of digits and marks rather than words."""
    solid = "".join(page.text.split())
    return sum(map(str.isalpha, solid)) < LETTERS_SHARE * len(solid)
