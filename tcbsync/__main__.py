"""`python -m tcbsync`."""

import sys

from tcbsync.cli.main import main

sys.exit(main())
