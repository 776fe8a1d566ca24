"""Limit kernels as kernel objects of other libraries, which are imported with the module that is named after them."""
