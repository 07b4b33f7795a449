"""`python -m eval retrieval|packing|compare|followups|real|samples|ingestion|chunk-sizes|summaries`: measure, write JSON."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from eval import summaries
from eval.dataset import SAMPLES, load_questions, sample
from eval.metrics import MEASURES
from eval.reading import ingestion
from eval.report import machine, read_json, save, save_run, table, write
from eval.retrieval import ablations, chunk_sizes, followups, packing
from eval.retrieval import runs as retrieval
from eval.retrieval.corpora import READERS, BadDataSet
from eval.retrieval.html import html_report
from eval.retrieval.runner import run_ingest, run_questions
from eval.retrieval.sets import GROUPS, REAL_FOLDERS, SETS, set_names, thinned
from eval.speed.scale import sentences
from indexes.disk.schema import DATABASE
from indexes.models.embedder import EMBEDDED
from indexes.types import MODES
from rag import Pipeline, load_config
from rag.prompting.tokens import ModelTokenizer

INGEST_COLUMNS = ("files", "documents", "pages", "chunks", "seconds", "pages_per_second", "failures")
QUESTION_COLUMNS = (
    "questions",
    "page_hit@1",
    "page_hit@5",
    "page_ndcg@10",
    "answers_citing_gold_page",
    "quotes_contain_answer",
    "wrongly_abstained",
    "rightly_abstained",
    "search_ms",
    "ask_ms",
)
BREAK_COLUMNS = (
    "breaks",
    "accuracy",
    "words_right",
    "in_word",
    "in_word_right",
    "between_words_right",
    "false_paragraph_ends",
    "paragraph_ends",
    "paragraph_ends_kept",
    "lost",
    "not_in_source",
    "always_space",
    "never_space",
    "kiwi_alone",
)
CHUNK_COLUMNS = (
    "files",
    "chunks",
    "inside_word",
    "at_sentence_or_item",
    "at_marked_end",
    "at_sentence",
    "tokens_mean",
    "tokens_median",
    "tokens_max",
    "under_40_tokens",
    "with_context",
    "kinds",
    "not_tiling",
)
PLACE_COLUMNS = (
    "rows",
    "page_right",
    "named",
    "heading_found",
    "in_context",
    "entry_seen",
    "marked_as_contents",
    "both",
)
SIZE_COLUMNS = ("chunks", "questions", "page_hit@1", "page_hit@5", "page_ndcg@10", "search_ms")
RETRIEVAL_COLUMNS = (
    "unit",
    "questions",
    *MEASURES,
    "interval of ndcg@10",
    "base's ndcg@10",
    "ms_per_question",
)
FOLLOWUP_COLUMNS = (
    "questions",
    "unchanged",
    "with gold pages",
    *(f"{query} @{k}" for query in ("typed", "joined", "understood", "searched", "labelled") for k in (1, 5)),
)
COMPARISON_COLUMNS = ("questions", "before", "after", "difference", "interval", "verdict")
SUMMARY_COLUMNS = ("facts", "characters", "tenths of the document")
LEFT_OUT_COLUMNS = ("facts", "brings")
SEED = 20261123

ABLATED = ("korquad1", "welfare", "welfare-lowoverlap", "articles", "ref-articles", "ref-paragraphs")
ABLATION_COLUMNS = ("ndcg@10", "brings", "from", "to", "ms")

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
ConfigOption = Annotated[Path | None, typer.Option(help="a rag.toml; default: the embedded profile")]
SetOption = Annotated[list[str], typer.Option("--set", help="SECTION.KEY=VALUE")]


@app.command()
def real(
    shared: Annotated[Path, typer.Option(help="the folder that holds data/pdf and data/qa")],
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-real.json"),
    index: Annotated[Path, typer.Option(help="index folder, made anew")] = Path("build/bench-real-index"),
    count: Annotated[int, typer.Option(help="questions per set")] = 100,
    config: ConfigOption = None,
    overrides: SetOption = [],
) -> None:
    """Ingest every real PDF of the shared folder, then ask 100 questions of welfare and of korquad1."""
    require_shared(shared)
    clear(index)
    with Pipeline.open(index, load_config(config, overrides)) as pipeline:
        ingested = run_ingest(pipeline, [shared / "data" / "pdf" / name for name in REAL_FOLDERS])
        answered = {
            name: run_questions(
                pipeline,
                sample(load_questions(shared / "data" / "qa" / name / "qa.jsonl"), count, SEED),
            )
            for name in ("welfare", "korquad1")
        }
    finish(out, {"ingest": ingested, "questions": answered, "machine": machine()})


@app.command()
def samples(
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-samples.json"),
    index: Annotated[Path, typer.Option(help="index folder, made anew")] = Path("build/bench-samples-index"),
    config: ConfigOption = None,
    overrides: SetOption = [],
) -> None:
    """The same on the sample documents and their questions, the unanswerable among them."""
    clear(index)
    with Pipeline.open(index, load_config(config, overrides)) as pipeline:
        ingested = run_ingest(pipeline, [SAMPLES])
        answered = {"samples": run_questions(pipeline, load_questions(SAMPLES / "questions.jsonl"))}
    finish(out, {"ingest": ingested, "questions": answered, "machine": machine()})


@app.command("ingestion")
def ingestion_quality(
    shared: Annotated[Path, typer.Option(help="the folder that holds data/pdf, data/qa and data/text")],
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-ingestion.json"),
    tokenizer: Annotated[
        str, typer.Option(help="counts chunk sizes: embedded, a folder, a hub name")
    ] = EMBEDDED,
) -> None:
    """Line breaks, chunk ends, articles and headings of every real PDF against what is known of them."""
    require_shared(shared)
    result = ingestion.measure(shared, ModelTokenizer(tokenizer).plain_json, SEED)
    result["machine"] = machine()
    print(table(result["line_breaks"], BREAK_COLUMNS), end="\n\n")
    print(table(result["chunks"], CHUNK_COLUMNS), end="\n\n")
    print(table(result["places"], PLACE_COLUMNS), end="\n\n")
    for name, rows in result["failing"].items():
        print(f"{name} that fail: {len(rows):,}; the first of them:")
        for row in rows[:5]:
            print("  " + " · ".join(str(value) for value in row.values()))
    save(out, result)


@app.command("chunk-sizes")
def sizes_of_chunks(
    shared: Annotated[Path, typer.Option(help="the folder that holds data/pdf and data/qa")],
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/bench-chunk-sizes.json"),
    index: Annotated[Path, typer.Option(help="index folder, made anew for each size")] = Path(
        "build/bench-sizes-index"
    ),
    sizes: Annotated[list[int], typer.Option("--size", help="chunking.max_tokens; repeatable")] = [
        200,
        300,
        400,
        500,
        600,
        800,
    ],
    count: Annotated[int, typer.Option(help="questions per set")] = 300,
    config: ConfigOption = None,
    overrides: SetOption = [],
) -> None:
    """Page retrieval by chunk size: articles of statutes, korquad1, welfare; lexical and hybrid."""
    require_shared(shared)
    result = {"machine": machine(), "sizes": {}}
    questions = chunk_sizes.question_sets(shared, count, SEED)
    for size in sizes:
        clear(index)
        sized = load_config(config, [*overrides, f"chunking.max_tokens={size}"])
        with Pipeline.open(index, sized) as pipeline:
            pipeline.ingest([shared / "data" / "pdf" / name for name in REAL_FOLDERS])
            result["sizes"] |= chunk_sizes.run_size(pipeline, size, questions)
        save(out, result)  # what was measured so far is kept: the whole takes many minutes
    print(table(result["sizes"], SIZE_COLUMNS))


@app.command("retrieval")
def retrieval_quality(
    names: Annotated[
        list[str], typer.Option("--set", help=f"{', '.join((*SETS, *GROUPS))}; repeatable")
    ] = [],
    modes: Annotated[list[str], typer.Option("--mode", help=f"{', '.join(MODES)}; repeatable; all")] = [],
    korquad: Annotated[list[Path], typer.Option(help="a JSON file of KorQuAD 1.0 or SQuAD")] = [],
    beir: Annotated[list[Path], typer.Option(help="a folder with corpus.jsonl, queries.jsonl, qrels")] = [],
    autorag: Annotated[list[Path], typer.Option(help="a folder with qa and corpus, .parquet or .csv")] = [],
    shared: Annotated[
        Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data/pdf and data/qa")
    ] = Path("../shared"),
    index: Annotated[
        Path, typer.Option(help="folder of indexes; what is there is brought up to the files")
    ] = Path("build/retrieval-index"),
    out: Annotated[Path, typer.Option(help="run file to write")] = Path("build/retrieval.json"),
    html: Annotated[Path, typer.Option(help="report to write")] = Path("build/retrieval.html"),
    count: Annotated[int, typer.Option(help="ask only this many questions of each set; 0: all")] = 0,
    config: ConfigOption = None,
    overrides: Annotated[list[str], typer.Option("--config-set", help="SECTION.KEY=VALUE")] = [],
) -> None:
    """Rankings against gold pages, paragraphs and documents: hit@k, MRR, nDCG@10 with intervals."""
    refuse_unknown("--set", names, (*SETS, *GROUPS))
    refuse_unknown("--mode", modes, MODES)
    if set(names) - {"samples"}:
        require_shared(shared)
    sets = [SETS[name](shared) for name in set_names(names)]
    for kind, paths in {"korquad": korquad, "beir": beir, "autorag": autorag}.items():
        try:
            sets += [READERS[kind](path, index / "documents") for path in paths]
        except (BadDataSet, OSError, KeyError) as exc:
            sys.exit(f"--{kind}: {exc!r}")
    if not sets:
        sys.exit("name a set: --set, --korquad, --beir or --autorag")
    if count:
        sets = [thinned(one, count) for one in sets]
    result = retrieval.run_sets(sets, modes or MODES, index, load_config(config, overrides), announce)
    save_run(out, result)
    write(html, html_report(result))
    print(table(retrieval.rows(result), RETRIEVAL_COLUMNS))


@app.command("packing")
def packed_prompts(
    names: Annotated[list[str], typer.Option("--set", help=f"{', '.join(SETS)}; repeatable")] = [],
    shared: Annotated[
        Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data/pdf and data/qa")
    ] = Path("../shared"),
    index: Annotated[
        Path, typer.Option(help="folder of indexes; what is there is brought up to the files")
    ] = Path("build/packing-index"),
    out: Annotated[Path, typer.Option(help="JSON to write")] = Path("build/packing.json"),
    count: Annotated[int, typer.Option(help="questions asked of each set")] = 300,
    window: Annotated[int, typer.Option(help="for the orders")] = 16_384,
    million: Annotated[
        Path | None, typer.Option(help="an index of `eval.bench scale`, for the speed")
    ] = None,
    config: ConfigOption = None,
    overrides: Annotated[list[str], typer.Option("--config-set", help="SECTION.KEY=VALUE")] = [],
) -> None:
    """Is the gold in the prompt, where, and does a prompt begin like one before it? How long does packing take?"""
    require_shared(shared)
    names = names or ["korquad1", "welfare", "welfare-lowoverlap", "articles"]
    refuse_unknown("--set", names, SETS)
    settings = load_config(config, overrides)
    result: dict[str, Any] = {"machine": machine(), "rules": {}, "orders": {}, "speed": {}}
    for name in names:
        one = thinned(SETS[name](shared), count)
        with retrieval.open_corpus(one.corpus, index / one.corpus.name, settings) as pipeline:
            result["rules"] |= packing.gold_in_prompts(pipeline, one)
            if f"{name}-split" in SETS:
                reworded = thinned(SETS[f"{name}-split"](shared), count)
                result["orders"] |= packing.orders(pipeline, one, reworded, window)
        save(out, result)
    if million is not None:
        with Pipeline.open(million, settings) as pipeline:
            for k in (120, 240):
                result["speed"][f"{million.name} chunks, k = {k}"] = packing.speed(
                    pipeline, list(sentences(shared, 60)), k
                )
        save(out, result)
    for rows in filter(None, (result["rules"], result["orders"], result["speed"])):
        print(table(rows, tuple(next(iter(rows.values())))), end="\n\n")


@app.command("ablations")
def left_out(
    shared: Annotated[
        Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data/pdf and data/qa")
    ] = Path("../shared"),
    index: Annotated[Path, typer.Option(help="folder of indexes, as for retrieval")] = Path(
        "build/retrieval-index"
    ),
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/ablations.json"),
    count: Annotated[int, typer.Option(help="questions of each set; 0: all")] = 1_000,
) -> None:
    """What each idea of retrieval brings on each set: nDCG@10 with it less without it."""
    require_shared(shared)
    sets = [SETS[name](shared) for name in ABLATED]
    sets = [thinned(one, count) for one in sets] if count else sets
    result = ablations.run_ablations(sets, index, load_config(None, ()), "hybrid", announce)
    save(out, result)
    print(table(result["rows"], ABLATION_COLUMNS))


@app.command("followups")
def follow_ups(
    shared: Annotated[
        Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data/qa; without it only the set")
    ] = Path("../shared"),
    index: Annotated[
        Path, typer.Option(help="index folder; what is there is brought up to the files")
    ] = Path("build/followups-index"),
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/followups.json"),
    count: Annotated[int, typer.Option(help="questions of each public set")] = 1_000,
    config: ConfigOption = None,
    overrides: SetOption = [],
) -> None:
    """Are follow-up questions understood, and whole ones left alone? On eval/retrieval/followups.jsonl."""
    with Pipeline.open(index, load_config(config, overrides)) as pipeline:
        pipeline.ingest(sorted(SAMPLES.glob("*.pdf")))
        result = followups.measure(pipeline, followups.load_dialogues())
        for name in ("welfare", "korquad1"):
            questions = shared / "data" / "qa" / name / "qa.jsonl"
            if questions.is_file():
                result["rows"][f"{name}, whole"] = followups.unharmed(pipeline, questions, count)
    result["machine"] = machine()
    print(table(result["rows"], FOLLOWUP_COLUMNS))
    save(out, result)


@app.command("summaries")
def summaries_without_a_model(
    shared: Annotated[Path, typer.Option(envvar="RAG_SHARED", help="the folder that holds data/pdf")] = Path(
        "../shared"
    ),
    out: Annotated[Path, typer.Option(help="JSON file to write")] = Path("build/summaries.json"),
    halves: Annotated[list[str], typer.Option("--half", help="tune, test; repeatable")] = ["tune", "test"],
) -> None:
    """Key facts held by ten sentences: ours, the first ten, ten by lot, a plain TextRank, the best ten."""
    require_shared(shared)
    refuse_unknown("--half", halves, ("tune", "test"))
    result = summaries.measure(shared, ModelTokenizer(EMBEDDED).plain_json, halves)
    result["machine"] = machine()
    for half in halves:
        print(f"## {half}\n\n{table(result['halves'][half], SUMMARY_COLUMNS)}\n")
        print(table(result["left_out"][half], LEFT_OUT_COLUMNS), end="\n\n")
    print(table(result["documents"], tuple(summaries.METHODS)))
    save(out, result)


@app.command()
def compare(
    before: Annotated[Path, typer.Argument(help="a run file of `retrieval`")],
    after: Annotated[Path, typer.Argument(help="another, or the same with --modes")],
    modes: Annotated[str, typer.Option(help="of BEFORE,AFTER: lexical,hybrid; else each with itself")] = "",
    out: Annotated[Path | None, typer.Option(help="JSON file to write")] = None,
) -> None:
    """The differences of two runs on the same questions, with paired bootstrap intervals (95 %)."""
    pair = tuple(modes.split(",")) if modes else None
    if pair and (len(pair) != 2 or set(pair) - set(MODES)):
        sys.exit(f"--modes takes two of {', '.join(MODES)}: lexical,hybrid")
    found = retrieval.compare(read_json(before), read_json(after), pair)
    print(table(retrieval.comparison_rows(found), COMPARISON_COLUMNS))
    if out:
        save(out, found)


def refuse_unknown(option: str, given: Sequence[str], known: Sequence[str]) -> None:
    """End with a usage error where one of the given names is not known."""
    if unknown := [name for name in given if name not in known]:
        sys.exit(f"{option} {', '.join(unknown)}: not one of {', '.join(known)}")


def announce(run: dict[str, Any]) -> None:
    """A line on standard error: which set is done, and what of it is not in the index."""
    lost = f", {len(run['unplaced']):,} texts not found in the index" if run["unplaced"] else ""
    print(f"{run['set']} {run['mode']}: {run['questions']:,} questions{lost}", file=sys.stderr)


def require_shared(shared: Path) -> None:
    """End with a hint where the shared folder is missing."""
    if not (shared / "data" / "pdf").is_dir():
        sys.exit(f"no data/pdf in {shared}: set RAG_SHARED to the shared folder")


def clear(index: Path) -> None:
    """Delete the old index in the folder; refuse a folder that holds anything else."""
    if index.exists() and not (index / DATABASE).is_file():
        sys.exit(f"{index} is no index: name a folder that does not exist yet")
    shutil.rmtree(index, ignore_errors=True)


def finish(out: Path, result: dict) -> None:
    """Print the tables and write the JSON."""
    print(table({"ingest": result["ingest"]}, INGEST_COLUMNS), end="\n\n")
    print(table(result["questions"], QUESTION_COLUMNS), end="\n\n")
    print(" · ".join(f"{key} {value}" for key, value in result["machine"].items()))
    save(out, result)


if __name__ == "__main__":
    app()
