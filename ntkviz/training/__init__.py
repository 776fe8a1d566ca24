"""The infinite-width limit of training in which features move; training is a tensor program, too."""
