"""Regularisers, one term a function."""
