"""Questions, documents and peers → measured quality and speed, as tables and JSON."""
