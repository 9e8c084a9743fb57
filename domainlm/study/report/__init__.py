"""The report of a run: Markdown and a page that stands alone, made from a run's files.

Those are results.json, the losses and units in logs/ that it names, and cost.json.
"""
