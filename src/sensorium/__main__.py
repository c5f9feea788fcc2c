"""python -m sensorium"""

import sys

from sensorium.import_path import leave_working_directory

leave_working_directory()  # before more is imported: -m searches it first

from sensorium.cli.main import main  # noqa: E402

sys.exit(main())
