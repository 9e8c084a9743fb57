"""Studies: a recipe as a graph of stages over content-addressed artifacts, and what is reported of it."""
