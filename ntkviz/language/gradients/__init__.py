"""The backward program, and the check whether gradient independence may be assumed."""
