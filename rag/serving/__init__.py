"""The configuration → the vLLM command, and that server started, checked and ended."""
