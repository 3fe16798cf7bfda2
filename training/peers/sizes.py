"""The random models of bench/, by name."""

from fixtures.parity import TOWERS
from fixtures.towers import TowerSpec

# "tiny" tries the harness in seconds.
SIZES = TOWERS | {"tiny": TowerSpec(width=128, heads=2, layers=2, mlp=256, image=56, patch=14)}
QUESTION_WIDTHS = {"tiny": 64}  # T5 base's, 768, for all others
