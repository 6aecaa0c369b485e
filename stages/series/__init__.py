"""Series as NumPy arrays and pandas tables: no paths, no TensorFlow."""
