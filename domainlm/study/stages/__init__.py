"""One module per kind of stage; each writes one kind of artifact."""
