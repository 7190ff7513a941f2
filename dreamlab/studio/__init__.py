"""Makes priors: a corpus of shapes, their renders, the training and the measure."""
