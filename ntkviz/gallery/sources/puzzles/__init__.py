"""Models of an exercise: in each, one line leaves the language."""
