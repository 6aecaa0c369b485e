"""Texts and tokens as NumPy arrays: no paths, no TensorFlow."""
