"""automm: an AutoML experiment harness for reviews with text and pictures."""

__version__ = "0.1.0"
