"""Recordings of batches that lie outside a database which nodes share: in a directory or an object
store.

Here: reading and writing (`places.py`) on threads that may hang (`place_threads.py`), what cannot
be used and who is told (`place_troubles.py`), sending, bringing and deleting (`moving.py`), and a
job's way through all that (`job_recordings.py`). What the database knows of them is for the store,
below all this: `seacod/jobs/address_book.py`.
"""
