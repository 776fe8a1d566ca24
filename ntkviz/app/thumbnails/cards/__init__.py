"""The drawing of each chapter's card: a file for each, with a function `draw`."""
