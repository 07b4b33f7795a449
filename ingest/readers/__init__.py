"""Any file → RawFile, by its content: HWPX, DOCX, text and Markdown here, PDF through ingest/pdf."""
