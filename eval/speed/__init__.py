"""Folders of documents → seconds and memory, beside other stacks in the same run."""
