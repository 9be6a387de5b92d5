"""`seacod bench`: what seacod costs and how fast it comes back, measured on this machine.

Each bench starts a private service (own ports, own directories, the built-in model unless told
otherwise) and compares within one run; nothing here touches a running service.
"""
