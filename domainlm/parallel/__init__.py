"""Devices and ranks: the only package that may import fairscale or torch.distributed."""
