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
import teach

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
    git(folder, "add", "--all")
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
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


IDLE = "window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"


def opened(page, lab: str, name: str) -> None:
    """The notebook, its kernel ready, and no kernel of an earlier one."""
    page.evaluate("window.jupyterapp?.serviceManager.sessions.shutdownAll()")
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


WALK = {  # with 02, 13 and 23 two notebooks of each band: what stands below their cells in the end
    "01_spiking_neuron": "picture",
    "10_prepare_data": "picture",
    "12_prune_channels": "picture",
    "24_tab_summary": "table",
    "32_tab_claims": "table",
    "33_fig_tasks": "picture",
}
KINDS = {"picture": "image/png", "table": "text/html"}
SHAPES = """async () => {
    const cells = window.jupyterapp.shell.currentWidget.content;
    const cut = [];
    for (const [number, cell] of cells.widgets.entries()) {
        await cells.scrollToItem(number);
        await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
        const part = cell.model.type === 'code' ? '.cm-scroller' : '.jp-MarkdownOutput';
        const shown = cell.node.querySelector(part);
        if (!shown || shown.scrollWidth > shown.clientWidth + 1) cut.push(cell.model.sharedModel.getSource());
    }
    return cut;
}"""


def no_diff(clone, name: str) -> bool:
    """Of a notebook that teaches, whose outputs are kept: of its code, and of its prose."""
    path = f"notebooks/{name}.ipynb"
    if not name.startswith("0"):
        return git(clone, "diff", "--stat", "--", path) == ""
    texts = (clone / path).read_text(), git(clone, "show", f"HEAD:{path}")
    saved, before = (nbformat.reads(text, as_version=4) for text in texts)
    sources = [[cell.source for cell in each.cells] for each in (saved, before)]
    return teach.digest(saved) == teach.digest(before) and sources[0] == sources[1]


def healthy(run: list) -> None:
    """All cells ran, and nothing below them looks like an error, a warning or a leftover."""
    assert all(cell.execution_count for cell in run)
    assert not [output for cell in run for output in below(cell, "error")]
    streams = [output for cell in run for output in below(cell, "stream")]
    assert not [output.text for output in streams if output.name == "stderr" or "Warning" in output.text]
    told = [output.data for cell in run for output in below(cell, "execute_result")]
    texts = [data["text/plain"] for data in told if "text/html" not in data]
    assert not [text for text in texts if re.match(r"[\[(]*(<matplotlib|Text\()", text)]


def refused(page, clone, name: str) -> None:
    """A study that is not there is one line, and no cell below runs on."""
    [study] = re.findall(r'^study = "(\w+)"$', cells(page, clone, name)[0].source, re.MULTILINE)
    set_parameter(page, f'"{study}"', '"nosuch"')
    command(page, "notebook:run-all-cells")
    [_, second, *rest] = cells(page, clone, name)
    [error] = below(second, "error")
    [line] = error.traceback
    assert "nosuch" in line and "Error: " in line and len(line.splitlines()) == 1
    assert not [cell.source for cell in rest if cell.execution_count and not below(cell, "error")]
    set_parameter(page, '"nosuch"', f'"{study}"')
    cells(page, clone, name)


def walked(page, lab, clone, name: str, kind: str) -> list:
    """The code cells of a notebook that was read, run and saved: nothing cut off, nothing red, no diff."""
    opened(page, lab, name)
    assert page.evaluate(SHAPES) == [], "cut off at the right"
    command(page, "notebook:run-all-cells")
    run = cells(page, clone, name)
    healthy(run)
    assert [cell for cell in run for output in cell.outputs if KINDS[kind] in output.get("data", {})]
    assert no_diff(clone, name)
    return run


@pytest.mark.parametrize("name", WALK)
def test_a_notebook_is_read_run_misused_and_saved_without_a_trace(page, lab, clone, name):
    walked(page, lab, clone, name, WALK[name])
    if not name.startswith("0"):
        refused(page, clone, name)
        assert no_diff(clone, name)


def test_the_notebook_to_start_with_shows_a_figure_and_headings_at_once(page, lab):
    opened(page, lab, "00_start_here")
    first = page.get_by_alt_text("every claim of the small study")
    page.wait_for_function("document.querySelector('.jp-Notebook img')?.naturalWidth > 0")
    assert first.bounding_box()["y"] < 900, "on the first screen"
    page.evaluate("window.jupyterapp.shell.activateById('table-of-contents')")
    page.locator(".jp-TableOfContents-tree").get_by_text("What we found").first.wait_for()


def test_an_item_leads_to_methods_and_the_way_on_to_the_next_notebook(page, lab):
    opened(page, lab, "12_prune_channels")
    page.get_by_role("link", name="A14", exact=True).first.click()
    row = page.locator(".jp-MarkdownViewer td", has_text=re.compile("^A14 ")).first
    row.wait_for()
    page.wait_for_timeout(1000)  # it scrolls there
    assert 0 < row.bounding_box()["y"] < 900
    opened(page, lab, "12_prune_channels")
    command(page, "notebook:move-cursor-down")
    page.evaluate("(nb => nb.scrollToItem(nb.widgets.length - 1))(jupyterapp.shell.currentWidget.content)")
    page.get_by_role("link", name="13_rewire_weights", exact=True).last.click()
    page.wait_for_function("window.jupyterapp.shell.currentWidget.title.label === '13_rewire_weights.ipynb'")


SLIDER = ".jupyter-widgets.widget-slider, .jupyter-widgets.widget-inline-hbox"
PICTURE = "img.widget-image, img.jupyter-widgets"


def test_a_slider_draws_anew(page, lab, clone):
    """02: another ratio, another picture beside the one that stands there without a kernel."""
    walked(page, lab, clone, "02_channel_activity", "picture")
    page.locator(SLIDER).first.scroll_into_view_if_needed()
    before = page.locator(PICTURE).first.get_attribute("src")
    page.locator(SLIDER).first.locator(".noUi-handle").press("ArrowRight")
    page.wait_for_function(
        "([picture, before]) => document.querySelector(picture).src !== before", arg=[PICTURE, before]
    )
    assert page.locator(SLIDER).first.locator(".widget-readout").inner_text() == "0.55"


def test_a_notebook_that_is_opened_and_saved_gives_no_diff(page, lab, clone):
    opened(page, lab, "12_prune_channels")
    cells(page, clone, "12_prune_channels")
    text = (clone / "notebooks" / "12_prune_channels.ipynb").read_text()
    assert "codemirror_mode" in text, "JupyterLab has written it"
    assert no_diff(clone, "12_prune_channels")


def test_a_figure_appears_under_the_cell_that_finishes_it(page, lab, clone):
    run = walked(page, lab, clone, "23_fig_ablation", "picture")
    pictures = [
        cell.source for cell in run for output in cell.outputs if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 1 and "page.finish(" in pictures[0]
    shown = page.locator(".jp-OutputArea-output img").first
    shown.scroll_into_view_if_needed()
    assert shown.evaluate("image => image.complete && image.naturalWidth > image.width && image.width > 500")
    page.get_by_alt_text("ablation").scroll_into_view_if_needed()
    page.wait_for_function(
        "document.querySelector('img[alt=ablation]').naturalWidth > 0"
    )  # the committed one beside it
    refused(page, clone, "23_fig_ablation")
    assert no_diff(clone, "23_fig_ablation")


def test_a_wrong_parameter_is_one_line_and_nothing_runs_on(page, lab, clone):
    name = "13_rewire_weights"
    walked(page, lab, clone, name, "picture")
    assert page.locator(".widget-hprogress, .jupyter-widget-hprogress").count() > 0, "the bar of a training"
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
        page.wait_for_timeout(1000)  # a person is slower than the moment in which an error stops what arrives
    cells(page, clone, name)
    assert no_diff(clone, name), "the parameter is the old one again, and nothing else is seen"
