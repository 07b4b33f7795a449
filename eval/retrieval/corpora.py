"""Other people's formats → RetrievalSet: KorQuAD's JSON, BEIR's folders, AutoRAG's tables.

Every entry of their corpora becomes a small text file, which the product ingests as it would a
user's; gold is the entry. Entries with the same title and text are one document: a search cannot
tell them apart.
"""

import ast
import csv
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from eval.dataset import Evidence, Question, read_rows
from eval.retrieval.sets import Corpus, RetrievalSet, Stretch
from ingest.errors import MissingDependency

# In bytes a name may have 255; a Hangul syllable takes three.
LONGEST_TITLE = 60
UNFIT = re.compile(r"[/\\\x00-\x1f]+|^\.+")


class Entry(NamedTuple):
    """A document of a corpus."""

    id: str
    title: str
    text: str


class Asked(NamedTuple):
    """A question, and what each entry is worth to it."""

    id: str
    text: str
    gains: Mapping[str, int]
    answers: tuple[str, ...] = ()


class BadDataSet(ValueError):
    """A file is not what its format says; the message names it."""


def read_korquad(path: Path, folder: Path) -> RetrievalSet:
    """A file of KorQuAD or SQuAD: questions for the paragraph. Unanswerable ones are left out."""
    entries, asked = [], []
    for article in json.loads(path.read_text("utf-8"))["data"]:
        title = article.get("title", "")
        for number, paragraph in enumerate(article["paragraphs"]):
            entry = Entry(f"{title}#{number}", title, paragraph["context"])
            entries.append(entry)
            asked += [
                Asked(qa["id"], qa["question"], {entry.id: 1}, tuple(a["text"] for a in qa["answers"]))
                for qa in paragraph["qas"]
                if qa["answers"]
            ]
    return _plain_set(f"korquad-{path.stem}", entries, asked, folder)


def read_beir(source: Path, folder: Path) -> RetrievalSet:
    """A folder with corpus.jsonl, queries.jsonl and qrels/test.tsv (or else dev.tsv, train.tsv)."""
    entries = [
        Entry(row["_id"], row.get("title", ""), row["text"]) for row in read_rows(source / "corpus.jsonl")
    ]
    gains: dict[str, dict[str, int]] = defaultdict(dict)
    for row in _tsv(_first(source / "qrels", ("test.tsv", "dev.tsv", "train.tsv"))):
        if (gain := int(row["score"])) > 0:
            gains[row["query-id"]][row["corpus-id"]] = gain
    queries = read_rows(source / "queries.jsonl")
    asked = [Asked(row["_id"], row["text"], gains[row["_id"]]) for row in queries if row["_id"] in gains]
    return _plain_set(f"beir-{source.resolve().name}", entries, asked, folder)


def read_autorag(source: Path, folder: Path) -> RetrievalSet:
    """A folder with qa.parquet and corpus.parquet, or the same as .csv.

    `retrieval_gt` names alternatives in its inner lists; all that it names counts as gold.
    """
    rows = _table(_first(source, ("corpus.parquet", "corpus.csv")))
    entries = [Entry(row["doc_id"], "", row["contents"]) for row in rows]
    asked = [
        Asked(
            row["qid"],
            row["query"],
            dict.fromkeys(_flat(row["retrieval_gt"]), 1),
            tuple(_flat(row.get("generation_gt") or [])),
        )
        for row in _table(_first(source, ("qa.parquet", "qa.csv")))
    ]
    return _plain_set(f"autorag-{source.resolve().name}", entries, asked, folder)


READERS: dict[str, Callable[[Path, Path], RetrievalSet]] = {
    "korquad": read_korquad,
    "beir": read_beir,
    "autorag": read_autorag,
}


def _plain_set(name: str, entries: Iterable[Entry], asked: Iterable[Asked], folder: Path) -> RetrievalSet:
    """The set, its entries written as files into a folder of its name in `folder`."""
    documents = folder / name
    stretches, same = write_documents(entries, documents)
    questions = [
        Question(one.id, one.text, one.answers, tuple(_evidence(one.gains, same)))
        for one in asked
        if one.gains
    ]
    if not questions:
        raise BadDataSet(f"{name}: no question has a gold document")
    return RetrievalSet(name, Corpus(name, (documents,)), "document", tuple(questions), tuple(stretches))


def write_documents(entries: Iterable[Entry], folder: Path) -> tuple[list[Stretch], dict[str, str]]:
    """A file for each different entry, named by its title; and the id that stands for each id.

    What was in `folder` is gone.
    """
    shutil.rmtree(folder, ignore_errors=True)
    first: dict[tuple[str, str], str] = {}
    stretches, same = [], {}
    for number, entry in enumerate(entries):
        same[entry.id] = first.setdefault((entry.title, entry.text), entry.id)
        if same[entry.id] == entry.id:
            # A folder each: titles repeat, and a number in the name would be searched as a word.
            path = (
                folder
                / f"{number:07d}"
                / f"{UNFIT.sub(' ', entry.title)[:LONGEST_TITLE].strip() or '문서'}.txt"
            )
            path.parent.mkdir(parents=True)
            path.write_text(entry.text, "utf-8")
            stretches.append(Stretch(entry.id, path, ""))
    return stretches, same


def _evidence(gains: Mapping[str, int], same: Mapping[str, str]) -> Iterator[Evidence]:
    worth: dict[str, int] = {}
    for name, gain in gains.items():
        name = same.get(name, name)  # one that the corpus lacks stays gold: it cannot be found
        worth[name] = max(gain, worth.get(name, 0))
    return (Evidence(name, 1, 1, name, gain) for name, gain in worth.items())


def _first(folder: Path, names: Sequence[str]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise BadDataSet(f"{folder} has none of {', '.join(names)}")


def _tsv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def _table(path: Path) -> list[dict[str, Any]]:
    if path.suffix == ".csv":
        csv.field_size_limit(1 << 30)  # a document is one field
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    try:
        from pyarrow import parquet
    except ImportError as exc:
        raise MissingDependency(library="pyarrow", extra="dev") from exc
    return parquet.read_table(path).to_pylist()


def _flat(value: Any) -> list[str]:
    """The strings in lists of lists, of lists, in one string, or in how a CSV writes lists."""
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return [value]
        try:
            value = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError) as exc:
            raise BadDataSet(f"not a list: {value[:80]}") from exc
        if isinstance(value, str):
            return [value]
    return [text for part in value for text in ([part] if isinstance(part, str) else _flat(part))]
