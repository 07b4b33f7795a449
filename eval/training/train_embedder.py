"""Korean statutes → the package's own embedder, `indexes/models/embedded`; questions → its measured quality.

A text's vector is the mean of its tokens' vectors (a StaticEmbedding of sentence-transformers), so
the whole model is a tokenizer and one table. The table is learnt from pairs that statutes hold by
themselves, every other pair of a batch serving as a wrong answer:

    an article's title, mostly after its law's name  →  a stretch of the article
    some words of a sentence                         →  a stretch of its article
    a defined term                                   →  its definition

Most get an asking phrase behind them. A part of the titles and sentences has words of the law swapped
for everyday ones (퇴직금 → 그만둘 때 받는 돈, everyday_words.tsv), which statutes themselves never say.

    python eval/training/train_embedder.py --statutes statutes.jsonl.gz --out indexes/models/embedded
    python eval/training/train_embedder.py --out indexes/models/embedded --evaluate QA_DIR

The same input gives the same files with the versions of torch and tokenizers that README.md in the
folder names. That file is written by hand.
"""

import argparse
import json
import os
import random
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __package__ in (None, ""):  # run as a script: the repository's root is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from eval.training.statutes import Article, Law, read_laws

SEED = 0
VOCABULARY = 16_000
DIMENSIONS = 384
STEPS = 500
BATCH = 1_024
LEARNING_RATE = 0.005
WARM_UP_STEPS = 50
SCALE = 12.0  # of the cosines in the loss
UNKNOWN = "[UNK]"
# Runs of one script; what is between them (spaces, punctuation) has no token.
WORDS = r"\p{Hangul}+|\p{Han}+|\p{Latin}+|\p{N}+|\p{L}+"
MAX_PIECE_CHARACTERS = 8
# More than the characters of the alphabet given to the trainer: 2,350 syllables, 26 letters, 10 digits.
ADDED_CHARACTERS_MOST = 2_400
PHRASE_WORD_REPEATS = 300
PASSAGE_TOKENS = 300
ANCHOR_TOKENS = 24
SENTENCE_DROP = 0.3
ASKED = 0.6  # of the anchors get a phrase of ASKINGS
SHARES = {  # of the kinds of pairs in a batch
    "named title": 0.35,
    "title": 0.15,
    "sentence": 0.25,
    "term": 0.08,
    "everyday title": 0.08,
    "everyday sentence": 0.08,
    "everyday word": 0.01,
}
EVERYDAY_WORDS = Path(__file__).with_name("everyday_words.tsv")
SWAPPED = 0.8  # of the words that have an everyday one
WEIGHTS = (0.2, 0.4, 0.7, 1.0)

# What questions add to their subject: statutes ask nothing, so the table must learn elsewhere that
# these words say little.
ASKINGS = (
    "은 무엇인가요?",
    "란 무엇인가?",
    "이란?",
    "에 대해 알려주세요.",
    "에 대하여 설명해 주세요.",
    "은 어떻게 되나요?",
    "은 어떻게 하나요?",
    "은 어떤 것이 있나요?",
    "은 누구인가?",
    "은 누가 하나요?",
    "은 언제인가?",
    "은 언제까지인가요?",
    "은 어디인가?",
    "은 어디에서 하나요?",
    "을 알고 싶습니다.",
    "이 궁금합니다.",
    "의 내용은?",
    "의 기준이 궁금해요.",
    "의 이유는?",
    "은 왜 그런가요?",
    "은 어떻게 신청하나요?",
    "을 받을 수 있나요?",
    "을 하려면 무엇이 필요한가요?",
    "에 해당하는 것은?",
    "을 무엇이라고 하는가?",
    "은 몇 명인가?",
    "은 얼마인가요?",
    "은 얼마나 되나요?",
    "방법을 설명해 주세요.",
    "어떤 도움을 받을 수 있을까요?",
    "무엇을 해야 하나요?",
    "중 가장 중요한 것은?",
)

_SENTENCE_END = re.compile(r"\n|(?<=다\.) ")
_DEFINITION = re.compile(r'["“]([^"”\n]{2,30})["”](?:이?란|이라 함은|라 함은) ([^\n]{15,400})')

Ids = NDArray[np.int64]


def main() -> None:
    arguments = _parse_arguments()
    if arguments.statutes:
        laws = list(read_laws(arguments.statutes))
        tokenizer = train_tokenizer(laws)
        save(arguments.out, tokenizer, train_table(laws, tokenizer))
    if arguments.evaluate:
        for line in evaluate(arguments.out, arguments.evaluate):
            print(line)


def train_tokenizer(laws: Sequence[Law]):
    """A unigram model over NFKC lower case; a word counts once for each law that holds it.

    Counting every occurrence spends entries on the formulas of long laws. The 2,350 syllables of
    KS X 1001 are all in it, whether or not a law uses them.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread: fewer ways for sums to vary
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), "removed", invert=True)

    def words(text: str) -> list[str]:
        normalised = tokenizer.normalizer.normalize_str(text)
        return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normalised)]

    counts: Counter[str] = Counter()
    for law in laws:
        counts.update(set(words(law.text)))
    for phrase in chain(ASKINGS, *read_everyday_words().values()):
        counts.update({word: PHRASE_WORD_REPEATS for word in set(words(phrase))})
    trainer = trainers.UnigramTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[UNKNOWN],
        unk_token=UNKNOWN,
        initial_alphabet=[*_ks_x_1001_syllables(), *"abcdefghijklmnopqrstuvwxyz0123456789"],
        max_piece_length=MAX_PIECE_CHARACTERS,
        show_progress=False,
    )
    repeated = (" ".join([word] * count) for word, count in sorted(counts.items()))
    tokenizer.train_from_iterator(repeated, trainer)
    return settle(tokenizer)


def settle(tokenizer):
    """`tokenizer` with scores and ids that do not vary by run.

    The trainer (tokenizers 0.23.3) walks hash maps: sums differ in their last digits, and syllables
    that it had to add get scores 0.0001 apart in an order of chance. Those all get the lowest score.
    """
    from tokenizers import Tokenizer

    state = json.loads(tokenizer.to_str())
    pieces = [(piece, score) for piece, score in state["model"]["vocab"] if piece != UNKNOWN]
    lowest = min(score for _, score in pieces)
    added_most = lowest + 0.0001 * ADDED_CHARACTERS_MOST
    settled = [
        (piece, round(lowest if len(piece) == 1 and score < added_most else score, 6))
        for piece, score in pieces
    ]
    settled.sort(key=lambda entry: (-entry[1], entry[0]))
    state["model"]["vocab"] = [(UNKNOWN, 0.0), *settled]
    state["model"]["unk_id"] = 0
    return Tokenizer.from_str(json.dumps(state, ensure_ascii=False))


@dataclass(frozen=True, slots=True)
class Rows:
    """The token ids of many texts, end to end."""

    ids: Ids
    starts: Ids

    def __len__(self) -> int:
        return len(self.starts) - 1

    def row(self, index: int) -> Ids:
        return self.ids[self.starts[index] : self.starts[index + 1]]


@dataclass(frozen=True, slots=True)
class Pairs:
    """Anchors of one kind; `answers` has for each the row of `passages` that belongs to it."""

    anchors: Rows
    passages: Rows
    answers: Ids


def gather_pairs(laws: Sequence[Law], tokenizer) -> dict[str, Pairs]:
    """The pairs of every kind of SHARES; deleted and untitled articles are left out."""
    rng = random.Random(SEED)
    everyday = read_everyday_words()
    kept = [(law, article) for law in laws for article in law.articles if _is_useful(article)]
    named = [f"{law.name} {article.title}" for law, article in kept]
    titles = [article.title for _, article in kept]
    sentences = [
        (sentence, index)
        for index, (_, article) in enumerate(kept)
        for sentence in _SENTENCE_END.split(article.text)
        if 20 <= len(sentence) <= 400
    ]
    bodies = _encode(tokenizer, [article.text for _, article in kept])

    def to_bodies(texts: Sequence[tuple[str, int]]) -> Pairs:
        anchors = _encode(tokenizer, [text for text, _ in texts])
        return Pairs(anchors, bodies, np.array([index for _, index in texts]))

    def to_texts(texts: Sequence[tuple[str, str]]) -> Pairs:
        anchors, passages = (_encode(tokenizer, side) for side in zip(*texts, strict=True))
        return Pairs(anchors, passages, np.arange(len(texts)))

    def swapped(texts: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
        pairs = ((swap_words(text, everyday, rng), text, index) for text, index in texts)
        return [(new, index) for new, old, index in pairs if new != old]

    return {
        "named title": to_bodies([(text, index) for index, text in enumerate(named)]),
        "title": to_bodies([(text, index) for index, text in enumerate(titles)]),
        "sentence": to_bodies(sentences),
        "term": to_texts([found for _, article in kept for found in _DEFINITION.findall(article.text)]),
        "everyday title": to_bodies(swapped((text, i) for i, text in enumerate(named))),
        "everyday sentence": to_bodies(swapped(sentences)),
        "everyday word": to_texts([(lay, word) for word, lays in everyday.items() for lay in lays]),
    }


def read_everyday_words() -> dict[str, list[str]]:
    """A law's word → what people say instead. Lines of EVERYDAY_WORDS: the word, a tab, "a | b | c"."""
    lines = EVERYDAY_WORDS.read_text("utf-8").splitlines()
    entries = (line.split("\t") for line in lines if not line.startswith("#"))
    return {word: lays.split(" | ") for word, lays in entries}


def swap_words(text: str, everyday: dict[str, list[str]], rng: random.Random) -> str:
    """`text` with most words that begin with a key of `everyday` replaced by an everyday one; the longest key wins."""

    def swap(found: re.Match[str]) -> str:
        return rng.choice(everyday[found[0]]) if rng.random() < SWAPPED else found[0]

    return _any_of(tuple(everyday)).sub(swap, text)


@lru_cache(maxsize=1)
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile("(?<![가-힣])(?:" + "|".join(map(re.escape, longest_first)) + ")")


def train_table(laws: Sequence[Law], tokenizer) -> NDArray[np.float32]:
    """(VOCABULARY, DIMENSIONS): the tokens' vectors after STEPS batches of pairs."""
    import torch
    from torch.nn.functional import cross_entropy

    torch.set_num_threads(1)  # the sums, and so the bytes, do not depend on the machine's cores
    kinds = gather_pairs(laws, tokenizer)
    askings = _encode(tokenizer, ASKINGS)
    rng = np.random.default_rng(SEED)
    table = torch.nn.Parameter(torch.from_numpy(initial_table(kinds["title"].passages, rng)))
    optimiser = torch.optim.Adam([table], lr=LEARNING_RATE)
    right = torch.arange(BATCH)
    for step in range(STEPS):
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * min((step + 1) / WARM_UP_STEPS, 1 - step / STEPS)
        pairs = draw_pairs(kinds, askings, rng)
        anchors, passages = (_unit_means(table, side) for side in zip(*pairs, strict=True))
        cosines = SCALE * anchors @ passages.T
        loss = (cross_entropy(cosines, right) + cross_entropy(cosines.T, right)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    return table.detach().numpy()


def initial_table(bodies: Rows, rng: np.random.Generator) -> NDArray[np.float32]:
    """Random directions, as long as the token is rare: at first, shared rare words make texts alike.

    Tokens that statutes never use stay as they are here.
    """
    counts = np.zeros(VOCABULARY)
    for index in range(len(bodies)):
        counts[np.unique(bodies.row(index))] += 1
    rarity = np.log((len(bodies) + 1) / (counts + 1))
    directions = rng.standard_normal((VOCABULARY, DIMENSIONS)) / DIMENSIONS**0.5
    return (directions * (rarity / rarity.mean())[:, None]).astype(np.float32)


def draw_pairs(kinds: dict[str, Pairs], askings: Rows, rng: np.random.Generator) -> list[tuple[Ids, Ids]]:
    """BATCH pairs (anchor, passage) of the kinds in their SHARES."""
    names = rng.choice(list(SHARES), p=list(SHARES.values()), size=BATCH)
    return [_draw_pair(kinds[name], SENTENCE_DROP * (name == "sentence"), askings, rng) for name in names]


def _draw_pair(pairs: Pairs, drop: float, askings: Rows, rng: np.random.Generator) -> tuple[Ids, Ids]:
    index = int(rng.integers(len(pairs.anchors)))
    anchor = _stretch(pairs.anchors.row(index), ANCHOR_TOKENS, rng)
    some = anchor[rng.random(len(anchor)) >= drop]
    anchor = some if len(some) else anchor
    if rng.random() < ASKED:
        anchor = np.concatenate([anchor, askings.row(int(rng.integers(len(askings))))])
    return anchor, _stretch(pairs.passages.row(pairs.answers[index]), PASSAGE_TOKENS, rng)


def _stretch(ids: Ids, most: int, rng: np.random.Generator) -> Ids:
    """`ids`; of more than `most`, a random run of a third of `most` to `most` of them."""
    if len(ids) <= most:
        return ids
    length = int(rng.integers(most // 3, most + 1))
    start = int(rng.integers(len(ids) - length + 1))
    return ids[start : start + length]


def _unit_means(table, rows: Sequence[Ids]):
    """(len(rows), DIMENSIONS) as a tensor: what StaticEmbedding and Normalize give."""
    import torch
    from torch.nn.functional import embedding_bag, normalize

    starts = np.cumsum([0, *(len(row) for row in rows[:-1])])
    ids = torch.from_numpy(np.concatenate(rows))
    return normalize(embedding_bag(ids, table, torch.from_numpy(starts), mode="mean"), dim=1)


def save(folder: Path, tokenizer, table: NDArray[np.float32]) -> None:
    """Write the folder as sentence-transformers (6.2 and later) reads it: bytes, and a factor for each row."""
    from safetensors.numpy import save as to_bytes

    factors = np.maximum(np.abs(table).max(axis=1), 1e-9) / 127
    codes = np.round(table / factors[:, None]).astype(np.int8)

    static = folder / "0_StaticEmbedding"
    (folder / "1_Normalize").mkdir(parents=True, exist_ok=True)
    static.mkdir(exist_ok=True)
    tokenizer.save(str(static / "tokenizer.json"), pretty=False)
    (static / "model.safetensors").write_bytes(to_bytes({"embeddings": codes, "weights": factors}))
    modules = "sentence_transformers.sentence_transformer.modules"
    _write_json(
        folder / "modules.json",
        [
            {"idx": 0, "name": "0", "path": static.name, "type": f"{modules}.StaticEmbedding"},
            {"idx": 1, "name": "1", "path": "1_Normalize", "type": f"{modules}.Normalize"},
        ],
    )
    _write_json(folder / "1_Normalize" / "config.json", {})
    _write_json(
        folder / "config_sentence_transformers.json",
        {
            "model_type": "SentenceTransformer",
            "prompts": {"query": "", "document": ""},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    )


def evaluate(folder: Path, questions: Path) -> Iterator[str]:
    """Lines of nDCG@10: BM25, cosine, and BM25 / (its best) + weight × cosine for WEIGHTS.

    `questions` holds splits.json and, for each of two sets, corpus.jsonl and qa.jsonl. The model's
    settings were chosen on the train halves; the test halves are what counts.
    """
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    splits = json.loads((questions / "splits.json").read_text("utf-8"))
    yield "set\tquestions\tBM25\tcosine\t" + "\t".join(f"+ {weight}" for weight in WEIGHTS)
    for name, split in (
        ("korquad1", "korquad1_train_titles"),
        ("welfare", "welfare_train_ids"),
        ("korquad1", "korquad1_test_titles"),
        ("welfare", "welfare_test_ids"),
    ):
        corpus = _read_lines(questions / name / "corpus.jsonl")
        rows = {entry["id"]: row for row, entry in enumerate(corpus)}
        half = set(splits[split])
        asked = [
            entry
            for entry in _read_lines(questions / name / "qa.jsonl")
            if all(_half_key(name, found["id"]) in half for found in entry["relevant"])
        ]
        relevant = [[rows[found["id"]] for found in entry["relevant"]] for entry in asked]
        queries, texts = [entry["question"] for entry in asked], [entry["text"] for entry in corpus]
        lexical = bm25_scores(queries, texts)
        lexical /= np.maximum(lexical.max(axis=1, keepdims=True), 1e-9)
        cosines = np.maximum(model.encode_query(queries) @ model.encode_document(texts).T, 0)
        scores = [lexical, cosines, *(lexical + weight * cosines for weight in WEIGHTS)]
        numbers = "\t".join(f"{mean_ndcg(score, relevant):.3f}" for score in scores)
        yield f"{split}\t{len(asked)}\t{numbers}"


def bm25_scores(
    queries: Sequence[str], texts: Sequence[str], k1: float = 1.2, b: float = 0.75
) -> NDArray[np.float32]:
    """(Q, N): BM25 over the bigrams of Hangul words and other words whole."""
    from scipy.sparse import csr_matrix

    vocabulary: dict[str, int] = {}
    for text in texts:
        for term in _terms(text):
            vocabulary.setdefault(term, len(vocabulary))

    def count(many: Sequence[str]) -> csr_matrix:
        rows = [[vocabulary[t] for t in _terms(text) if t in vocabulary] for text in many]
        starts = np.cumsum([0, *map(len, rows)])
        columns = np.fromiter(chain.from_iterable(rows), np.int64, starts[-1])
        shape = (len(many), len(vocabulary))
        matrix = csr_matrix((np.ones(len(columns)), columns, starts), shape=shape)
        matrix.sum_duplicates()
        return matrix

    weights = count(texts)
    holders = np.bincount(weights.indices, minlength=len(vocabulary))
    rarity = np.log(1 + (len(texts) - holders + 0.5) / (holders + 0.5))
    lengths = np.asarray(weights.sum(axis=1)).ravel()
    damping = np.repeat(k1 * (1 - b + b * lengths / lengths.mean()), np.diff(weights.indptr))
    weights.data *= (k1 + 1) / (weights.data + damping) * rarity[weights.indices]
    return (count(queries) @ weights.T).toarray().astype(np.float32)


def mean_ndcg(scores: NDArray[np.float32], relevant: Sequence[Sequence[int]], k: int = 10) -> float:
    """Mean nDCG@k of the rows of `scores` (Q, N); ties go to the lower column."""
    total = 0.0
    for row, wanted in zip(scores, relevant, strict=True):
        ranks = [int((row > row[i]).sum() + (row[:i] == row[i]).sum()) for i in wanted]
        best = sum(1 / np.log2(rank + 2) for rank in range(min(k, len(wanted))))
        total += sum(1 / np.log2(rank + 2) for rank in ranks if rank < k) / best
    return total / len(relevant)


def _terms(text: str) -> Iterator[str]:
    for word in re.findall(r"[가-힣]+|[^\W가-힣]+", unicodedata.normalize("NFKC", text).lower()):
        if len(word) > 1 and "가" <= word[0] <= "힣":
            yield from (word[i : i + 2] for i in range(len(word) - 1))
        else:
            yield word


def _half_key(name: str, passage_id: str) -> str:
    """What splits.json lists: an article's title of korquad1 ("체스_규칙#3"), an id of welfare."""
    return passage_id.rpartition("#")[0] if name == "korquad1" else passage_id


def _is_useful(article: Article) -> bool:
    return bool(article.title) and len(article.text) >= 40 and not article.text.startswith("삭제")


def _encode(tokenizer, texts: Sequence[str]) -> Rows:
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    starts = np.cumsum([0, *(len(encoding) for encoding in encodings)])
    ids = chain.from_iterable(encoding.ids for encoding in encodings)
    return Rows(np.fromiter(ids, np.int64, starts[-1]), starts)


def _ks_x_1001_syllables() -> list[str]:
    return [bytes((high, low)).decode("euc_kr") for high in range(0xB0, 0xC9) for low in range(0xA1, 0xFF)]


def _read_lines(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--statutes", type=Path, help="JSON lines, may be gzipped; train on them")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder")
    parser.add_argument("--evaluate", type=Path, metavar="QA_DIR", help="measure the folder")
    arguments = parser.parse_args()
    if not (arguments.statutes or arguments.evaluate):
        parser.error("name --statutes, --evaluate or both")
    return arguments


if __name__ == "__main__":
    main()
