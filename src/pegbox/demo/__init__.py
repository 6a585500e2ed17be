"""`pegbox demo`: a whole tuning job on real data, through the public API alone."""
