"""Documents → Summaries: blocks → windows → what each says → one text; jobs that survive a kill."""
