"""Documents made from the code: configuration, man page, completion of shells."""
