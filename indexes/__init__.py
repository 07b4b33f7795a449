"""Parsed files → an index → [Passage]: building, searching, and the two protocols of an engine."""
