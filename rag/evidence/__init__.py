"""Sentences with markers → citations with exact quotes, and a verdict for each."""
