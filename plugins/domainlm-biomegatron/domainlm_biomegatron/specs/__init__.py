"""What the plugin declares: corpora, vocabularies, model sizes, tasks, recipes."""
