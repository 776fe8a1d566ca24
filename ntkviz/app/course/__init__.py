"""What the lessons are about: the chapters, their data, and the experiments of Figure 1."""
