"""What is searched: each task gives a value to every configuration of its space."""
