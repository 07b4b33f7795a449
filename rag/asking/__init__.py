"""A question → an Answer: retrieved, reranked, without copies, packed, generated, resolved."""
