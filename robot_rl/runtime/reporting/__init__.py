"""What a run says about itself: evaluations, metrics, pictures, progress."""
