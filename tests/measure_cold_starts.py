"""How long until somebody sees a first picture, and what it costs to load: make cold-starts. Needs Chromium.

The site: from a warm load of the front page to a picture, beside the same picture by PyTorch with as many threads (one).
It must be there within 5 seconds, and in 4 times PyTorch's time. JupyterLab: from ``make lab`` to the first figure of
notebook 00, everything installed. (What Colab downloads for each notebook is counted by ``make proof-colab``.) Exits with
status 1 if the site is slower than that.
"""

import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from conftest import CHROMIUM
from playwright.sync_api import Browser, sync_playwright
from test_site import served

from course_lib import pretrained
from course_lib.site import __main__ as site

TOP = Path(__file__).parents[1]
PROMPT, ROUNDS = "a red sports car", 5


def site_beside_pytorch(browser: Browser) -> bool:
    """Print both times and their ratio, measured in turns; whether the site is fast enough."""
    torch.set_num_threads(1)
    pipe, loads, drawings, ratios = pretrained.text_to_image(), [], [], []
    with tempfile.TemporaryDirectory() as folder:
        site.fill_easel(Path(folder))
        Path(folder, "index.html").write_text(
            '<div class="course-draw"></div><script type="module" src="draw.js"></script>'
        )
        size = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
        context = browser.new_context()  # with one cache, so that all but the first load are warm
        with served(Path(folder)) as address:
            for number in range(ROUNDS + 1):
                page = context.new_page()
                began = time.perf_counter()
                page.goto(address)
                draw(page)
                first = time.perf_counter() - began
                began = time.perf_counter()
                draw(page)
                again = time.perf_counter() - began
                page.close()
                began = time.perf_counter()
                pipe(PROMPT, seed=1)
                own = time.perf_counter() - began
                if number:
                    loads.append(first)
                    drawings.append(again)
                    ratios.append(again / own)
    seconds, ratio = statistics.median(loads), statistics.median(ratios)
    print(f"The site: {size / 1e6:.1f} MB to load; a warm load and its first picture {seconds:.1f} s; another picture")
    print(f"{statistics.median(drawings):.1f} s, {ratio:.2f} times what PyTorch takes with one thread", flush=True)
    return seconds <= 5 and ratio <= 4


def draw(page) -> None:
    """Press the button, and wait until the picture is there."""
    page.evaluate("document.querySelector('[role=status]').textContent = ''")
    page.get_by_role("button", name="Draw").click()
    page.wait_for_function("document.querySelector('[role=status]').textContent.startsWith('Done')", timeout=120_000)


def lab(browser: Browser) -> None:
    """Print how long JupyterLab takes, from the command in the README to the first figure of its first notebook."""
    began = time.perf_counter()
    options = f"ARGS=--no-browser --port=8967 --ServerApp.root_dir={TOP}"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(["make", "lab", options], cwd=TOP, start_new_session=True, **pipes) as server:
        try:
            printed = (re.search(r"http://localhost\S+\?token=\w+", line) for line in server.stdout)
            address = next(found[0] for found in printed if found)
            print(f"JupyterLab: its address after {time.perf_counter() - began:.1f} s,", end=" ", flush=True)
            page = browser.new_page()
            page.goto(address)
            page.get_by_text("| Idle").wait_for(timeout=120_000)  # the kernel is there
            page.locator(".lm-MenuBar-item").get_by_text("Run", exact=True).click()
            page.locator(".lm-Menu-itemLabel").get_by_text("Run All Cells", exact=True).click()
            page.wait_for_selector(".jp-OutputArea img[src^='data:image/webp']:visible", timeout=300_000)
            print(f"the first figure of notebook 00 after {time.perf_counter() - began:.1f} s", flush=True)
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            server.stdout.read()


def main() -> None:
    if CHROMIUM is None:
        sys.exit("This needs Chromium.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        fast = site_beside_pytorch(browser)
        lab(browser)
        browser.close()
    sys.exit(not fast)


if __name__ == "__main__":
    main()
