"""Text: documents to sentences, to token ids on disk, to masked batches."""
