"""Keras networks and the one loop that trains them: no paths."""
