"""The stages, by what they make: text, vocabularies, starts, trained models, scores and measurements."""
