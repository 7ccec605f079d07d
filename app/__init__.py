"""The Skelmap server and command line."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("skelmap")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0+unknown"
