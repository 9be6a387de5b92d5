"""HTTP in front of `seacod.asr`: routes, middleware, the page. Never sends mail."""
