"""From documents to sentences and token ids on disk: duplicates and leaks removed, in parallel, in parts that last."""
