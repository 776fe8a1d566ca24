"""How readings are carried out: batches as programs read them, memory and its limit, shared compiled code."""
