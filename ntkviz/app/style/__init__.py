"""What all that is drawn shares: colours and type, numbers in words, ranges of axes, tables."""
