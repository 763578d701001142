"""What ``python -m bench.speed`` measures, one file for each subject."""
