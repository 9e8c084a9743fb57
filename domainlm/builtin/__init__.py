"""What the core gives through the hooks that every plugin uses: formats, vocabularies, model sizes."""
