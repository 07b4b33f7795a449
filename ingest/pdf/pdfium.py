"""PDFium's functions, each called for many characters or objects at once.

A page has hundreds of words and objects, and a call through ctypes costs more than the work that the
function does. With calls in a Python loop, and answers read field by field, a page took 2 ms longer.
Here the loop runs in C (`map`), and PDFium writes its answers into one array.

Handles are plain numbers. They are valid until their page is closed.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from pypdfium2 import raw

Handle = int
TEXT, PATH, IMAGE, SHADING, FORM = 1, 2, 3, 4, 5  # FPDF_PAGEOBJ_*
INVISIBLE = 3  # text render mode
MAX_FONT_NAME = 200  # bytes; the rest is cut off

_INT, _POINTER, _SIZE = ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong


def _bound(function, result, *arguments):
    """`function` of pypdfium2's raw bindings, with plain numbers instead of typed pointers."""
    return ctypes.cast(function, ctypes.CFUNCTYPE(result, *arguments))


_char_box = _bound(raw.FPDFText_GetLooseCharBox, _INT, _POINTER, _INT, _POINTER)
_unmapped = _bound(raw.FPDFText_HasUnicodeMapError, _INT, _POINTER, _INT)
_text_object = _bound(raw.FPDFText_GetTextObject, _POINTER, _POINTER, _INT)
_page_objects = (
    _bound(raw.FPDFPage_CountObjects, _INT, _POINTER),
    _bound(raw.FPDFPage_GetObject, _POINTER, _POINTER, _INT),
)
_form_objects = (
    _bound(raw.FPDFFormObj_CountObjects, _INT, _POINTER),
    _bound(raw.FPDFFormObj_GetObject, _POINTER, _POINTER, _SIZE),
)
_kind = _bound(raw.FPDFPageObj_GetType, _INT, _POINTER)
_mode = _bound(raw.FPDFTextObj_GetTextRenderMode, _INT, _POINTER)
_fill = _bound(raw.FPDFPageObj_GetFillColor, _INT, *[_POINTER] * 5)
_bounds = _bound(raw.FPDFPageObj_GetBounds, _INT, *[_POINTER] * 5)
_draw_mode = _bound(raw.FPDFPath_GetDrawMode, _INT, *[_POINTER] * 3)
_object_text = _bound(raw.FPDFTextObj_GetText, _SIZE, _POINTER, _POINTER, _POINTER, _SIZE)
_matrix = _bound(raw.FPDFPageObj_GetMatrix, _INT, _POINTER, _POINTER)
_count_segments = _bound(raw.FPDFPath_CountSegments, _INT, _POINTER)
_segment = _bound(raw.FPDFPath_GetPathSegment, _POINTER, _POINTER, _INT)
_point = _bound(raw.FPDFPathSegment_GetPoint, _INT, _POINTER, _POINTER, _POINTER)
_segment_kind = _bound(raw.FPDFPathSegment_GetType, _INT, _POINTER)
_closes = _bound(raw.FPDFPathSegment_GetClose, _INT, _POINTER)
_font = _bound(raw.FPDFTextObj_GetFont, _POINTER, _POINTER)
_embedded = _bound(raw.FPDFFont_GetIsEmbedded, _INT, _POINTER)
_font_name = _bound(raw.FPDFFont_GetBaseFontName, _SIZE, _POINTER, _POINTER, _SIZE)
_font_data = _bound(raw.FPDFFont_GetFontData, _INT, _POINTER, _POINTER, _SIZE, _POINTER)
_glyph_path = _bound(raw.FPDFFont_GetGlyphPath, _POINTER, _POINTER, ctypes.c_uint32, ctypes.c_float)
_count_pieces = _bound(raw.FPDFGlyphPath_CountGlyphSegments, _INT, _POINTER)


@dataclass(frozen=True, slots=True)
class Frame:
    """How a page is shown: its box in the file's coordinates, and its rotation in clockwise quarter turns."""

    left: float
    bottom: float
    right: float
    top: float
    turns: int

    @classmethod
    def of(cls, page) -> "Frame":
        return cls(*page.get_bbox(), page.get_rotation() // 90 % 4)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height as shown, in points."""
        width, height = self.right - self.left, self.top - self.bottom
        return (height, width) if self.turns % 2 else (width, height)

    def show(self, left, bottom, right, top):
        """(left, top, right, bottom) on the shown page of a box in the file's coordinates, whose y grows upwards.

        Works on numbers and on arrays.
        """
        if self.turns == 0:
            return left - self.left, self.top - top, right - self.left, self.top - bottom
        if self.turns == 1:
            return bottom - self.bottom, left - self.left, top - self.bottom, right - self.left
        if self.turns == 2:
            return self.right - right, bottom - self.bottom, self.right - left, top - self.bottom
        return self.top - top, self.right - right, self.top - bottom, self.right - left


def handle_of(helper) -> Handle:
    """The handle of a page or text page of pypdfium2."""
    return ctypes.cast(helper.raw, _POINTER).value or 0


def char_boxes(textpage: Handle, indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N, 4): left, bottom, right, top of the characters at `indices`, in the file's coordinates.

    Each box is as high as its line, so boxes of one line have the same top and bottom.
    """
    boxes = np.zeros((len(indices), 4), np.float32)  # FS_RECTF: left, top, right, bottom
    _call(_char_box, (repeat(textpage), indices.tolist()), boxes, 1)
    return boxes[:, [0, 3, 2, 1]].astype(np.float64)


def text_objects(textpage: Handle, indices: NDArray[np.int64]) -> list[Handle]:
    """The text object that drew each of the characters at `indices`; 0 for characters that PDFium inserted."""
    return [item or 0 for item in map(_text_object, repeat(textpage), indices.tolist())]


def are_unmapped(textpage: Handle, indices: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(N,): whether the character at each of `indices` is only the font's code, because no table maps it."""
    return np.fromiter(map(_unmapped, repeat(textpage), indices.tolist()), np.int32, len(indices)) == 1


def objects(holder: Handle, *, form: bool) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """The objects of a page or form in drawing order: (N,) handles and (N,) kinds (TEXT, PATH …)."""
    count, get = _form_objects if form else _page_objects
    number = max(0, count(holder))
    items = [item or 0 for item in map(get, repeat(holder), range(number))]
    return np.array(items, np.uint64), np.fromiter(map(_kind, items), np.int32, number)


def render_modes(texts: NDArray[np.uint64]) -> NDArray[np.int32]:
    """(N,): the render mode of each text object, such as INVISIBLE."""
    return np.fromiter(map(_mode, texts.tolist()), np.int32, len(texts))


def fill_colours(items: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """(N, 4): red, green, blue and alpha of each object, 0 to 255; opaque black if it has no fill colour."""
    colours = np.zeros((len(items), 4), np.uint32)
    told = _call(_fill, (items.tolist(),), colours, 4)
    colours[told == 0] = (0, 0, 0, 255)
    return colours


def bounds(items: NDArray[np.uint64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(N, 4): left, bottom, right, top in coordinates of the page or form; and (N,): whether they are known."""
    boxes = np.zeros((len(items), 4), np.float32)
    told = _call(_bounds, (items.tolist(),), boxes, 4)
    return boxes.astype(np.float64), told != 0


def draw_modes(paths: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(N, 2): whether each path is filled, and whether it is stroked."""
    modes = np.zeros((len(paths), 2), np.int32)
    _call(_draw_mode, (paths.tolist(),), modes, 2)
    return modes != 0


def text_lengths(texts: Sequence[Handle], textpage: Handle) -> NDArray[np.int64]:
    """(N,): the number of characters that each text object yields."""
    bytes_ = map(_object_text, texts, repeat(textpage), repeat(None), repeat(0))
    return np.fromiter(bytes_, np.int64, len(texts)) // 2 - 1  # UTF-16, and a NUL at the end


def fonts_of(texts: Sequence[Handle]) -> list[Handle]:
    """The font of each text object, 0 if it has none. A font's handle is valid as long as its object's."""
    return [font or 0 for font in map(_font, texts)]


def is_embedded(font: Handle) -> bool:
    """Whether the file holds the font's glyphs. If not, PDFium draws those of another font."""
    return _embedded(font) == 1


def font_key(font: Handle) -> tuple[str, int]:
    """The name and size in bytes of an embedded font, which mostly tell it from all other fonts of the file."""
    name, size = ctypes.create_string_buffer(MAX_FONT_NAME), _SIZE()
    _font_name(font, ctypes.addressof(name), MAX_FONT_NAME)
    _font_data(font, None, 0, ctypes.addressof(size))
    return name.value.decode("latin-1"), size.value


def glyph_pieces(font: Handle, chars: Sequence[str]) -> list[int]:
    """The number of lines and curves in the outline of each character's glyph; -1 if PDFium knows no outline."""
    paths = map(_glyph_path, repeat(font), map(ord, chars), repeat(1.0))
    return [_count_pieces(path) for path in paths]


def matrix_of(item: Handle) -> tuple[float, ...] | None:
    """The six numbers of an object's matrix; None if it has none."""
    found = (ctypes.c_float * 6)()
    return tuple(found) if _matrix(item, ctypes.addressof(found)) else None


def segments(
    paths: Sequence[Handle], most: int
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.bool_], NDArray[np.int64]]:
    """The N segments of all paths: end points (N, 2), kinds, whether each closes its path, index of its path.

    Args:
        most: a path with more segments is left out.
    """
    counts = [count if count <= most else 0 for count in map(_count_segments, paths)]
    owned = zip(paths, counts, strict=True)
    pieces = [piece for path, count in owned for piece in map(_segment, repeat(path), range(count))]
    points = np.zeros((len(pieces), 2), np.float32)
    _call(_point, (pieces,), points, 2)
    kinds = np.fromiter(map(_segment_kind, pieces), np.int32, len(pieces))
    closes = np.fromiter(map(_closes, pieces), np.bool_, len(pieces))
    return points.astype(np.float64), kinds, closes, np.repeat(np.arange(len(paths)), counts)


def _call(function, arguments, answers: NDArray, pointers: int) -> NDArray[np.int32]:
    """(rows,): what `function` returns for each row of `answers`, which it fills.

    Args:
        arguments: of the function, one iterable each.
        pointers: the number of pointers by which it writes a row: 1 for a structure, else one per number.
    """
    rows, width = answers.shape
    base, size = answers.ctypes.data, answers.itemsize
    places = [
        range(base + size * i, base + size * width * rows + size * i, size * width) for i in range(pointers)
    ]
    return np.fromiter(map(function, *arguments, *places), np.int32, rows)
