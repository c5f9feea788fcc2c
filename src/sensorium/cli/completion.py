"""Shell completion: Hydra's, with the verb taken out of the line before Hydra sees it.

Installed with: eval "$(sensorium -sc install=bash)"
"""

import os
import re
import sys
from contextlib import redirect_stdout
from io import StringIO

import hydra

from sensorium.cli import configs
from sensorium.cli.composition import load_plugins


def run(arguments: list[str], verbs: tuple[str, ...]) -> int:
    """`-sc install=SHELL`, `-sc uninstall=SHELL` and what the installed script calls, `-sc query=SHELL`."""
    line = os.environ.get("COMP_LINE", "")
    words = line.split()
    finished = words if line.endswith(" ") else words[:-1]
    if any(argument.startswith("query=") for argument in arguments) and len(finished) < 2:
        typed = words[1] if len(words) > 1 else ""
        print("\n".join(verb for verb in verbs if verb.startswith(typed)))
        return 0
    verb = finished[1] if len(finished) > 1 and finished[1] in verbs else "train"
    os.environ["COMP_LINE"] = line.replace(f" {verb} ", " ", 1)
    point = int(os.environ.get("COMP_POINT", len(line)))
    os.environ["COMP_POINT"] = str(min(point, len(os.environ["COMP_LINE"])))
    sys.argv = ["sensorium", *arguments]
    load_plugins()
    with redirect_stdout(StringIO()) as offered:
        hydra.main(version_base="1.3", config_path=str(configs.FOLDER), config_name=verb)(lambda config: None)()
    print(re.sub(r"(?<!\S)\w+=_\S*[ \n]?", "", offered.getvalue()), end="")  # blocks of keys are no choices
    return 0
