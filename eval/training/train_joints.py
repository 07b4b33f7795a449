"""Korean statutes → the network of `ingest/repair/joints.py`, which tells whether a line break stands for a space.

Stretches of the laws, as long as documents are, are wrapped at random widths; each break is an
example, and the spacing within the lines is what the network may go by. Data: Korean statutes only,
which are not protected by copyright (Copyright Act, article 7), without those whose PDFs are tested
on and their decrees and rules (HELD_OUT of `eval/training/statutes.py`).

    python eval/training/train_joints.py --statutes statutes.jsonl.gz --out ingest/repair/joints.safetensors
    python eval/training/train_joints.py --evaluate SHARED

The same input gives the same file with the same versions of torch and numpy.
"""

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pypdfium2
from numpy.typing import NDArray

if __package__ in (None, ""):  # run as a script: the repository's root is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.training.statutes import is_held_out, parse_law, read_laws
from ingest.repair import joints
from ingest.repair.clean import clean_span
from ingest.repair.joints import CONTEXTS, FINALS, SEEN, SYLLABLES

SEED = 0
KNOWN = 300  # commonest syllables
DIMENSIONS = 16
HIDDEN = 96
DROP = 0.3  # of the known syllables, which are then as unknown
EPOCHS = 3
BATCH = 1024
LEARNING_RATE = 0.003
WIDTHS = (18, 50)
SIZES = (1_500, 40_000)  # characters of a document
SMALLEST = 800
PASSES = 2  # over the laws, each with other documents and widths
STEP_OF_SYLLABLE_COUNT = 4

UNSURE_TRIED = (0.0, 1.0, joints.UNSURE, 2.0)
TEST_WIDTHS = (20, 30, 40, 60)
ALIGNED = 14  # characters on either side
HANGUL_SIDES = re.compile("[가-힣]{2}")
LATIN_END, LATIN_START = re.compile(r"[A-Za-z]+$"), re.compile(r"[A-Za-z]")

# (before, after, whether a space stood there) of each break, and all lines.
Document = tuple[list[tuple[str, str, bool]], list[str]]


@dataclass(frozen=True, slots=True)
class Examples:
    """Breaks with what the network sees of them."""

    windows: NDArray[np.intp]
    counts: NDArray[np.int64]
    spaced: NDArray[np.bool_]


def _clean(line: str) -> str:
    """A line of text as the reader would clean it."""
    return clean_span(line, 0, len(line))[0]


def main() -> None:
    arguments = _parse_arguments()
    if arguments.statutes:
        start = time.monotonic()
        train(arguments.statutes, arguments.out)
        print(f"{time.monotonic() - start:.0f} s, {arguments.out.stat().st_size:,} bytes")
    if arguments.evaluate:
        for line in evaluate(arguments.evaluate):
            print(line, flush=True)


def train(statutes: Path, out: Path) -> None:
    """Write the network's weights to `out`."""
    from safetensors.numpy import save

    laws = [law.text.split("\n") for law in read_laws(statutes)]
    rng = np.random.default_rng(SEED)
    examples = _gather(
        see(breaks, lines)
        for _ in range(PASSES)
        for law in laws
        for breaks, lines in documents(law, rng)
        if breaks
    )
    out.write_bytes(save(fit(examples)))
    joints.load_network.cache_clear()


def documents(paragraphs: Sequence[str], rng: np.random.Generator) -> Iterator[Document]:
    """Unclear breaks and lines of the documents that a law is cut into."""
    taken: list[str] = []
    size = np.exp(rng.uniform(*np.log(SIZES)))
    for at, paragraph in enumerate(paragraphs, start=1):
        taken.append(paragraph)
        held = sum(map(len, taken))
        if held < size and at < len(paragraphs):
            continue
        if held >= SMALLEST:
            breaks, lines = wrap([paragraph for paragraph in taken if paragraph], int(rng.integers(*WIDTHS)))
            yield [found for found in breaks if joints.clear_joint(*found[:2]) is None], lines
        taken, size = [], np.exp(rng.uniform(*np.log(SIZES)))


def wrap(paragraphs: Sequence[str], width: int) -> Document:
    """(before, after, whether a space was there) for each break, and all lines of `width` characters.

    Latin words are not cut; anything else is, wherever the line ends.
    """
    breaks, lines = [], []
    for paragraph in paragraphs:
        of_paragraph, spaced, rest = [], [], paragraph
        while len(rest) > width:
            end = width
            cut = LATIN_START.match(rest[end:]) and LATIN_END.search(rest[:end])
            if cut and cut.start():
                end = cut.start()
            of_paragraph.append(rest[:end].strip())
            spaced.append(rest[end - 1] == " " or rest[end] == " ")
            rest = rest[end:].lstrip()
        of_paragraph.append(rest.strip())
        breaks += [(*pair, gap) for pair, gap in zip(pairwise(of_paragraph), spaced, strict=True)]
        lines += of_paragraph
    return breaks, lines


def see(breaks: Sequence[tuple[str, str, bool]], lines: Sequence[str]) -> Examples:
    """The breaks as the network sees them."""
    windows = joints.encode_breaks([(before, after) for before, after, _ in breaks])
    return Examples(windows, joints.count_contexts(windows, lines), np.array([gap for *_, gap in breaks]))


def fit(examples: Examples) -> dict[str, NDArray]:
    """The weights learnt from `examples`, fp16, under the names of `joints.Network`'s fields."""
    import torch

    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    often = np.bincount(examples.windows[::STEP_OF_SYLLABLE_COUNT].ravel(), minlength=SYLLABLES)[:SYLLABLES]
    syllables = np.sort(np.argsort(-often, kind="stable")[:KNOWN]).astype(np.uint16)
    rows = torch.from_numpy(joints.row_of_code(syllables))
    unknown = torch.arange(len(rows) - SYLLABLES + KNOWN + FINALS)
    unknown[:KNOWN] = torch.from_numpy(KNOWN + syllables.astype(np.int64) % FINALS)
    characters = torch.nn.Embedding(len(unknown), DIMENSIONS)
    torch.nn.init.normal_(characters.weight, std=0.2)
    hidden = torch.nn.Linear(2 * SEEN * DIMENSIONS + 2 * len(CONTEXTS), HIDDEN)
    out = torch.nn.Linear(HIDDEN, 1)
    parameters = [*characters.parameters(), *hidden.parameters(), *out.parameters()]
    seen = rows[
        torch.from_numpy(examples.windows[:, joints.REACH - SEEN : joints.REACH + SEEN].astype(np.int64))
    ]
    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0)
    steps = EPOCHS * len(seen) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=steps, pct_start=0.05
    )
    order = np.random.default_rng(SEED).permutation(len(seen))
    for step in range(steps):
        at = order[np.arange(step * BATCH, (step + 1) * BATCH) % len(order)]
        known = seen[at]
        known = torch.where(torch.rand(known.shape) < DROP, unknown[known], known)
        inputs = [characters(known).flatten(1), torch.from_numpy(joints.evidence(examples.counts[at]))]
        log_odds = out(torch.relu(hidden(torch.cat(inputs, dim=1))))[:, 0]
        truth = torch.from_numpy(examples.spaced[at].astype(np.float32))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(log_odds, truth)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    arrays = {
        "characters": characters.weight,
        "hidden": hidden.weight.T,
        "hidden_bias": hidden.bias,
        "out": out.weight[0],
        "out_bias": out.bias,
    }
    halves = {name: np.ascontiguousarray(a.detach().numpy().astype(np.float16)) for name, a in arrays.items()}
    return halves | {"syllables": syllables}


def _gather(parts: Iterator[Examples]) -> Examples:
    windows, counts, spaced = [], [], []
    for part in parts:
        windows.append(part.windows.astype(np.uint16))
        counts.append(np.minimum(part.counts, np.iinfo(np.uint16).max).astype(np.uint16))
        spaced.append(part.spaced)
    return Examples(np.concatenate(windows), np.concatenate(counts), np.concatenate(spaced))


def evaluate(shared: Path) -> Iterator[str]:
    """Lines of a table: how many breaks are decided right, for what, with how much of Kiwi."""
    yield "set\tKiwi below\tbreaks\tright\tHangul\tright\tasked\tµs a break"
    for name, found in measured(shared).items():
        for unsure in UNSURE_TRIED:
            joints.kiwi_spaces.cache_clear()
            start, answers = time.process_time(), []
            for breaks, lines in found:
                answers += joints.decide([(before, after) for before, after, _ in breaks], lines, unsure)
            seconds = time.process_time() - start
            all_breaks = [each for breaks, _ in found for each in breaks]
            right = np.array([answer == each[2] for answer, each in zip(answers, all_breaks, strict=True)])
            hangul = np.array([bool(HANGUL_SIDES.fullmatch(a[-1] + b[0])) for a, b, _ in all_breaks])
            asked = joints.kiwi_spaces.cache_info().misses / len(right)
            yield (
                f"{name}\t{unsure}\t{len(right)}\t{right.mean():.4f}\t{hangul.sum()}\t{right[hangul].mean():.4f}"
                f"\t{asked:.3f}\t{seconds / len(right) * 1e6:.0f}"
            )


def measured(shared: Path) -> dict[str, list[Document]]:
    """Documents with known breaks: wrapped texts by set and width, and PDFs aligned with their text."""
    sources = {name: read_sources(shared, name) for name in ("korquad1", "welfare")}
    sources["statutes"] = read_held_out(shared / "data/text/statutes.jsonl.gz")
    wrapped = {
        f"{name} {width}": [wrap(paragraphs, width) for paragraphs in texts.values()]
        for name, texts in sources.items()
        for width in TEST_WIDTHS
    }
    everything = [paragraph for texts in sources["statutes"].values() for paragraph in texts]
    sources["statutes"] = {
        str(path.relative_to(shared)): everything
        for path in sorted((shared / "data/pdf/statutes").glob("*.pdf"))
    }
    return wrapped | {
        f"{name} PDF": [align(shared / pdf, paragraphs) for pdf, paragraphs in texts.items()]
        for name, texts in sources.items()
    }


def read_sources(shared: Path, name: str) -> dict[str, list[str]]:
    """Paragraphs by the PDF that they were typeset into."""
    texts: dict[str, list[str]] = {}
    with (shared / "data/qa" / name / "corpus.jsonl").open(encoding="utf-8") as entries:
        for entry in map(json.loads, entries):
            paragraphs = map(_clean, entry["text"].split("\n"))
            texts.setdefault(entry["pdf"], []).extend(filter(None, paragraphs))
    return texts


def read_held_out(statutes: Path) -> dict[str, list[str]]:
    """Paragraphs of the laws that are not trained on, by their id."""
    with gzip.open(statutes, "rt", encoding="utf-8") as entries:
        laws = (parse_law(entry["id"], entry["text"]) for entry in map(json.loads, entries))
        return {law.id: [line for line in law.text.split("\n") if line] for law in laws if is_held_out(law)}


def align(pdf: Path, paragraphs: Sequence[str]) -> Document:
    """The breaks of `pdf` that stand in `paragraphs`, always in the same way, and its lines."""
    text = "\n".join(paragraphs)
    gaps = [match[0] for match in re.finditer(r"(?<=\S)\s*(?=\S)", text)]
    letters = "".join(text.split())
    with pypdfium2.PdfDocument(pdf) as document:
        raw = "\n".join(page.get_textpage().get_text_range() for page in document)
    lines = [line for line in map(_clean, raw.splitlines()) if line]
    breaks = []
    for before, after in pairwise(lines):
        end, start = before.replace(" ", "")[-ALIGNED:], after.replace(" ", "")[:ALIGNED]
        found = {gaps[match.start() + len(end) - 1] for match in re.finditer(re.escape(end + start), letters)}
        if len(found) == 1 and (gap := found.pop()) in ("", " "):
            breaks.append((before, after, gap == " "))
    return breaks, lines


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--statutes", type=Path, help="JSON lines, may be gzipped; train on them")
    parser.add_argument("--out", type=Path, default=joints.WEIGHTS, help="the file of weights")
    parser.add_argument("--evaluate", type=Path, metavar="SHARED", help="measure on the shared data")
    arguments = parser.parse_args()
    if not (arguments.statutes or arguments.evaluate):
        parser.error("name --statutes, --evaluate or both")
    return arguments


if __name__ == "__main__":
    main()
