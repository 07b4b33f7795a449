"""A question → what it names; scores → one ranking without copies: the same for every engine."""
