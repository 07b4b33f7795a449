# make demo                     set up, ingest the sample documents, ask three questions
# make demo PDF=… QUESTION="…"  the same on your own file or folder
# make test                     set up, run the tests
# make help                     the rest

PYTHON ?= python3
VENV ?= .venv
# Where the CPU build of PyTorch is looked for when pip's own sources have none; empty: nowhere.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
RAG_SHARED ?= ../shared
COUNT ?= 2000
WORKERS ?= 2
LEDGER ?= 100000
SEED ?= 7
MINUTES ?= 10
export RAG_SHARED

BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Exported, not pasted into a command line: a question may hold quotes.
export PDF QUESTION

include tests/server/install.mk

.PHONY: help setup demo test test-full test-slow fuzz faults flips soak leaks ledger test-server bench-real bench-samples bench-retrieval bench-ingestion-quality bench-chunk-sizes bench-summaries index-million bench-index bench-ingest lint schema docs samples resolve clean bench-beyond bench-gpu bench-serve grammar bench-summarise
.DEFAULT_GOAL := help

help:  ## what there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

setup: $(STAMP)  ## create the environment in .venv and install

$(STAMP): pyproject.toml constraints.txt install-torch.sh
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	sh install-torch.sh $(BIN)/python "$(TORCH_INDEX)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(STAMP)  ## ingest the samples (or PDF=…) and ask (or QUESTION=…)
	@$(BIN)/python -m eval.demo

test: $(STAMP)  ## the tests that need no server, by two processes (or WORKERS=…)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

test-full: $(STAMP)  ## the same, each law with ten times as many random examples
	HYPOTHESIS_PROFILE=full $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal

test-slow: $(STAMP)  ## the long ones
	$(BIN)/python -m pytest -m slow

fuzz: $(STAMP)  ## 2,000 damaged PDFs (or COUNT=… SEED=…), each read or refused; findings in build/fuzz
	$(BIN)/python -m tests.fuzz --count $(COUNT) --seed $(SEED) --out build/fuzz.json

faults: $(STAMP)  ## 2,000 deaths of writers (or COUNT=… SEED=…), half with loss of power
	$(BIN)/python -m tests.faults --count $(COUNT) --seed $(SEED) --out build/faults.json

leaks: $(STAMP)  ## 10,000 searches by random callers; nobody finds what they may not see
	$(BIN)/python -m tests.leaks --seed $(SEED)

ledger: $(STAMP)  ## 100,000 random prompts (or LEDGER=… SEED=…), every token of each accounted for
	$(BIN)/python -m tests.ledger --count $(LEDGER) --seed $(SEED)

soak: $(STAMP)  ## ten minutes (or MINUTES=…) of 16 threads and asyncio while files come and go
	$(BIN)/python -m tests.soak --minutes $(MINUTES) --seed $(SEED)

flips: $(STAMP)  ## flipped bits in every kind of file of an index, 150 in each
	$(BIN)/python -m tests.flips --count 150 --seed $(SEED) --out build/flips.json

test-server: $(STAMP) .venv-vllm/installed  ## a real vLLM server on this machine's processor
	$(BIN)/python -m pytest -m server tests/server

bench-samples: $(STAMP)  ## the sample documents and their 40 questions
	$(BIN)/python -m eval samples

bench-retrieval: $(STAMP)  ## every question set in every mode: a table, a run file and a report in build; many minutes
	$(BIN)/python -m eval retrieval --set all --shared "$(RAG_SHARED)"

bench-ingestion-quality: $(STAMP)  ## line breaks, chunks, articles and headings of the shared PDFs
	$(BIN)/python -m eval ingestion --shared "$(RAG_SHARED)"

bench-chunk-sizes: $(STAMP)  ## page retrieval by chunk size; many minutes
	$(BIN)/python -m eval chunk-sizes --shared "$(RAG_SHARED)"

bench-summaries: $(STAMP)  ## key facts held by ten sentences without a model; two minutes
	$(BIN)/python -m eval summaries --shared "$(RAG_SHARED)"

grammar: $(STAMP) .venv-vllm/installed  ## answers that try to write markers of nothing, 1,000 with the grammar and without; many minutes
	$(BIN)/python -m tests.server.grammar.measure

bench-real: $(STAMP)  ## every shared PDF, 200 questions; a table and JSON
	$(BIN)/python -m eval real --shared "$(RAG_SHARED)" --out build/bench-real.json

index-million: $(STAMP)  ## indexes of 1,000 to 1,000,000 chunks from the statutes, for bench-index
	$(BIN)/python -m eval.bench scale --shared "$(RAG_SHARED)"

bench-index: $(STAMP) .venv-bench/installed  ## speed and memory of the index by its size, beside LangChain
	$(BIN)/python -m eval.bench index --shared "$(RAG_SHARED)"

bench-beyond: $(STAMP)  ## the dense index beyond the million that is searched exactly; 10 minutes
	$(BIN)/python -m eval.bench beyond --shared "$(RAG_SHARED)"

bench-serve: $(STAMP) .venv-vllm/installed  ## questions of a file beside the throughput of a real vLLM server on this processor
	$(BIN)/python -m tests.server.bench.answers --shared "$(RAG_SHARED)"

bench-summarise: $(STAMP) .venv-vllm/installed .venv-bench/installed  ## summaries of long reports on a real vLLM server on this processor, beside LlamaIndex; many minutes
	$(BIN)/python -m tests.server.bench.summaries --shared "$(RAG_SHARED)"

bench-gpu: $(STAMP)  ## speed of the model on this machine's GPU (or GPU="…": options, see --help)
	$(BIN)/python -m eval.bench gpu $(GPU)

bench-ingest: $(STAMP) .venv-bench/installed  ## speed and memory of ingestion, beside LangChain and LlamaIndex
	$(BIN)/python -m eval.bench ingest --shared "$(RAG_SHARED)"

# A failure leaves no mark, and the benchmark says what it could not compare with.
.venv-bench/installed: eval/bench-requirements.txt
	test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	-.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check -r eval/bench-requirements.txt && touch $@

lint: $(STAMP)  ## ruff, and mypy over the public names
	$(BIN)/ruff check ingest indexes rag eval tests
	$(BIN)/ruff format --check ingest indexes rag eval tests
	$(BIN)/python -m mypy

schema: $(STAMP)  ## write the JSON Schema of what the command line prints again
	$(BIN)/python -m rag.wire > docs/schema/rag.schema.json.new
	mv docs/schema/rag.schema.json.new docs/schema/rag.schema.json

docs: $(STAMP)  ## write the references and the transcripts of the documents anew
	$(BIN)/python -m eval.documents

samples: $(STAMP)  ## render the sample documents again
	$(BIN)/python eval/render_samples.py

resolve: $(STAMP)  ## show that every extra resolves with constraints.txt
	$(BIN)/python -m pytest -m resolve tests/project/test_constraints.py

clean:  ## remove what was built
	rm -rf build $(VENV) .venv-vllm .venv-bench
