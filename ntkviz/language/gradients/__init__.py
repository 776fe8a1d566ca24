"""The program of the gradients, and the check of when their independence may be assumed."""
