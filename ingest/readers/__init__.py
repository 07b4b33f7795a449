"""The bytes of a file → RawFile. HWPX, DOCX, text and Markdown are read here, PDF in ingest/pdf."""
