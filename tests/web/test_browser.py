"""The page in a real Chromium, beside a real daemon and a real emulator, in real trouble.

Skipped where there is no Chromium with its driver (Debian: chromium, chromium-driver).
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.house import House, cloud, eventually
from tests.test_readme import free_port
from tests.web.test_thumbnails import put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from selenium.webdriver import Chrome

    from tests.e2e.house import Cloud

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c49444154789c63f8cfc000000301010018dd8db00000000049454e44ae426082"
)
"""An image of one red dot."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="no Chromium with its driver is installed (Debian: chromium, chromium-driver)",
    ),
    # What selenium itself warns about is not ours.
    pytest.mark.filterwarnings("default"),
]
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,1600",
)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chrome]:
    """Give a browser that has no memory, and no way out of this host."""
    from selenium import webdriver  # noqa: PLC0415 - only where there is something to drive

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for option in (*OPTIONS, f"--user-data-dir={tmp_path / 'browser'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


class Scene:
    """A running daemon, its cloud, its folder, and the page in a browser."""

    def __init__(self, house: House, emulator: Cloud, url: str, browser: Chrome) -> None:
        self.root = house.root
        self.house = house
        self.cloud = emulator
        self.url = url
        self.browser = browser

    def open(self) -> None:
        """Open the page, and have every violation of its policy remembered."""
        self.browser.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument",
            {
                "source": "window.violations = []; document.addEventListener('securitypolicyviolation',"
                " event => violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"
            },
        )
        self.browser.get(self.url)

    def run(self, script: str) -> Any:
        """Give what a script gives in the page."""
        return self.browser.execute_script(script)

    @property
    def text(self) -> str:
        text: str = self.run("return document.body.innerText")
        return text

    def shows(self, *words: str, seconds: float = 40.0) -> None:
        """Wait until the page shows all these words, by itself."""
        deadline = time.monotonic() + seconds
        while missing := [word for word in words if word not in self.text]:
            assert time.monotonic() < deadline, f"{missing} not in {self.text}"
            time.sleep(0.2)

    def complaints(self) -> list[Any]:
        """Give what the console and the policy say."""
        violations: list[Any] = self.run("return window.violations")
        return [*violations, *(entry["message"] for entry in self.browser.get_log("browser"))]  # type: ignore[no-untyped-call]


@contextmanager
def scene_in(folder: Path, browser: Chrome, **options: Any) -> Iterator[Scene]:
    """Let a daemon and an emulator run, and show their page."""
    port = free_port()
    with cloud(folder / "cloud") as emulator:
        house = House(folder / "house", emulator.url, {"web": {"listen": f"127.0.0.1:{port}"}, **options})
        (house.root / "index.json").write_text("{}")
        with house.started():
            eventually(lambda: "status page: " in house.log.read_text())
            yield Scene(house, emulator, f"http://127.0.0.1:{port}/", browser)


def test_a_day(tmp_path: Path, browser: Chrome) -> None:
    """In sync, then failed files, held deletes, an outage, and well again: the open page says each by itself."""
    guard = {"max_deletes": 3, "max_delete_percent": None}
    with scene_in(tmp_path, browser, guard=guard) as scene:
        for number in range(8):
            (scene.root / f"{number}.txt").write_text(str(number))
        put(scene.root, "img/dot.png", PIXEL)
        scene.open()
        scene.shows("In sync.", "10 files", "index.json")
        assert scene.run("return document.querySelector('.changes img').naturalWidth") == 1
        assert scene.run("return document.getElementById('icon').href").endswith("/icon-well.svg")

        scene.cloud.tell("faults", [{"call": "uploadfile", "kind": "errcode", "errcode": -501007, "key": "*bad*"}])
        (scene.root / "bad.json").write_text("bad")
        scene.shows("1 file was refused for good.", "bad.json", "Invalid argument", "waits for you")

        for number in range(8):
            (scene.root / f"{number}.txt").unlink()
        scene.shows("8 deletes of site wait for you.", "tcbsync approve site --list", "After that: 1 file was refused")
        assert scene.browser.title == "8 deletes of site wait for you · tcbsync"
        assert scene.run("return document.getElementById('news').innerText") == "1 file was refused for good · tcbsync"
        assert scene.run("return document.getElementById('icon').href").endswith("/icon-act.svg")
        command = scene.run("return document.querySelector('#verdict .command').innerText").split()

        scene.cloud.tell("faults", [])
        assert scene.house.command(*command[1:]).returncode == 0
        scene.house.command("retry")
        scene.shows("In sync.", "3 files", "deleted")
        assert scene.complaints() == []

        scene.cloud.stop()
        (scene.root / "new.json").write_text("new")
        scene.shows("The service cannot be reached.")
        assert scene.complaints() == []


def test_names_do_nothing(tmp_path: Path, browser: Chrome) -> None:
    """Files whose names are markup, scripts or marks that turn the direction are shown, and nothing of them runs."""
    with scene_in(tmp_path, browser) as scene:
        names = [
            "<script>document.title='run'<",
            "<img src=x onerror=\"document.title='run'\">.png",
            "\" onmouseover=\"document.title='run'",
            "&lt;b&gt;.txt",
            "two\nlines.txt",
            "\u202egnp.exe",
            "\u5fae\u4fe1.json",
        ]
        scene.cloud.tell("faults", [{"call": "uploadfile", "kind": "errcode", "errcode": -501007, "key": "*onmouse*"}])
        (scene.root / names[0]).mkdir()
        (scene.root / names[0] / "script>.json").write_text("x")
        for name in names[1:]:
            (scene.root / name).write_text("x")
        (scene.root / os.fsdecode(b"half\xff.txt")).write_text("x")
        scene.open()

        scene.shows("1 file was refused", *names[:4], "two\\nlines.txt", "\\u202egnp.exe", names[6], "1 name can never")
        time.sleep(4)  # a refresh goes the same way through a script

        assert scene.browser.title == "1 file was refused for good · tcbsync"
        assert scene.run("return document.querySelectorAll('script').length") == 1
        assert scene.run("return document.querySelectorAll('[onerror], [onmouseover], [style]').length") == 0
        assert scene.complaints() == []


def test_a_refresh_does_not_flicker(tmp_path: Path, browser: Chrome) -> None:
    """What has not changed stays the very element that it was: images, the focus, and what somebody has marked."""
    with scene_in(tmp_path, browser) as scene:
        put(scene.root, "img/dot.png", PIXEL)
        scene.open()
        scene.shows("In sync.", "2 files")
        scene.run(
            "window.image = document.querySelector('.changes img');"
            "window.heading = document.querySelector('h1'); getSelection().selectAllChildren(heading);"
            "window.loads = 0; image.addEventListener('load', () => loads++);"
            "document.querySelector('footer a').focus();"
        )

        (scene.root / "later.json").write_text("1")
        scene.shows("later.json", "3 files")

        assert scene.run("return image === document.querySelector('.changes img')")
        assert scene.run("return heading === document.querySelector('h1')")
        assert scene.run("return [loads, String(getSelection()), document.activeElement.innerText]") == [
            0,
            "In sync.",
            "metrics",
        ]
        assert scene.run("return document.querySelector('.changes .path').title") == "later.json"
        assert scene.complaints() == []


def test_it_says_when_nobody_answers(tmp_path: Path, browser: Chrome) -> None:
    """A page of a daemon that has ended does not look as if all were well."""
    with scene_in(tmp_path, browser) as scene:
        scene.open()
        scene.shows("In sync.")
        assert "does not answer" not in scene.text

    scene.shows("The daemon does not answer; this is what it said last.")
    assert scene.run("return document.body.className") == "stale"


def test_without_scripts(tmp_path: Path, browser: Chrome) -> None:
    """The page says the same, and comes again by itself."""
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    with scene_in(tmp_path, browser) as scene:
        scene.browser.get(scene.url)
        eventually(lambda: "In sync." in scene.browser.page_source)
        (scene.root / "later.json").write_text("1")

        eventually(lambda: "later.json" in scene.browser.page_source)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(tmp_path: Path, browser: Chrome, scheme: str) -> None:
    """Every text stands out from its ground by at least 4.5 to 1, in both schemes (WCAG 2, AA)."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    with scene_in(tmp_path, browser) as scene:
        scene.cloud.tell("faults", [{"call": "uploadfile", "kind": "errcode", "errcode": -501007, "key": "*bad*"}])
        (scene.root / "bad.json").write_text("bad")
        scene.open()
        scene.shows("1 file was refused for good.", "index.json")

        contrasts = scene.run(CONTRASTS)

    assert len(contrasts) > 30
    assert {text: ratio for text, ratio in contrasts.items() if ratio < 4.5} == {}


def test_a_narrow_screen(tmp_path: Path, browser: Chrome) -> None:
    """Nothing is wider than a telephone, whatever a file is called."""
    metrics = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    with scene_in(tmp_path, browser) as scene:
        scene.cloud.tell("faults", [{"call": "uploadfile", "kind": "errcode", "errcode": -501007, "key": "*bad*"}])
        (scene.root / f"bad-{'x' * 200}.json").write_text("bad")
        (scene.root / f"{'y' * 200}.json").write_text("good")
        scene.open()
        scene.shows("1 file was refused for good.", "yyy")

        assert scene.run("return document.documentElement.scrollWidth") == 360


CONTRASTS = """
const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parse = colour => colour.match(/[\\d.]+/g).map(Number);
const ground = element => {
  for (let at = element; at; at = at.parentElement) {
    const colour = parse(getComputedStyle(at).backgroundColor);
    if (colour.length < 4 || colour[3] > 0) return colour;
  }
};
const found = {};
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const element = texts.currentNode.parentElement;
  if (!texts.currentNode.nodeValue.trim() || !element.getClientRects().length || element.closest("svg")) continue;
  const [one, other] = [parse(getComputedStyle(element).color), ground(element)].map(luminance);
  found[texts.currentNode.nodeValue] = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
}
return found;
"""
