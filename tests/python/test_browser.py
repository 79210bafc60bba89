"""tests/python/browser.py: what the tests of pages rely on."""


def test_scripts_run_and_errors_are_seen(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p id='p'></p><script>document.all.p.textContent = 6 * 7; wrong()</script>")
    loaded = browser.load(page)
    assert '<p id="p">42</p>' in loaded.dom
    assert any("wrong is not defined" in line for line in loaded.console)


def test_requests_are_seen_and_not_answered(browser, tmp_path):
    page = tmp_path / "page.html"
    (tmp_path / "beside.js").write_text("document.title = 'beside'")
    page.write_text(
        "<script src='beside.js'></script><script src='https://example.com/library.js'></script>"
        "<script>fetch('https://example.com/data.json').catch(() => {})</script>"
    )
    loaded = browser.load(page)
    assert "<title>beside</title>" in loaded.dom
    assert sorted(loaded.requests) == [
        "https://example.com/data.json",
        "https://example.com/library.js",
    ]


def test_pictures_and_prints_are_written(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<p>text</p>")
    browser.screenshot(page, tmp_path / "page.png", 300, 200)
    browser.print(page, tmp_path / "page.pdf")
    assert (tmp_path / "page.png").read_bytes()[16:24].hex() == f"{300:08x}{200:08x}"
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def test_picture_of_a_section_shows_nothing_else(browser, tmp_path):
    head, one, two = (
        "<head></head>",
        "<section id='one'>one</section>",
        "<section id='two'>two</section>",
    )
    for name, html in (("both", head + one + two), ("alone", head + two)):
        (tmp_path / f"{name}.html").write_text(html)
        picture = tmp_path / f"{name}.png"
        browser.screenshot(tmp_path / f"{name}.html", picture, 300, 200, "two" * (name == "both"))
    assert (tmp_path / "both.png").read_bytes() == (tmp_path / "alone.png").read_bytes()
