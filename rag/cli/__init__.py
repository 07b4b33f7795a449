"""The command line: arguments → the pipeline → a terminal or JSON."""
