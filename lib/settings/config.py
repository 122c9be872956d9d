"""Reads a params.yaml, as DVC reads it, and checks it whole before anything is computed."""

import os
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML, YAMLError
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import AliasEvent

from lib.core.errors import ConfigError, explain
from lib.core.files import ROOT
from lib.settings.study import Study


def home(study: str) -> Path:
    """Where the params.yaml of a study lies."""
    return ROOT / ("params.yaml" if study == "quick" else f"studies/{study}/params.yaml")


def load(study: str) -> Study:
    """The settings of a study: 'quick' (params.yaml at the root) or one under studies/.
    raises: ConfigError"""
    if not home(study).exists():
        known = ["quick", *sorted(p.parent.name for p in ROOT.glob("studies/*/params.yaml"))]
        raise ConfigError(f"study {study!r} is not known; known are {', '.join(known)}")
    return read(home(study))


def refuse_shared(text: bytes) -> None:
    """raises: ConfigError at the first `*alias`: `dvc exp run -S` writes the places that share a value one
    after another, so that the last one's value is that of all, and ends with exit status 0 whatever it is
    """
    for event in YAML(typ="safe").parse(text):
        if isinstance(event, AliasEvent):
            where = f"line {event.start_mark.line + 1}: *{event.anchor}"
            raise ConfigError(f"{where}: places that share a value cannot be set apart; write it out")


def stays_inside(study: Study) -> None:
    """Raises ConfigError if a folder of a study leads out of the repository:
    DVC would refuse it, after the work."""
    for part in ("data", "runs", "results", "figures", "tables"):
        folder = study.folder / part / study.study
        if not folder.resolve().is_relative_to(ROOT):
            raise ConfigError(
                f"{folder} leads to {folder.resolve()}, and DVC follows no link out of the repository; "
                f"put a folder there, and see docs/data.md, 'Another disk'"
            )


def read(path: Path) -> Study:
    """A params.yaml, read as DVC reads it (YAML 1.2), checked whole.
    raises: ConfigError, one line with each wrong value"""
    try:
        text = path.read_bytes()
        refuse_shared(text)
        study = Study.model_validate(YAML(typ="safe").load(text))
        if "DVC_STAGE" in os.environ:  # DVC sets it for what it runs; whoever only reads may have links
            stays_inside(study)
        return study
    except MarkedYAMLError as error:
        raise ConfigError(
            f"{path.name}, line {error.problem_mark.line + 1}: not valid YAML: {error.problem}"
        ) from None
    except YAMLError as error:
        raise ConfigError(f"{path.name}: not valid YAML: {' '.join(str(error).split())}") from None
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None
    except ValidationError as error:
        raise ConfigError(f"{path.name}: {explain(error)}") from None
