"""RawFile → its clean text, mapped to the raw characters: running heads removed, broken lines joined."""
