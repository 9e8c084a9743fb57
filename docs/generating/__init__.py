"""What pages take from the code, a module for each part; docs/generate.py writes it into them."""
