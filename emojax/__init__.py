"""Emotion concepts in open-weight language models: found, read and steered."""

__version__ = '0.1.0'
