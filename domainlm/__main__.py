"""`python -m domainlm`."""

import sys

from domainlm.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
