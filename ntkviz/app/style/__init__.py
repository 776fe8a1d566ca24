"""The common style: colours and type, the wording of numbers, ranges of axes, tables."""
