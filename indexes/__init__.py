"""[Chunk] → a directory on disk → [Passage]."""
