"""Makes priors: a corpus of objects, photographs of it, training, measurement."""
