"""Built-in training algorithms."""
