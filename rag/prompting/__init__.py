"""Passages and turns → a prompt that fits the window to the token; completions → tool calls."""
