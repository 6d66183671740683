"""A JupyterLab on a free port of this machine, a Chromium, and a notebook that has been run in them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("no-sandbox", "disable-gpu", "disable-quic", "disable-sync", "disable-dev-shm-usage")
FLAGS += ("disable-background-networking", "disable-component-update", "no-first-run")
PATIENCE = 120  # seconds for anything at all: a busy machine is slow, and the tests wait for conditions, not for time
DONE = "ALL-DONE"
TRACEBACK = "Traceback (most recent call last)"

expect.set_options(timeout=PATIENCE * 1000)


def pytest_addoption(parser):
    parser.addoption("--screenshots", metavar="DIR", help="keep the pictures of the widgets in this folder")


def pytest_collection_modifyitems(items):
    if CHROMIUM is None:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="no Chromium: apt-get install chromium"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address and notebook folder of a JupyterLab with settings of its own."""
    home, notebooks = tmp_path_factory.mktemp("jupyter"), tmp_path_factory.mktemp("notebooks")
    settings = {
        "config/labconfig/page_config.json": {
            "disabledExtensions": {"@jupyterlab/apputils-extension:announcements": True}
        },
        # Every cell is to be in the page, whether or not it is in view.
        "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    }
    for name, values in settings.items():
        (home / name).parent.mkdir(parents=True)
        (home / name).write_text(json.dumps(values))
    folders = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython",
    }  # fmt: skip
    environment = {**os.environ, **{name: str(home / folder) for name, folder in folders.items()}}
    environment |= {
        "JUPYTER_PREFER_ENV_PATH": "1",
        "PYTHONPATH": str(ROOT),
        "EMOVEC_PROGRESS": str(home / "progress"),
    }
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.ip": "127.0.0.1", "ServerApp.port": port, "ServerApp.port_retries": 0,
        "ServerApp.root_dir": notebooks, "ServerApp.open_browser": False, "ServerApp.allow_root": True,
        "ServerApp.disable_check_xsrf": True, "IdentityProvider.token": "", "LabApp.expose_app_in_browser": True,
    }  # fmt: skip
    command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
    log = home / "log"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, server, log)
        yield url, notebooks
    finally:
        server.terminate()
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
    assert TRACEBACK not in log.read_text(), log.read_text()


def _wait_for(url, server, log):
    deadline = monotonic() + PATIENCE
    while True:
        with suppress(OSError), urllib.request.urlopen(f"{url}/api", timeout=5):
            return
        assert server.poll() is None and monotonic() < deadline, log.read_text()
        sleep(0.1)


@pytest.fixture(scope="module")
def browser():
    # One a module and not one a session: while playwright runs, nothing else in this thread can use asyncio.
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=[f"--{flag}" for flag in FLAGS])
        yield chromium
        chromium.close()


class Notebook:
    """A notebook in a page, its kernel ready."""

    def __init__(self, page, url):
        self.page, self.errors = page, []
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(url)
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext")
        self._wait_for_kernel()

    def _wait_for_kernel(self):
        # What is sent to a kernel that has not answered yet is lost.
        self.page.evaluate(
            """async () => {
                const { context, sessionContext } = window.jupyterapp.shell.currentWidget;
                await context.ready;
                await sessionContext.ready;
                await sessionContext.session.kernel.info;
            }"""
        )
        self.page.wait_for_function(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
        )

    def command(self, name):
        """Start one of JupyterLab's commands; its promise is not awaited, for it may never settle."""
        self.page.evaluate("name => { window.jupyterapp.commands.execute(name); }", name)

    def run_all(self):
        """Run all cells, the last of which says that it is the last, and in which process."""
        said = self.page.locator(".jp-OutputArea-output").get_by_text(DONE)
        before = said.inner_text() if said.count() else None
        self.command("notebook:run-all-cells")
        if before is None:
            said.wait_for()
        else:
            expect(said).not_to_have_text(before)

    def restart(self):
        self.command("notebook:restart-kernel")
        self.page.locator(".jp-Dialog .jp-mod-accept").click()
        self.page.locator(".jp-Dialog").wait_for(state="detached")
        self._wait_for_kernel()

    def execute(self, code):
        """Run code in the kernel, beside the cells."""
        self.page.evaluate(
            "code => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code}).done",
            code,
        )

    def output(self, beginning):
        """The output of the cell whose source begins so."""
        for cell in self.page.locator(".jp-Notebook .jp-CodeCell").all():
            if cell.locator(".cm-content").inner_text().startswith(beginning):
                return cell.locator(".jp-Cell-outputArea")
        raise AssertionError(f"no cell begins with {beginning!r}")

    def check(self):
        """Nothing has gone wrong so far, in the page or in an output."""
        assert not self.errors
        assert not self.page.locator('[data-mime-type="application/vnd.jupyter.error"]').count()
        assert TRACEBACK not in self.page.locator(".jp-Notebook").inner_text()


@pytest.fixture(scope="module")
def open_notebook(lab, browser):
    """A function that makes a notebook of sources of cells, opens it and runs it."""
    url, folder = lab

    @contextmanager
    def open_and_run(sources):
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        cells = [*sources, f"import os\nprint('{DONE}', os.getpid())"]
        notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
        notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
        nbformat.write(notebook, folder / "widgets.ipynb")
        page = browser.new_page(viewport={"width": 1000, "height": 1400})
        opened = Notebook(page, f"{url}/doc/tree/widgets.ipynb?reset")
        opened.run_all()
        yield opened
        page.close()

    return open_and_run


@pytest.fixture(scope="session")
def picture(request, tmp_path_factory):
    """A function that takes a picture of what a cell shows, with a little margin, under a name."""
    kept = request.config.getoption("--screenshots", default=None)
    folder = Path(kept) if kept else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)

    def take(output, name):
        path = folder / f"{name}.png"
        output.page.mouse.move(0, 0)  # or what is under the pointer looks pointed at
        margin = ".jp-OutputArea-output > .widget-vbox {padding: 12px; background: white}"
        output.locator(".widget-vbox").first.screenshot(path=path, style=margin)
        assert path.stat().st_size < 150_000

    return take
