"""The material of the lessons: the chapters, their data, and the experiments of Figure 1."""
