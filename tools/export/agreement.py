"""Does a file hold the network? Its logits beside the network's, in float64 and in float32."""

from torch import Tensor

from lib.core.errors import ConfigError

# In float64 no spike flips, and a file that holds another network is far off. In float32 sums are added up in
# another order, so that a potential near the threshold may fall on either side of it, and one flipped spike
# moves logits by tenths, mere rounding by millionths: there only the class is asked for, of so many of the
# images, as those between two classes may go either way.
EXACT = 1e-9
SAME_CLASS = 0.95
FLIPPED = 1e-3


def agreement(kind: str, exact: tuple[Tensor, Tensor], rough: tuple[Tensor, Tensor]) -> dict:
    """How far a file's logits are from the network's, in float64 and in float32; each a pair of [N, classes].

    raises: ConfigError if that is more than rounding does
    """
    found = {"float64": apart(*exact), "float32": apart(*rough)}
    difference = found["float64"]["largest_difference"]
    same = found["float32"]["same_class"]
    if not (difference <= EXACT and same >= SAME_CLASS):
        raise ConfigError(
            f"{kind}: its logits are {difference:.2g} from the network's in float64, and in float32 "
            f"{same:.1%} of the images get the same class; asked are {EXACT} and {SAME_CLASS:.0%}: "
            "nothing is written; install what constraints.txt pins"
        )
    return found


def apart(logits: Tensor, expected: Tensor) -> dict:
    """Of so many images: the largest difference of logits, in how many of them a spike flips, and the share
    that is given the same class."""
    differences = (logits.double() - expected.double()).abs().amax(1)
    return {
        "images": len(expected),
        "largest_difference": differences.max().item(),
        "flipped": int((differences > FLIPPED).sum()),
        "same_class": share(logits.argmax(1), expected.argmax(1)),
    }


def share(classes: Tensor, expected: Tensor) -> float:
    return (classes == expected).double().mean().item()
