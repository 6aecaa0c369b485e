"""Recordings of sound as NumPy arrays: no paths, no TensorFlow."""
