"""Prompts → completions: vLLM, any chat server, transformers, or the extracts that need no model."""
