"""The kit for teachers: the notes of all steps and the worked solutions as pages, and the homework."""
