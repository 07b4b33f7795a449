"""Texts → unit vectors; query and passages → scores. Embedder and Reranker."""
