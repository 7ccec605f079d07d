"""`python -m training`: see `training.commands`."""

from training.commands import main

if __name__ == "__main__":
    main()
