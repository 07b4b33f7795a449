"""A file → Document → [Chunk], its index terms and references. Text work only: no model, no index."""
