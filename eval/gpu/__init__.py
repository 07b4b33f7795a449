"""The model on a GPU → tokens per second, time to first token, share of the roofline."""
