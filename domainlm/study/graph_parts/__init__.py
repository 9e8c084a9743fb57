"""The stages of a cell, a part of the graph in each module."""
