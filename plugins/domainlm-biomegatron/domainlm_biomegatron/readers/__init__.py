"""Readers of the official formats: PubMed XML, PMC JATS, PubTator."""
