"""A Gaussian process over mixed spaces: kernel, MAP fit, posterior, acquisition and its optimiser."""
