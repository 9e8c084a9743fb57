"""Sequence tasks: one label for a text, for a pair of texts, or for a pair of mentions in a text."""
