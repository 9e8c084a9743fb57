"""Answers: the characters of a context that answer a question."""
