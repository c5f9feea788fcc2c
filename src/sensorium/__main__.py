"""python -m sensorium"""

import sys

from sensorium.cli.main import main

sys.exit(main())
