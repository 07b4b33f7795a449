"""Known texts through ingestion → how much of them comes out right."""
