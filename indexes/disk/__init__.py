"""The index on disk: documents and vectors → committed versions → candidates of a query."""
