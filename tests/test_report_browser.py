"""The page of a report in a browser, opened from the disk as a person opens it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from ablate.report.content import content_of
from ablate.report.faces import write_report
from tests.recorded import recorded, with_layers

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: pip install selenium")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --window-size=1200,900"
)
HOSTILE = "<script>document.title='taken'</script>"

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="there is no Chromium with its driver: apt-get install chromium chromium-driver"
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("browser")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS.split(), f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    levels = {"norm": ["bn", HOSTILE], "act": ["relu", "sigmoid"]}
    sweep = with_layers(recorded(folder, levels, failed=[(0, 3)]), {"00000002": 0.71, "00000003": 0.6})
    page, *_ = write_report(content_of(sweep))
    driver.set_script_timeout(60)
    driver.get(page.as_uri())
    wait_for(driver, "document.documentElement.dataset.charts === 'ready'")
    yield driver
    driver.quit()


def wait_for(browser: Any, condition: str) -> None:
    """Wait until an expression is true; a browser that waits for longer than a minute fails the test."""
    browser.execute_async_script(
        f"const done = arguments[0]; const look = () => ({condition}) ? done() : setTimeout(look, 50); look();"
    )


def column(browser: Any, number: int) -> list[str]:
    """Return the visible cells of a column of the table of arms."""
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll('#arms tbody tr')].filter((row) => !row.hidden)"
        f".map((row) => row.cells[{number}].textContent)"
    )
    return found


def test_every_chart_is_drawn_without_an_error_or_a_request(browser: Any) -> None:
    number = len(browser.find_elements("css selector", ".chart"))
    assert number == 4 + 4 + 2
    for at in range(number):
        browser.execute_script(f"document.querySelectorAll('.chart')[{at}].scrollIntoView()")
        wait_for(browser, f"document.querySelectorAll('.chart')[{at}].dataset.drawn")
    drawn = "[...document.querySelectorAll('.canvas')].filter((one) => one.querySelector('path.point')).length"
    assert browser.execute_script(f"return {drawn}") == number
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [one["params"] for one in events if one["method"] == "Network.requestWillBeSent"]
    asked = [one["request"]["url"] for one in sent if one["documentURL"] == browser.current_url]
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "blob"}
    assert [url for url in asked if url.startswith("file")] == [browser.current_url]


def test_what_users_named_is_text(browser: Any) -> None:
    assert browser.title == "made-up: ablation report"
    assert HOSTILE in column(browser, 0)


def test_what_is_wrong_in_the_layers_stands_with_its_arm_and_its_opposite(browser: Any) -> None:
    lines = "return [...document.querySelectorAll('#layers li')].map((one) => one.innerText)"
    first, second, both = browser.execute_script(lines)
    assert first == f"dead units norm={HOSTILE},act=relu: layer layer 2: 71% dead units from step 40."
    assert second.startswith(f"dead units norm={HOSTILE},act=sigmoid: layer layer 2: 60%")
    assert both == f"Dead units: in 2 of 4 arms: in all with norm={HOSTILE}, in none with norm=bn."
    (verdict, *_) = browser.find_elements("css selector", "#layers .verdict.bad")
    assert verdict.value_of_css_property("border-style") == "double"
    assert browser.find_element("css selector", "nav a[href='#layers']").text == "Layers"


def test_nothing_is_wider_than_a_phone(browser: Any) -> None:
    phone = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        wait_for(browser, "document.documentElement.scrollWidth <= 390")
        wait_for(browser, "[...document.querySelectorAll('.canvas svg')].every((one) => one.clientWidth <= 390)")
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_head_sorts_the_table_by_click_and_by_key(browser: Any) -> None:
    heads = browser.find_elements("css selector", "#arms th button")
    at = next(number for number, head in enumerate(heads) if head.text.startswith("best"))
    browser.execute_script("arguments[0].click()", heads[at])
    rising = [float(cell.split()[0]) for cell in column(browser, at)]
    assert rising == sorted(rising)
    assert heads[at].find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    heads[at].send_keys("\ue007")  # Enter
    falling = [float(cell.split()[0]) for cell in column(browser, at)]
    assert falling == rising[::-1]
    assert heads[at].find_element("xpath", "..").get_attribute("aria-sort") == "descending"


def test_words_filter_the_table(browser: Any) -> None:
    box = browser.find_element("css selector", "#arms input")
    browser.execute_script("arguments[0].scrollIntoView()", box)
    box.send_keys("act=SIGMOID bn")
    assert column(browser, 1) == ["sigmoid"]
    assert browser.find_element("css selector", "#arms output").text == "1 of 4"
    box.send_keys(" nothing-like-this")
    assert column(browser, 1) == []
    box.clear()
    box.send_keys(" ")
    assert len(column(browser, 1)) == 4


def test_a_line_is_switched_off_and_on_by_its_button(browser: Any) -> None:
    browser.execute_script("document.querySelector('#convergence .chart').scrollIntoView()")
    wait_for(browser, "document.querySelector('#convergence .chart').dataset.drawn")
    lines = "document.querySelector('#convergence .chart').querySelectorAll('.scatterlayer .trace').length"
    assert browser.execute_script(f"return {lines}") == 4  # two means, two bands
    button = browser.find_element("css selector", "#convergence .legend button")
    button.send_keys(" ")
    wait_for(browser, f"{lines} === 2")
    assert button.get_attribute("aria-pressed") == "false"
    button.send_keys(" ")
    wait_for(browser, f"{lines} === 4")
    assert button.get_attribute("aria-pressed") == "true"


def test_the_dark_page_has_dark_ground_and_light_words_in_the_charts_too(browser: Any) -> None:
    browser.execute_script("document.querySelector('#effects .chart').scrollIntoView()")
    wait_for(browser, "document.querySelector('#effects .chart').dataset.drawn")
    fill = "getComputedStyle(document.querySelector('#effects .annotation-text')).fill"
    before = browser.execute_script(f"return {fill}")
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    wait_for(browser, f"{fill} !== '{before}'")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert browser.execute_script(f"return {fill}") == "rgb(232, 234, 236)"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_on_paper_there_are_pictures_and_no_controls(browser: Any) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = "return [...document.querySelectorAll('{}')].filter((one) => one.getClientRects().length).length"
    assert browser.execute_script(shown.format(".static")) == len(browser.find_elements("css selector", "figure"))
    assert browser.execute_script(shown.format("nav, .filter, .canvas, .legend button")) == 0
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
