"""Trains a QA-ViT adapter for your own vision tower and T5-class language model; see training/README.md."""
