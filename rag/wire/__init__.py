"""Results → the JSON objects that other programs read, and the JSON Schema of each."""
