"""The commands of `seacod`, a file each (`add`, `run`), and what several of them share."""
