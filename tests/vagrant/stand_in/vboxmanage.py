"""A stand-in for VirtualBox's command: it drives QEMU. See README.md beside it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.vagrant.stand_in.commands import main

sys.exit(main(sys.argv[1:]))
