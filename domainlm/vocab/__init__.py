"""Vocabularies: learn, load, compare."""
