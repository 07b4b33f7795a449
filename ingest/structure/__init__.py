"""Normalised text → its headings, its tables, the chunks that tile it, and the index terms of each chunk."""
