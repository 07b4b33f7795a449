"""A result → text for a person, one line for a programmer, HTML for a notebook, JSON for a program."""
