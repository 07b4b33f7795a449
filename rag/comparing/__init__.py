"""Reports and names → a table of cited cells."""
