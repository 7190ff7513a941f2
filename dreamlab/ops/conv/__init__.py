"""Convolutions of the embedded prior."""
