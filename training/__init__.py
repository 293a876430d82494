"""Training of the embedded extractor's weights. Not part of the distribution; see README.md."""
