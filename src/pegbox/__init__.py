"""pegbox: automatic model tuning and model tracking behind the Amazon SageMaker API."""

__version__ = "0.1.0"
