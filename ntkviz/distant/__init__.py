"""The engine at a distance: where `NTKVIZ_ENGINE` names a Dask cluster, readings are asked of it, not calculated here.

A process like that, a student's kernel say, never imports JAX. It has what describes (architectures, programs) and what
is answered (arrays, numbers, records of them); the cluster calculates, and caches identical requests.
"""
