"""The embedded default model: our own pictures, a question-blind tower, a small language model and a QA-ViT adapter."""
