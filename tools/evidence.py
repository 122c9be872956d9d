"""What a file that a text cites says of itself: its command, commit, machine and inputs."""

import os
import platform
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOGS = "results/benchmarks/*.csv"


def commit() -> str:
    """What the working tree is at; `-dirty` if it holds changes that are not committed, other than lines that
    a measurement has added to its log. Where a copy of the tree came without its history, the variable
    SNN_COMMIT says it."""
    at = git("rev-parse", "--short=7", "HEAD")
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", f":!{LOGS}")
    return f"{at}-dirty" if at and changed else at or os.environ.get("SNN_COMMIT", "unknown")


def git(*command: str) -> str:
    return subprocess.run(["git", "-C", str(ROOT), *command], capture_output=True, text=True).stdout.strip()


def processor() -> str:
    cpus = Path("/proc/cpuinfo")  # Linux
    lines = cpus.read_text().splitlines() if cpus.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def made_by(command: str, inputs: str) -> str:
    """The first line of such a file, and an empty one. inputs: in words, what was read beside lib/"""
    return f"Made by `{command}` at commit {commit()}, on {processor()}, from {inputs}.\n\n"
