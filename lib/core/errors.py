"""What a user is told: one line that names the value, what is allowed and what to do."""

from pydantic import ValidationError


class ConfigError(Exception):
    """One line: the value, what is allowed, what to do."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the line, without the stack above it (IPython's hook)."""
        return [f"{type(self).__name__}: {self}"]


class DataError(ConfigError):
    """The data cannot be had; the message says what to do."""


class WriteError(ConfigError, OSError):
    """A file cannot be written; what was there before is left."""


class TrainingError(ConfigError, FloatingPointError):
    """The numbers of a training are no longer finite."""


class CriterionError(ConfigError, ValueError):
    """A score, a growth or a schedule returned what no ranking can use."""


class AdoptError(ConfigError, ValueError):
    """A network that cannot be taken over as it is; the message names the layer."""


class Stopped(ConfigError):
    """The process was asked to end, and what it had done is kept."""


def shown(value) -> str:
    """A value in a message of one line, cut if it is long."""
    text = " ".join(repr(value).splitlines())
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


def pick(table: dict, name: str, where: str):
    """table[name], or a ConfigError that says what there is."""
    if name not in table:
        raise ConfigError(f"{where}: {shown(name)} is not known; known are {', '.join(table)}")
    return table[name]


LONGEST = 100  # characters of a value in a message
MOST = 8  # wrong values in a message
# what lib/settings/method.py has of each group that has several
KINDS = {"weights": ("rewiring", "tickets", "threshold"), "tokens": ("select", "tickets")}
ALLOWED = {  # pydantic's error types -> what to do, where its own message speaks of Python
    "model_type": "give keys with values, as in params.yaml",
    "dict_type": "give keys with values, as in params.yaml",
    "tuple_type": "give a list, in square brackets",
    "too_short": "give at least one",
    "string_pattern_mismatch": (
        "use lower-case letters, digits and hyphens: it goes into names of files and stages"
    ),
}


def explain(error: ValidationError) -> str:
    """The wrong values on one line, each as 'place: value: what is allowed', the first `MOST` of them."""
    found = error.errors()
    nested = {each["loc"][:-1] for each in found}  # a list is counted without its wrong items
    wrong = [_explain(each) for each in found if each["type"] != "too_short" or each["loc"] not in nested]
    return "; ".join(wrong[:MOST]) + (f"; and {len(wrong) - MOST} more" if len(wrong) > MOST else "")


def _explain(error: dict) -> str:
    loc = [part for part in error["loc"] if part != "[key]"]
    if loc[0:1] and loc[0] in KINDS:
        del loc[2:3]  # the kind of method, which is no key
    place = ".".join(map(str, loc)) or "the file"
    kind = error["type"]
    value = error["input"]
    message = error["msg"].removeprefix("Value error, ")
    if kind == "value_error":
        return f"{place}: {message}" if error["loc"] else message
    if kind == "union_tag_not_found":
        return f"{place}: kind is missing; add kind: {' or '.join(KINDS[loc[0]])}"
    if kind == "union_tag_invalid":
        return f"{place}.kind: {error['ctx']['tag']!r}: known are {', '.join(KINDS[loc[0]])}"
    if kind == "missing":
        return f"{place}: missing; add it"
    if kind == "literal_error":
        known = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        return f"{place}: {shown(value)} is not known; known are {known}"
    text = isinstance(value, str) and kind in ("float_type", "int_type", "bool_type")
    allowed = ALLOWED.get(kind, message[0].lower() + message[1:]) + (", without quotes" if text else "")
    return f"{place}: {shown(value)}: {allowed}"
