"""The project's documents → what in them can be checked: links, headings, code, references, transcripts."""
