"""The sample documents and their questions are what they claim to be."""

import subprocess
import sys

import pytest

from eval.dataset import SAMPLES, load_questions
from eval.metrics import squeeze


def test_there_are_three_documents_and_forty_questions(samples):
    documents = samples.documents()
    assert len(documents) == 3 and sum(document.pages for document in documents) >= 60
    questions = load_questions(SAMPLES / "questions.jsonl")
    assert len(questions) == 40 and sum(not question.answerable for question in questions) == 8


def test_the_evidence_of_each_question_stands_on_its_gold_page(samples):
    import json

    for line in (SAMPLES / "questions.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        for gold in row["relevant"]:
            document = samples.document(gold["pdf"])
            pages = samples.retriever.pages(document.document_id)[gold["page_start"] - 1 : gold["page_end"]]
            text = samples.text(document, pages[0].start, pages[-1].end)
            assert squeeze(row["evidence"].replace("|", "")) in squeeze(text.replace("|", "")), row["qid"]


def test_every_document_has_an_outline_and_running_heads_that_are_left_out(samples):
    for document in samples.documents():
        contexts = {chunk.context for chunk in samples.retriever.chunks(document)}
        assert len(contexts) > 10
        assert "- 5 -" not in samples.text(document)


@pytest.mark.slow
def test_the_documents_are_what_their_sources_render_to():
    script = SAMPLES.parent / "render_samples.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    if "fonts-nanum" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stdout + done.stderr
