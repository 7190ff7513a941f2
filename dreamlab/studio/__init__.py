"""Makes priors: a corpus of shapes, their photographs, the training and the measure."""
