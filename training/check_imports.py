"""`python -m check_imports`: every module of these packages loads, so that none is left behind when a name moves.

A module whose own dependency is not installed is named and passed over; one that asks this folder for what it does not
have fails.
"""

import importlib
import pkgutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = sorted(entry.parent.name for entry in HERE.glob("*/__init__.py"))


def modules() -> list[str]:
    return [found.name for name in PACKAGES for found in pkgutil.walk_packages([str(HERE / name)], f"{name}.")]


def main() -> None:
    broken = []
    for name in modules():
        if name.endswith("__main__"):
            continue
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if missing in PACKAGES:
                broken.append(f"{name}: {error}")
            else:
                print(f"{name} not loaded: {missing} is not installed")
        except ImportError as error:
            broken.append(f"{name}: {error}")
    print("\n".join(broken) or f"{len(modules())} modules looked at, none broken")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
