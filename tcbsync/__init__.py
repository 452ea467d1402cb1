"""Mirrors local asset folders to WeChat CloudBase storage, one way, and keeps them equal."""

__version__ = "0.1.0"
