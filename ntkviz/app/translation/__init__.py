"""The course in other languages: what a reader sees is looked up by its English text in catalogues of messages.

`docs/translating.md` says how the catalogues are made and used.
"""
