"""dreamlab: text to 3D by score distillation, on any machine."""

__version__ = "0.1.0"
