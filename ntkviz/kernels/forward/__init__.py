"""The forward kernels: limits of programs that pass the Simple GIA Check, from second moments and their tangents."""
