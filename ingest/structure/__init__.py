"""Normalised text → headings, tables, chunks that tile it, and the terms of each chunk."""
