"""Where the real data comes from: fetch plans of the plugin's corpora and tasks.

Nothing here could be tried against the servers themselves. Each fact has its source beside it, and the tests hold to
answers in the form that these sources show.
"""
