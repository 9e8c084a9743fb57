"""A small synthetic world and writers that describe it in the official formats of PubMed, PMC, BioCreative and BioASQ.

All names are invented, and so is everything that is said about them. `world.py` has the names and the facts, the same
for every seed, as a language is; `templates.py` the sentences; `compose.py` makes documents of them; the other modules
each write one format.
"""
