"""A question → an Answer: retrieved, reranked, packed, generated, resolved; conversations and tools."""
