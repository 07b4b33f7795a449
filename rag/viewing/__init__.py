"""Documents and spans → pictures and reports for people."""
