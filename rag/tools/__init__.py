"""A question → an answer for which the model searches and opens pages itself, within limits."""
