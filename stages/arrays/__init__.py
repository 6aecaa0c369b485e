"""Pure functions over NumPy arrays and pandas tables: no paths, no TensorFlow."""
