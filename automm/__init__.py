"""automm: an AutoML experiment harness for reviews that carry text and pictures."""

__version__ = "0.1.0"
