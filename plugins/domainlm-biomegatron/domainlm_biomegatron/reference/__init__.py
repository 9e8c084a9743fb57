"""The published tables of the BioMegatron study: figures, findings and layouts."""
