"""The image's HEALTHCHECK: exit code 0 while the server of this container answers /readyz with 200.

No proxy of the environment is asked, and what the server says is shown by `docker inspect`.
"""

import http.client
import sys

ADDRESS = ("127.0.0.1", 8000)
TIMEOUT_S = 4


def main() -> int:
    """Ask once."""
    connection = http.client.HTTPConnection(*ADDRESS, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        sys.stdout.write(answer.read().decode() + "\n")
    except OSError as error:
        sys.stdout.write(f"no answer: {error}\n")
        return 1
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
