"""`python -m rag` is `rag`."""

from rag.cli.main import run

run()
