"""Search: which values of a config's fields do best, by the same runs that compare configs."""
