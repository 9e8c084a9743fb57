"""Token tasks: every word of a text gets a label, and labelled words are read as typed entities."""
