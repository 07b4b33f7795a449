"""One page of a PDF → what it draws besides text (rules, pictures, coloured areas), and its invisible text.

A page is made of objects: texts, paths, images and forms, which hold objects themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pypdfium2 import raw

from ingest.pdf import pdfium
from ingest.pdf.pdfium import Frame, Handle
from ingest.pdf.tables import Rule
from ingest.raw import Box

WHITE = 250  # of 255, in each colour
SMALLEST = 2.0  # points; nobody reads smaller type
MAX_OBJECTS = 5_000  # a page with more is a drawing, whose lines are no rules of tables
MAX_SEGMENTS = 150  # a path with more is not searched for rules
THIN, SHORT = 3.0, 8.0  # points; a rule is at most THIN thick and at least SHORT long
MAX_DEPTH = 5  # levels of forms within forms
IDENTITY = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

Boxes = NDArray[np.float64]  # (N, 4): left, top, right, bottom of the shown page


@dataclass(slots=True)
class Survey:
    """What one page draws. Rules and boxes are in points from its top left corner."""

    objects: int = 0
    across: list[Rule] = field(default_factory=list)
    down: list[Rule] = field(default_factory=list)
    pictures: list[Box] = field(default_factory=list)
    coloured: list[Box] = field(default_factory=list)  # areas on which white text can be read
    texts: list[Handle] = field(default_factory=list)  # handles are valid until the page is closed
    white: set[Handle] = field(default_factory=set)
    invisible: set[Handle] = field(default_factory=set)

    def picture_share(self, frame: Frame) -> float:
        """The share of the page that its largest picture covers."""
        width, height = frame.size
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in self.pictures]
        return max(areas, default=0.0) / max(width * height, 1.0)


def survey_page(page, frame: Frame, *, texts_only: bool) -> Survey:
    """What is drawn on a page of pypdfium2.

    Args:
        texts_only: leave out rules and pictures. On a page without a word, letters may be drawn as
            thousands of outlines, which would take long.
    """
    survey = Survey()
    _survey(pdfium.handle_of(page), frame, survey, IDENTITY, 0, texts_only)
    return survey


def shown_words(
    textpage: Handle,
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    boxes: Boxes,
    survey: Survey,
    frame: Frame,
) -> NDArray[np.bool_]:
    """(N,): whether a person sees each word: it lies on the page, is large enough, and has a visible colour.

    Args:
        starts, ends: (N,), the spans of the words in PDFium's characters.
        boxes: (N, 4), of the words.
    """
    width, height = frame.size
    left, top, right, bottom = boxes.T
    large = (bottom - top >= SMALLEST) | (right - left >= 2 * SMALLEST)
    shown = (right > 0) & (bottom > 0) & (left < width) & (top < height) & large
    if not (survey.white or survey.invisible):
        return shown
    for places in (starts, ends - 1):
        for word, item in enumerate(pdfium.text_objects(textpage, places)):
            if item in survey.invisible or (
                item in survey.white and not _lies_on_colour(boxes[word], survey.coloured)
            ):
                shown[word] = False
    return shown


def _lies_on_colour(word: NDArray[np.float64], coloured: Sequence[Box]) -> bool:
    x, y = (word[0] + word[2]) / 2, (word[1] + word[3]) / 2
    return any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in coloured)


def _survey(holder: Handle, frame: Frame, survey: Survey, matrix, depth: int, texts_only: bool) -> None:
    items, kinds = pdfium.objects(holder, form=depth > 0)
    survey.objects += len(items)
    _note_texts(items[kinds == pdfium.TEXT], survey)
    if not texts_only and survey.objects <= MAX_OBJECTS:
        _note_paths(items[kinds == pdfium.PATH], frame, survey, matrix)
        pictures, _ = _boxes(items[(kinds == pdfium.IMAGE) | (kinds == pdfium.SHADING)], frame, matrix)
        survey.pictures += map(tuple, pictures.tolist())
        survey.coloured += map(tuple, pictures.tolist())
    if depth < MAX_DEPTH:
        for form in items[kinds == pdfium.FORM].tolist():
            inner = _times(pdfium.matrix_of(form) or IDENTITY, matrix)
            _survey(form, frame, survey, inner, depth + 1, texts_only)


def _note_texts(texts: NDArray[np.uint64], survey: Survey) -> None:
    invisible = pdfium.render_modes(texts) == pdfium.INVISIBLE
    survey.texts += texts.tolist()
    survey.invisible.update(texts[invisible].tolist())
    survey.white.update(texts[~invisible & _are_white(texts)].tolist())


def _are_white(items: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(N,): whether each object is filled with white, or with nothing that can be seen."""
    colours = pdfium.fill_colours(items)
    return (colours[:, 3] == 0) | (colours[:, :3] >= WHITE).all(axis=1)


def _note_paths(paths: NDArray[np.uint64], frame: Frame, survey: Survey, matrix) -> None:
    boxes, known = _boxes(paths, frame, matrix)
    paths = paths[known]
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    # Shorter paths are marks in a chart, or letters drawn as outlines.
    long = (wide >= SHORT) | (high >= SHORT)
    paths, boxes, wide, high = paths[long], boxes[long], wide[long], high[long]
    filled, stroked = pdfium.draw_modes(paths).T
    inked = filled | stroked
    across = inked & (high <= THIN)
    down = inked & ~across & (wide <= THIN)
    for left, top, right, bottom in boxes[across].tolist():
        survey.across.append(Rule((top + bottom) / 2, left, right))
    for left, top, right, bottom in boxes[down].tolist():
        survey.down.append(Rule((left + right) / 2, top, bottom))
    areas = inked & (high > THIN) & (wide > THIN)
    coloured = areas & filled
    coloured[coloured] = ~_are_white(paths[coloured])
    survey.coloured += map(tuple, boxes[coloured].tolist())
    if (outlined := areas & (stroked | coloured)).any():
        _note_sides(paths[outlined], frame, survey, matrix)


def _boxes(items: NDArray[np.uint64], frame: Frame, matrix) -> tuple[Boxes, NDArray[np.bool_]]:
    """(M, 4): the boxes of the items with known bounds; and (N,): whether each item's bounds are known."""
    found, known = pdfium.bounds(items)
    left, bottom, right, top = found[known].T
    if matrix is not IDENTITY:
        (x0, y0), (x1, y1) = _apply(matrix, left, bottom), _apply(matrix, right, top)
        left, bottom = np.minimum(x0, x1), np.minimum(y0, y1)
        right, top = np.maximum(x0, x1), np.maximum(y0, y1)
    return np.column_stack(frame.show(left, bottom, right, top)), known


def _note_sides(paths: NDArray[np.uint64], frame: Frame, survey: Survey, matrix) -> None:
    """Add the straight sides of `paths` that run across or down the page to the rules of `survey`."""
    points, kinds, closes, owners = pdfium.segments(paths.tolist(), MAX_SEGMENTS)
    matrices = [_times(pdfium.matrix_of(path) or IDENTITY, matrix) for path in paths.tolist()]
    xs, ys = _apply(np.array(matrices).reshape(-1, 6)[owners].T, *points.T)
    places = np.arange(len(points))
    first = np.diff(owners, prepend=-1) != 0
    begins = np.maximum.accumulate(np.where(first | (kinds == raw.FPDF_SEGMENT_MOVETO), places, 0))
    lines, closing = places[(kinds == raw.FPDF_SEGMENT_LINETO) & ~first], places[closes]
    one, other = np.append(lines - 1, closing), np.append(lines, begins[closing])
    straight = (abs(xs[one] - xs[other]) <= 1) | (abs(ys[one] - ys[other]) <= 1)
    one, other = one[straight], other[straight]
    x0, y0, x1, y1 = frame.show(
        np.minimum(xs[one], xs[other]),
        np.minimum(ys[one], ys[other]),
        np.maximum(xs[one], xs[other]),
        np.maximum(ys[one], ys[other]),
    )
    flat = (y1 - y0 <= 1) & (x1 - x0 >= SHORT)
    upright = ~flat & (x1 - x0 <= 1) & (y1 - y0 >= SHORT)
    survey.across += map(Rule, ((y0 + y1) / 2)[flat].tolist(), x0[flat].tolist(), x1[flat].tolist())
    survey.down += map(Rule, ((x0 + x1) / 2)[upright].tolist(), y0[upright].tolist(), y1[upright].tolist())


def _times(one, other) -> tuple[float, ...]:
    """The matrix that applies `one` first, then `other`."""
    if other is IDENTITY:
        return one
    a, b, c, d, e, f = one
    g, h, i, j, k, m = other
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def _apply(matrix, x, y):
    """The points (x, y), numbers or arrays, transformed by `matrix`."""
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f
