"""`python -m check_imports`: every module of these packages loads, so that none is left behind when a name moves.

A module whose own dependency is not installed is named and passed over; one that asks this folder for what it does not
have fails, be it as it loads or as `module.name` in a function.
"""

import ast
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
PACKAGES = sorted(entry.parent.name for entry in HERE.glob("*/__init__.py"))


def modules() -> list[str]:
    return [found.name for name in PACKAGES for found in pkgutil.walk_packages([str(HERE / name)], f"{name}.")]


def left_behind(module: ModuleType) -> list[str]:
    """`other.name` of other modules of this folder that have no such name."""
    found = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        other = vars(module).get(node.value.id)
        if isinstance(other, ModuleType) and other.__name__.partition(".")[0] in PACKAGES:
            found += [] if hasattr(other, node.attr) else [f"{module.__name__}: {other.__name__} has no {node.attr}"]
    return found


def main() -> None:
    broken = []
    for name in modules():
        if name.endswith("__main__"):
            continue
        try:
            broken += left_behind(importlib.import_module(name))
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
