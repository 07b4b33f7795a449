"""Is it right, and how fast? Write `from eval.metrics import …`, never `import eval`."""
