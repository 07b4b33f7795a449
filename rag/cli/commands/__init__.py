"""The arguments of each command → its result, printed; one file a family of commands."""
