"""The backward program, and the Simple GIA Check, which decides whether gradient independence may be assumed."""
