"""The engine at a distance: where `NTKVIZ_ENGINE` names a Dask cluster, `ntkviz` calculates there and not here.

A process like that, a student's kernel say, never imports JAX: to it the engine's modules are distant ones, and what
they hold are `Remote`s. Describing (architectures, programs) costs nothing; a question is asked of the cluster, which
caches identical requests.
"""
