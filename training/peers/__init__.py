"""PyTorch as the peer of `bench/`."""
