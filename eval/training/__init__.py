"""Public-domain statutes → the small weights that ship."""
