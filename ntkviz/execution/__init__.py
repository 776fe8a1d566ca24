"""The execution of readings: the example axis of batches, memory limits, and shared compiled code."""
