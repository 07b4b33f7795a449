"""Pages, verdicts, tables, text of documents → words for people: plain, Markdown, CSV; shared notices."""
