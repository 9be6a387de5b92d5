"""Network: addresses, sockets that listen, HTTP on them, and connections that we make."""
