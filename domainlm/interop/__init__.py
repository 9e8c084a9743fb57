"""Models of other libraries in, and ours out: Hugging Face folders, Megatron-LM and NeMo checkpoints."""
