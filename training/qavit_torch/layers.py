"""Which layers fuse: the published integration points."""

from collections.abc import Sequence

INTEGRATION_POINTS = ("late", "all", "early", "late2", "late3", "sparse")


def integration_layers(which: str | Sequence[int], layers: int) -> list[int]:
    """Indices of the fused layers of a tower with `layers` layers, ascending."""
    if not isinstance(which, str):
        chosen = sorted(set(which))
        if not chosen or chosen[0] < 0 or chosen[-1] >= layers:
            raise ValueError(f"Expected layers within 0..{layers - 1} but received {list(which)}")
        return chosen
    rules = {
        "late": lambda i: i >= layers // 2,
        "all": lambda i: True,
        "early": lambda i: i < layers // 2,
        "late2": lambda i: i >= 3 * layers // 4,
        "late3": lambda i: i >= layers // 4,
        "sparse": lambda i: i % 2 == 0,
    }
    if which not in rules:
        raise ValueError(f"Expected an integration point of {INTEGRATION_POINTS} but received {which!r}")
    return [i for i in range(layers) if rules[which](i)]
