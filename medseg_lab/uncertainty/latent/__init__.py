"""Latent-variable models (section 4.1.1): one network, and a code that says which of many segmentations."""
