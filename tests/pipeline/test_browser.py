"""Notebooks as people see them: a browser, and JupyterLab as `make lab` starts it, in a clone of its own."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest

from lib.settings import config

playwright = pytest.importorskip(
    "playwright.sync_api", reason="no browser driver: pip install -c constraints.txt playwright"
)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")]
PATIENCE = 600_000  # milliseconds: nothing here is asked to be fast


def git(clone, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=clone, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """What is in this tree, committed or not, as a repository of its own that `make` has set up."""
    folder = tmp_path_factory.mktemp("browser") / "study"
    for name in git(config.ROOT, "ls-files", "-z").split("\0"):
        if name and (config.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(config.ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    git(folder.parent, "init", "--quiet", folder)
    git(folder, "add", "--all", ":!.venv")
    git(folder, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "as it is")
    subprocess.run(["make", "filter"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module")
def lab(clone, tmp_path_factory):
    """The address of a JupyterLab, started by the recipe of `make lab`."""
    [command] = re.findall(r"^lab: .*\n\t(.+)$", (clone / "Makefile").read_text(), re.MULTILINE)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    added = f"--no-browser --allow-root --port={port} --IdentityProvider.token=test"
    added += " --LabApp.expose_app_in_browser=True"
    home = tmp_path_factory.mktemp("home")  # no settings of whoever runs this
    path = f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"
    where = {"HOME": str(home), "PATH": path, "PYTHONPATH": str(clone), "OMP_NUM_THREADS": "1"}
    with open(home / "log", "w") as log:
        server = subprocess.Popen(
            [*command.split(), *added.split()],
            cwd=clone,
            env={**os.environ, **where},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/api/status?token=test", server)
        yield f"http://127.0.0.1:{port}/lab/tree/NOTEBOOK?token=test&reset"
    finally:
        server.terminate()
        server.wait(60)


def wait_for(address: str, server: subprocess.Popen) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            return urllib.request.urlopen(address, timeout=5).close()
        except OSError:
            time.sleep(0.5)
    raise AssertionError("JupyterLab does not start")


@pytest.fixture(scope="module")
def page(lab):
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox"]
        )  # as root in a container
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


IDLE = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


def opened(page, lab: str, name: str) -> None:
    """The notebook, its kernel ready."""
    page.goto(lab.replace("NOTEBOOK", f"notebooks/{name}.ipynb"))
    page.wait_for_function(IDLE)


def command(page, name: str) -> None:
    """Runs a command of JupyterLab, and waits until it is done; what it refuses is seen in the notebook."""
    page.evaluate("async name => { await window.jupyterapp.commands.execute(name).catch(() => 0) }", name)
    page.wait_for_function(IDLE)


def cells(page, clone, name: str) -> list:
    """The code cells with what stands below them, as JupyterLab saves them."""
    command(page, "docmanager:save")
    notebook = nbformat.read(clone / "notebooks" / f"{name}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def below(cell, kind: str) -> list:
    return [output for output in cell.outputs if output.output_type == kind]


def set_parameter(page, old: str, new: str) -> None:
    """In the first code cell, as somebody types it."""
    cells = "[...window.jupyterapp.shell.currentWidget.content.model.cells]"
    first = f"{cells}.find(cell => cell.type === 'code').sharedModel"
    page.evaluate(
        f"text => {{ {first}.setSource({first}.getSource().replace(text.old, text.new)) }}",
        {"old": old, "new": new},
    )


def test_a_notebook_that_is_opened_and_saved_gives_no_diff(page, lab, clone):
    opened(page, lab, "12_prune_channels")
    cells(page, clone, "12_prune_channels")
    text = (clone / "notebooks" / "12_prune_channels.ipynb").read_text()
    assert "codemirror_mode" in text, "JupyterLab has written it"
    assert git(clone, "diff", "--stat") == ""


def test_a_figure_appears_under_the_cell_that_finishes_it(page, lab, clone):
    opened(page, lab, "23_fig_ablation")
    command(page, "notebook:run-all-cells")
    run = cells(page, clone, "23_fig_ablation")
    assert all(cell.execution_count for cell in run)
    assert not [output for cell in run for kind in ("stream", "error") for output in below(cell, kind)]
    pictures = [
        cell.source for cell in run for output in cell.outputs if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 1 and "plots.finish(" in pictures[0]
    shown = page.locator(".jp-OutputArea-output img").first
    shown.scroll_into_view_if_needed()
    assert shown.evaluate("image => image.complete && image.naturalWidth > image.width && image.width > 500")
    page.get_by_alt_text("ablation").scroll_into_view_if_needed()
    page.wait_for_function(
        "document.querySelector('img[alt=ablation]').naturalWidth > 0"
    )  # the committed one beside it
    assert git(clone, "diff", "--stat", "--", "notebooks") == ""


def test_a_wrong_parameter_is_one_line_and_nothing_runs_on(page, lab, clone):
    name = "13_rewire_weights"
    opened(page, lab, name)
    command(page, "notebook:run-all-cells")
    run = cells(page, clone, name)
    assert all(cell.execution_count for cell in run)
    assert not [output for cell in run for output in below(cell, "error")]
    assert not [output.text for cell in run for output in below(cell, "stream") if output.name == "stderr"]
    assert page.locator(".widget-hprogress, .jupyter-widget-hprogress").count() > 0, "the bar of a training"
    assert git(clone, "diff", "--stat", "--", "notebooks") == ""
    results = clone / "build" / "smoke" / "results"
    written = {path: path.stat().st_mtime_ns for path in results.rglob("*.json")}
    assert written

    for _ in range(3):
        set_parameter(page, '"pq"', '"nosuch"')
        command(page, "notebook:run-all-cells")
        [first, second, *rest] = cells(page, clone, name)
        [error] = below(second, "error")
        [line] = error.traceback
        assert line.startswith(
            "ConfigError: method of stage weights in study smoke: 'nosuch' is not known; known are pq, "
        )
        assert {path: path.stat().st_mtime_ns for path in results.rglob("*.json")} == written
        assert not [cell.source for cell in rest if cell.execution_count and not below(cell, "error")]
        set_parameter(page, '"nosuch"', '"pq"')
    cells(page, clone, name)
    assert git(clone, "diff", "--stat", "--", "notebooks") == "", (
        "the parameter is the old one again, and nothing else is seen"
    )
