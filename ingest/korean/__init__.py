"""Text → sentences, morphemes, index terms, expressions (dates, amounts); Korean analysis only."""
