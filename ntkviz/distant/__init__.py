"""Remote computation: where `NTKVIZ_ENGINE` names a Dask cluster, readings are sent there instead of run locally.

Such a process, for example a student's kernel, never imports JAX. It holds descriptions (architectures, programs) and
answers (arrays, numbers, records of them); the cluster computes, and caches identical requests.
"""
