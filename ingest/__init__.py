"""A file → Document → [Chunk]. Text work only: no model, no index."""
