"""With which codes the command ends; 0 is all well."""

from typing import Final

EXIT_FAILED: Final = 1
"""Some photos failed, or the machine did."""

EXIT_USAGE: Final = 2
"""A value that cannot be used."""

EXIT_MODEL: Final = 3
"""A network, a device or a port that cannot be used."""

EXIT_NOW: Final = 70
"""A second signal: requests were cut off."""
