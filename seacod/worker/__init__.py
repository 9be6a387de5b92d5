"""The nursery, which loads, and the workers forked from it, which serve the shared socket and
drain. Never sends mail.
"""
