"""Who used what: a ledger that outlives restarts, and what a client may use."""
