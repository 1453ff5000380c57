"""Playing: drawings become images of the model's data, all backends answer alike, and the duel is fair; in a real browser."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from backproof.cli import app
from comparisons.datasets import load_dataset
from comparisons.playing.answers import Agreement, Panel, agreement
from comparisons.playing.drawing import fit, frame_of
from comparisons.playing.duel import EARLY, choices
from comparisons.playing.game import prepare
from comparisons.trainer import Trainer
from reports.half_blocks import half_blocks
from tests.test_page import chromium, needs_chromium

SMALL = {
    "ten": {"network": {"hidden": [32]}, "training": {"epochs": 5, "batch_size": 20, "dtype": "float32"}},
    "two": {
        "data": {"classes": [3, 8]},
        "network": {"hidden": [16], "outputs": 1},
        "loss": {"name": "binary_cross_entropy"},
        "training": {"epochs": 4, "dtype": "float32"},
    },
    "eight": {"data": {"name": "digits"}, "network": {"hidden": [24]}, "training": {"epochs": 12, "dtype": "float32"}},
}


@pytest.fixture(scope="session")
def files(tmp_path_factory, mnist_5k, digits):
    """A trained model of every kind, as files: ten digits, two with one output, and 8 x 8 pixels."""
    folder = tmp_path_factory.mktemp("models")
    for name, overrides in SMALL.items():
        data = {"data": digits if name == "eight" else mnist_5k}
        Trainer("default", overrides=overrides | {"title": f"model {name} <b>&"}, **data).run().trained().save(folder / name)
    return {name: folder / name for name in SMALL}


@pytest.fixture(autouse=True)
def _data_loaded_once(monkeypatch, mnist_5k, digits):
    """The commands that run in this process get the session's data sets."""
    there = {"mnist-5k": mnist_5k, "digits": digits}
    monkeypatch.setattr(
        "comparisons.playing.game.load_dataset",
        lambda name, data_dir: there[name] if name in there and data_dir is None else load_dataset(name, data_dir),
    )


# ---- drawings


@pytest.mark.parametrize("name", ["mnist-5k", "digits"])
def test_an_image_of_the_data_set_that_is_enlarged_as_a_drawing_comes_back_bit_for_bit(name, mnist_5k, digits):
    """Of the 8 x 8 digits only those that stand in the middle: theirs were centred before they were reduced to 8 pixels."""
    data = digits if name == "digits" else mnist_5k
    side = math.isqrt(data.test_images.shape[1])
    frame = frame_of(name, side)
    same = 0
    for image in data.test_images:
        drawing = np.kron(image.reshape(side, side), np.ones((10, 10)))
        expected = np.rint(image / image.max() * frame.levels) / frame.levels
        columns = np.flatnonzero(image.reshape(side, side).any(axis=0))
        in_the_middle = columns[0] == (side - len(range(columns[0], columns[-1] + 1))) // 2
        equal = np.array_equal(fit(drawing, frame), expected.astype(np.float32))
        assert equal == (name == "mnist-5k" or in_the_middle)
        same += equal
    assert same > len(data.test_images) / 2


@pytest.mark.parametrize("side", [8, 14, 28, 32])
@pytest.mark.parametrize("data", ["mnist", "digits"])
def test_any_drawing_fits_and_where_it_was_drawn_does_not_matter(data, side, rng):
    frame = frame_of(data, side)
    for height, width in ((1, 1), (1, 90), (90, 1), (3, 2), (280, 280), (60, 110)):
        ink = rng.uniform(0.1, 1, (height, width))
        images = []
        for top, left in ((0, 0), (280 - height, 280 - width)):
            drawing = np.zeros((280, 280))
            drawing[top : top + height, left : left + width] = ink
            images.append(fit(drawing, frame).reshape(side, side))
        assert np.array_equal(*images)
        used = [np.flatnonzero(images[0].any(axis=axis)) for axis in (1, 0)]
        assert max(rows[-1] - rows[0] + 1 for rows in used) == frame.box
        assert images[0].max() == 1
        assert images[0].min() == 0 or data == "digits"
    assert not fit(np.zeros((280, 280)), frame).any()


# ---- answers


@pytest.mark.parametrize("change", [1e-6, 1e-3])
def test_a_backend_that_computes_something_else_is_named(files, change):
    game = prepare(files["ten"], seed=0)
    right, other = (
        Panel(game.model, ["numpy"]),
        Panel(replace(game.model, parameters=game.model.parameters * np.float32(1 + change)), ["numpy"]),
    )
    image = game.data.test_images[0]
    answers = [panel.load("numpy") and panel.ask("numpy", image) for panel in (right, right, other)]
    answers = [replace(answer, title=title) for answer, title in zip(answers, ("NumPy", "Twin", "Planted"), strict=True)]
    agreed = agreement(answers)
    assert agreed.ladder.verdict == "wrong"
    assert "Planted" in agreed.pair
    assert " differ, " in agreed.sentence()
    assert "one of the two computes something else" in agreed.sentence()
    assert agreement(answers[:2]).sentence() == "All answer with the same bits."
    assert agreement(answers[:1]) is None


def test_a_backend_that_is_missing_or_fails_says_so_and_keeps_no_other_from_answering(files, monkeypatch):
    from backends import BackendUnavailable
    from comparisons.playing import answers

    def loader(name):
        raise BackendUnavailable("it is not here. Install it.") if name == "torch" else RuntimeError("broken")

    panel = Panel(prepare(files["ten"]).model, ["numpy", "torch", "other"])
    panel.load("numpy")
    monkeypatch.setattr(answers, "load_backend", loader)
    assert panel.load("torch").note == "it is not here. Install it."
    assert "broken" in panel.load("other").note
    assert panel.ready == ["numpy"]


# ---- the duel


@pytest.mark.parametrize("kind", list(SMALL))
def test_a_duel_deals_every_test_digit_once_and_counts_both(kind, files):
    game = prepare(files[kind], seed=5)
    panel = Panel(game.model, ["numpy"])
    panel.load("numpy")
    duel, again = (game.duel(panel.machine("numpy")) for _ in range(2))
    seen, right = set(), 0
    for played in range(40):
        image = duel.image
        assert np.array_equal(image, again.image)
        again.deal()
        seen.add(image.tobytes())
        done = duel.guess(duel.labels[played % len(duel.labels)])
        right += done.person == done.truth
        assert done.truth in game.model.labels
        assert done.machine == game.model.classify(image[None])[0]
        assert bool(duel.worth()) == (played + 1 >= EARLY)
    assert (duel.played, duel.person) == (40, right)
    assert len(seen) == 40
    assert duel.machine >= 25
    assert duel.machine > duel.person
    assert "30" in duel.worth()


def test_a_network_that_has_diverged_plays_as_well(files, tmp_path):
    model = prepare(files["two"]).model
    replace(model, parameters=model.parameters * np.float32("nan")).save(tmp_path / "diverged")
    done = play(tmp_path / "diverged", typed="3\n8\n")
    assert done.exit_code == 0, done.output
    assert "after 2 digits" in done.output


def test_labels_are_said_as_people_do():
    assert [choices(labels) for labels in ((0, 1, 2), (3, 8), (1, 3, 8), (7,))] == ["0 to 2", "3 or 8", "1, 3 or 8", "7"]


# ---- the terminal


def play(*arguments, typed=""):
    return CliRunner().invoke(app, ["play", *map(str, arguments)], input=typed)


def test_a_duel_through_a_pipe(files):
    done = play(files["two"], "--seed", 1, typed="3\nnine\n\n9\n8\nq\n")
    assert done.exit_code == 0, done.output
    assert "model two <b>&: 200 test images of mnist-5k, seed 1." in done.output
    for sentence in ('"nine" is not one of them. Type 3 or 8, or q to stop.', "Nothing was typed.", '"9" is not one of them.'):
        assert sentence in done.output
    assert done.output.count("It is a") == 2
    assert re.search(r"You +3 +(right|wrong)\nNumPy +[38] +(right|wrong)\n", done.output)
    assert re.search(r"  [38] [█▏▎▍▌▋▊▉]+ +\d+\.\d %", done.output)
    assert "after 2 digits" in done.output
    assert done.output == play(files["two"], "--seed", 1, typed="3\nnine\n\n9\n8\nq\n").output
    assert play(files["two"], "--seed", 2, typed="q\n").output != play(files["two"], "--seed", 3, typed="q\n").output


def test_the_score_is_weighed_by_the_rule_of_30(files):
    done = play(files["eight"], "--seed", 0, typed="0\n" * 20)  # and the input ends without a q
    assert done.exit_code == 0
    assert (
        done.output.count("with so few examples no difference can be trusted; it takes 30.") == 3
    )  # after 10, 20, and at the end
    assert "out of" not in done.output


def test_no_guess_is_too_long(files):
    assert play(files["eight"], typed="9" * 5000 + "\nq\n").exit_code == 0


def test_ctrl_c_shows_the_score(files, monkeypatch):
    typed = iter(["3", KeyboardInterrupt()])

    def reads(*_):
        if isinstance(answer := next(typed), BaseException):
            raise answer
        return answer

    monkeypatch.setattr("builtins.input", reads)
    done = play(files["two"], "--seed", 1)
    assert done.exit_code == 130
    assert "after 1 digit\n" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "no model to play with. Train one with backproof train 001-he-relu-adam --save model.safetensors"),
        (["nothing.safetensors"], "nothing.safetensors: there is no such file. Train one"),
        ([__file__], "no safetensors file"),
        (["ten", "--backends", "numpi"], '--backends: there is no "numpi". Choose among numpy'),
        (["ten", "--backends", "numpy,torch"], "in the terminal one machine plays"),
        (["ten", "--data", "digits"], "the images of digits have 64 pixels, but the model takes 784"),
        (["ten", "--data", "mnist", "--data-dir", "/nowhere"], "/nowhere: there is no such folder"),
    ],
)
def test_what_cannot_be_played_is_said_in_a_sentence(arguments, words, files):
    done = play(*(files.get(argument, argument) for argument in arguments))
    assert done.exit_code == 2
    assert words in done.output.replace("\n", " ")
    assert "Traceback" not in done.output


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_in_a_terminal_there_are_grey_levels_and_ctrl_c_ends_the_duel(files):
    import pty

    terminal, other_end = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "backproof", "play", str(files["eight"]), "--seed", "1"],
        **dict.fromkeys(("stdin", "stdout", "stderr"), other_end),
        env=environment | {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    )

    def read_until(text):
        shown = ""
        while text not in shown:
            shown += os.read(terminal, 4096).decode(errors="replace")
        return shown

    shown = read_until("(q stops) ")
    os.write(terminal, b"7\r")
    shown += read_until("(q stops) ")
    process.send_signal(signal.SIGINT)
    shown += read_until("after 1 digit\r\n")
    assert process.wait(timeout=30) == 130
    assert re.search(r"\x1b\[38;2;(\d+);\1;\1;48;2;(\d+);\2;\2m▀", shown)
    assert "It is a " in shown
    os.close(terminal)
    os.close(other_end)


@pytest.mark.parametrize(("encoding", "blocks"), [("utf-8", "▀▄█"), ("ascii", '"_#')])
def test_a_digit_in_half_blocks(encoding, blocks, tmp_path):
    image = np.zeros((4, 30))
    image[0, 0] = image[1, 1] = image[:, 2] = 1
    with (tmp_path / "out").open("w", encoding=encoding) as file:
        plain = half_blocks(image, Console(file=file)).plain
        assert plain.split("\n")[0].rstrip() == blocks
        assert len(plain.split("\n")) == 2
        colours = half_blocks(image, Console(file=file, force_terminal=True, color_system="truecolor"))
    assert {str(span.style) for span in colours.spans} >= {"#ffffff on #000000", "#000000 on #ffffff", "#ffffff on #ffffff"}
    small = half_blocks(np.eye(8), Console(file=None, color_system=None)).plain.split("\n")
    assert (len(small), len(small[0])) == (12, 24)


# ---- the page


@contextmanager
def served(*arguments):
    """The address of a page that the real command serves; stopped with Ctrl-C, which must be clean."""
    command = [sys.executable, "-m", "backproof", "play", *map(str, arguments), "--web"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        assert "http://127.0.0.1:" in line, line + process.stderr.read()
        yield line.split()[-1]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out, err) == (0, "Stopped.\n", "")
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def address(files):
    with served(files["ten"], "--seed", 4) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@contextmanager
def opened(browser, address, ready, **options):
    """The page once that many backends are ready; nothing may go wrong on it, and nothing may come from elsewhere."""
    context = browser.new_context(viewport={"width": 1600, "height": 900}, **options)
    tab = context.new_page()
    errors = []
    # Reading a picture back is the tests' own doing.
    noted = lambda message: message.type in ("error", "warning") and "readback" not in message.text  # noqa: E731
    tab.on("console", lambda message: errors.append(message.text) if noted(message) else None)
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("request", lambda request: errors.append(request.url) if not request.url.startswith((address, "data:")) else None)
    tab.goto(address)
    until(tab, f"document.querySelectorAll('.answer[data-state=ready]').length >= {ready}")
    yield tab
    assert errors == []
    context.close()


def until(tab, expression, seconds=120):
    """Wait for something to be true on the page; its policy forbids playwright's own way, which evaluates text in it."""
    deadline = time.monotonic() + seconds
    while not tab.evaluate(expression):
        assert time.monotonic() < deadline, expression
        tab.wait_for_timeout(20)


ONE = [[(0.5, 0.1), (0.5, 0.9)]]
ZERO = [[(0.5 + 0.25 * math.sin(angle / 10), 0.5 - 0.38 * math.cos(angle / 10)) for angle in range(64)]]
SEVEN = [[(0.25, 0.15), (0.75, 0.15), (0.45, 0.9)]]


def draw(tab, strokes):
    """With the mouse."""
    box = tab.locator("#canvas").bounding_box()
    for stroke in strokes:
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]
        tab.mouse.move(*points[0])
        tab.mouse.down()
        for point in points[1:]:
            tab.mouse.move(*point, steps=4)
        tab.mouse.up()


def touch(tab, strokes):
    """With a finger."""
    box = tab.locator("#canvas").bounding_box()
    session = tab.context.new_cdp_session(tab)
    for stroke in strokes:
        points = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in stroke]
        session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": points[:1]})
        for point in points[1:]:
            session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def with_keys(tab, moves):
    """With the keyboard: a string of spaces and of the arrows' first letters."""
    tab.locator("#canvas").focus()
    keys = {"l": "ArrowLeft", "r": "ArrowRight", "u": "ArrowUp", "d": "ArrowDown", " ": "Space"}
    for move in moves:
        tab.keyboard.press(keys[move])


def answers(tab):
    """What the backends say, once no drawing is left to be answered."""
    until(tab, "!awaited && !changed && document.querySelector('.said')?.textContent")
    return tab.locator(".said").all_inner_texts()


@needs_chromium
@pytest.mark.parametrize(("strokes", "digit"), [(ONE, "1"), (ZERO, "0"), (SEVEN, "7")])
def test_a_drawing_is_read_alike_by_all_backends(strokes, digit, browser, address):
    with opened(browser, address, 4) as tab:
        draw(tab, strokes)
        assert answers(tab) == [digit] * 4
        assert tab.locator("#agreement").inner_text().startswith(f"All say {digit}. ")
        assert tab.locator("#agreement").get_attribute("data-verdict") in ("rounding", "exact")
        assert tab.locator(".answer h2 span").all_inner_texts() == ["NumPy", "JAX", "Keras", "PyTorch"]
        assert all(re.fullmatch(r"[\d.]+(e\+\d)? ms", text) for text in tab.locator(".answer h2 small").all_inner_texts())
        widths = tab.evaluate("[...document.querySelectorAll('.bar')].map(bar => bar.firstChild.clientWidth / bar.clientWidth)")
        shown = [float(text.strip(" %")) / 100 for text in tab.locator(".share").all_inner_texts()]
        assert len(widths) == len(shown) == 40
        assert all(abs(width - share) < 0.02 for width, share in zip(widths, shown, strict=True))  # a pixel of about 90
        seen = tab.evaluate("[...document.getElementById('seen').getContext('2d').getImageData(0, 0, 28, 28).data]")[3::4]
        used = [np.flatnonzero(np.array(seen).reshape(28, 28).any(axis=axis)) for axis in (0, 1)]
        assert max(rows[-1] - rows[0] + 1 for rows in used) == 20
        tab.click("#clear")
        assert answers_gone(tab)
        draw(tab, ONE)
        assert answers(tab) == ["1"] * 4


def answers_gone(tab):
    return tab.locator(".said").all_inner_texts() == [""] * 4 and tab.locator("#agreement").inner_text() == ""


@needs_chromium
def test_a_finger_draws_and_the_page_does_not_scroll(browser, address):
    with opened(browser, address, 4, has_touch=True, is_mobile=True) as tab:
        tab.set_viewport_size({"width": 400, "height": 600})
        tab.evaluate("document.documentElement.scrollTop = 60")
        before = tab.evaluate("scrollY")
        touch(tab, ZERO)
        assert answers(tab) == ["0"] * 4
        assert tab.evaluate("scrollY") == before
        assert tab.evaluate("document.documentElement.scrollWidth") <= 400


@needs_chromium
def test_the_keyboard_draws(browser, address):
    with opened(browser, address, 4) as tab:
        with_keys(tab, "u" * 3 + " " + "d" * 18 + " ")
        assert answers(tab) == ["1"] * 4
        pen, paper = (tab.locator(place).bounding_box() for place in ("#pen", "#canvas"))
        assert abs((pen["y"] + pen["height"] / 2 - paper["y"]) / paper["height"] - (70 - 30 + 180) / 280) < 0.02
        tab.keyboard.press("Delete")
        assert answers_gone(tab)


@needs_chromium
@pytest.mark.parametrize("width", [400, 1600])
def test_a_duel_by_keys_and_by_buttons(width, browser, address, files):
    game = prepare(files["ten"], seed=4)
    panel = Panel(game.model, ["numpy"])
    panel.load("numpy")
    expected = game.duel(panel.machine("numpy"))
    with opened(browser, address, 4) as tab:
        tab.set_viewport_size({"width": width, "height": 800})
        tab.locator("#tab-draw").focus()
        tab.keyboard.press("ArrowRight")
        assert tab.evaluate("document.activeElement.id") == "tab-duel"
        for number in range(12):
            shown = tab.evaluate("[...document.getElementById('dealt').getContext('2d').getImageData(0, 0, 28, 28).data]")[3::4]
            assert np.array_equal(np.array(shown), np.rint(255 * expected.image))
            done = expected.guess(number % 10)
            if number % 2:
                tab.click(f"#choices button:text-is('{number % 10}')")
            else:
                tab.keyboard.press(str(number % 10))
            tab.wait_for_selector("#next:not([hidden])")
            text = tab.locator("#round").inner_text()
            assert f"It is a {done.truth}." in text
            assert f"NumPy: {done.machine} {'✓ right' if done.machine_right else '✗ wrong'}" in text
            assert f"You: {number % 10} {'✓ right' if done.person_right else '✗ wrong'}" in text
            tab.keyboard.press("3")  # no second guess at the same digit
            assert tab.locator("#score").inner_text().split() == [
                *("You", str(expected.person), ":", str(expected.machine), "NumPy,", "after", str(number + 1))
            ]
            tab.keyboard.press("Enter")  # the button to go on has the focus
            assert tab.locator("#next").is_hidden()
        assert "it takes 30" in tab.locator("#worth").inner_text()
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


@needs_chromium
@pytest.mark.parametrize(("kind", "labels", "strokes", "digit"), [("two", [3, 8], None, None), ("eight", range(10), ZERO, "0")])
def test_other_labels_and_other_sizes(kind, labels, strokes, digit, browser, files):
    with served(files[kind], "--backends", "numpy") as address, opened(browser, address, 1) as tab:
        draw(tab, strokes or ZERO)
        said = answers(tab)
        assert said == [digit] if digit else int(said[0]) in labels
        assert tab.locator(".bars li").count() == len(labels)
        assert tab.locator("h1").inner_text() == f"model {kind} <b>&"
        tab.click("#tab-duel")
        assert tab.locator("#choices button").all_inner_texts() == [str(label) for label in labels]
        tab.keyboard.press("8")
        tab.wait_for_selector("#next:not([hidden])")


@needs_chromium
def test_a_page_whose_server_is_gone_says_so(browser, files):
    with served(files["eight"], "--backends", "numpy") as address:
        tab = browser.new_page()
        tab.goto(address)
        tab.wait_for_selector(".answer[data-state=ready]")
    tab.wait_for_selector("#trouble:not([hidden])")
    assert "Start it again and reload" in tab.locator("#trouble").inner_text()
    tab.close()


def test_only_this_computer_gets_an_answer(address):
    import http.client

    port = int(address.rsplit(":", 1)[1].strip("/"))
    for host, status in (
        ("127.0.0.1", 200),
        (f"localhost:{port}", 200),
        ("example.com", 400),
        (f"127.0.0.1.example.com:{port}", 400),
    ):
        for path in ("/", "/play.js", "/live"):
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request("GET", path, headers={"Host": host})
            response = connection.getresponse()
            response.read()
            connection.close()
            assert response.status == (404 if path == "/live" and status == 200 else status), (host, path)


def websocket(address, **options):
    from websockets.sync.client import connect

    return connect(address.replace("http", "ws") + "live", open_timeout=30, **options)


@pytest.mark.parametrize("options", [{"origin": "http://example.com"}, {"additional_headers": {"Host": "example.com"}}])
def test_a_page_of_another_site_gets_no_websocket(options, address):
    from websockets.exceptions import InvalidStatus

    with pytest.raises(InvalidStatus, match="HTTP 40"), websocket(address, **options):
        pass


def test_the_test_images_drawn_on_the_canvas_are_read_as_the_model_reads_them(address, files):
    game = prepare(files["ten"])
    images = game.data.test_images[:30]
    images = images[images.max(axis=1) == 1]  # a drawing's brightest pixel is always white
    with websocket(address) as connection:
        while {member["state"] for member in received(connection, "backends")["backends"]} != {"ready"}:
            pass
        for image, digit in zip(images, game.model.classify(images), strict=True):
            levels = np.rint(255 * image).astype(np.uint8)
            connection.send(np.kron(levels.reshape(28, 28), np.ones((10, 10), np.uint8)).tobytes())
            reply = received(connection, "answers")
            assert reply["image"] == levels.tolist()
            assert [answer["label"] for answer in reply["answers"]] == [digit] * 4
            assert reply["agreement"]["verdict"] in ("exact", "rounding")


def test_a_message_that_is_none_is_answered_with_a_sentence(address):
    with websocket(address) as connection:
        deadline = time.monotonic() + 60
        while not any(member["state"] == "ready" for member in received(connection, "backends")["backends"]):
            assert time.monotonic() < deadline
        for message, words in (
            (b"123", "A drawing has 280 x 280 bytes, not 3"),
            ("no json", "neither a drawing"),
            (json.dumps({"kind": "guess", "label": 12}), "neither a drawing"),
            (json.dumps({"kind": "guess", "label": "7"}), "neither a drawing"),
            (json.dumps([1]), "neither a drawing"),
        ):
            connection.send(message)
            assert words in received(connection, "error")["sentence"]
        connection.send(bytes(280 * 280))  # nothing drawn is a drawing too
        assert len(received(connection, "answers")["answers"]) >= 1


def received(connection, kind):
    while True:
        message = json.loads(connection.recv(timeout=60))
        if message["kind"] == kind:
            return message


def test_a_port_that_is_taken_is_named(files, address):
    port = address.rsplit(":", 1)[1].strip("/")
    done = play(files["two"], "--web", "--port", port)
    assert done.exit_code == 2
    assert f"port {port} cannot be used" in done.output


def test_ctrl_c_does_not_wait_for_a_framework_that_loads(files):
    with served(files["eight"], "--backends", "numpy,keras") as address, websocket(address) as connection:
        while received(connection, "backends")["backends"][1]["state"] != "loading":
            pass


def test_a_verdict_that_cannot_be_told_is_no_guess():
    from comparisons.ladder import judge

    agreed = Agreement(("A", "B"), judge({"float32": float("inf"), "float64": 1e-16}))
    assert "cannot be told: not finite in float32" in agreed.sentence()
