"""`python -m tcpcheck`."""

import sys

from tcpcheck.cli import main

sys.exit(main())
