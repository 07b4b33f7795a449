"""RawFile → normalised text with the way back: running lines out, broken words joined."""
