"""The loop that pretraining and fine-tuning share. Start reading in assemble.py."""
