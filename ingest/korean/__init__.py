"""Korean text → sentences, morphemes, index terms, aliases, and expressions such as dates and amounts."""
