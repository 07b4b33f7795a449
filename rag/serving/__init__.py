"""The configuration → the vLLM command, and a server that is started with it, checked and ended."""
