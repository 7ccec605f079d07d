"""Work that takes longer than a request: queued, run by one thread, watched, cancelled, kept for a while.

A job is a kind, a JSON document and named files in; progress; a JSON document and named files out. What a kind means is
the business of whoever hands in its function, see `work.py`. Importing this package imports no database.
"""
