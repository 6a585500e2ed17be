"""Ask-and-tell search strategies: NumPy and SciPy only, papers cited at each function."""
