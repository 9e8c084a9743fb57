"""Recipes: schema, loading, resolving names to specs, the lock record."""
