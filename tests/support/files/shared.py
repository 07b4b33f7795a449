"""The shared data folder, which is not part of the project, and the tokenizer files in it."""

import os
from pathlib import Path

from rag.prompting.tokens import EMBEDDED_FOLDER


def shared_folder() -> Path:
    """Where the shared data are, if they are there: RAG_SHARED, or beside the project."""
    return Path(os.environ.get("RAG_SHARED") or Path(__file__).parents[4] / "shared")


def tokenizer_folder() -> Path:
    """The folder of the tokenizer of A.X 4.0 Light if it exists; else of the one that ships."""
    real = shared_folder() / "models" / "A.X-4.0-Light"
    return real if (real / "tokenizer.json").is_file() else EMBEDDED_FOLDER
