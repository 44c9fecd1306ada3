"""Networks of imitation policies: denoisers of action chunks, regressors of action chunks, and their frozen form."""
