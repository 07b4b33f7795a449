"""A pipeline → a retriever of another library: LangChain's, LlamaIndex's."""
