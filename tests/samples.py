"""Where the real input for tests lies: beside the checkout. A test fails when it is not there."""

from pathlib import Path

SAMPLES = Path(__file__).parents[1].parent / "shared" / "samples"


def sample(*parts: str) -> Path:
    """A file or folder of the samples. Raises FileNotFoundError."""
    path = SAMPLES.joinpath(*parts)
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: the samples belong beside the checkout")
    return path
