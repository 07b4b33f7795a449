"""A question → what it names → candidates → one ranking without copies: the same for every engine."""
