"""Paths → parsed documents, read in child processes with limits: a bad file fails alone."""
