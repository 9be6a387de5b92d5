"""`python -m seacod` is the command `seacod`; the supervisor starts its worker this way."""

from seacod.cli.main import main

if __name__ == "__main__":
    main()
