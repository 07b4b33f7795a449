"""A question → an answer; the model itself searches and opens pages for it, within limits."""
