"""python -m sensorium"""

import sys

from sensorium.import_path import working_directory_last

working_directory_last()  # before more is imported: -m searches it first

from sensorium.cli.main import main  # noqa: E402

sys.exit(main())
