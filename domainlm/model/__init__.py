"""Plain torch modules that know nothing of ranks: the encoder, the heads of pretraining, model folders."""
