"""[Chunk] → an index → [Passage]; the types every engine shares, and building through either engine."""
