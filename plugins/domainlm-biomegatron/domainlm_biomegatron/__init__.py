"""Biomedicine for domainlm: PubMed, PMC, PubTator, and the models and tasks of the BioMegatron study."""
