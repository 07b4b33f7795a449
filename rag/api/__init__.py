"""What `rag.Pipeline` is made of: who asks, the models of a configuration, looking after an index."""
