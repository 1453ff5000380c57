"""The page to draw on: an application on 127.0.0.1, with one websocket for every page that is open.

A page sends a drawing as bytes, one per pixel of its canvas, or `{"kind": "guess", "label": 7}`. It is told how far the
backends are, what they answer, and how a guess turned out. Every backend has a thread of its own, in which it is loaded and
asked: frameworks keep settings per thread, and one that loads for seconds keeps no other from answering.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
import uvicorn
from rich.console import Console
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from comparisons.playing.answers import Panel, agreement
from comparisons.playing.drawing import fit
from comparisons.playing.duel import Duel, choices
from comparisons.playing.game import Game
from reports import play_page
from scratch.arrays import Array

HOST = "127.0.0.1"
CANVAS = 280
"""Pixels of the canvas's edge."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Result = TypeVar("Result")


class ServingError(Exception):
    """The page cannot be served. The message is one sentence on what is wrong and one on what to do."""


def serve(game: Game, backends: list[str], port: int, console: Console) -> None:
    """Serve the page until Ctrl-C; port 0 takes a free one. Raises ServingError where the port cannot be used."""
    listener = socket.socket()
    if os.name == "posix":  # a port that was in use a moment ago is free
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ServingError(
            f"port {port} cannot be used: {error.strerror}. Choose another with --port, or leave it out."
        ) from error
    table = Table(game, backends)
    console.print(f"{game.title}: seed {game.seed}. The page, until Ctrl-C: ", markup=False, soft_wrap=True, end="")
    console.print(f"http://{HOST}:{listener.getsockname()[1]}/", markup=False, soft_wrap=True)
    config = uvicorn.Config(
        application(table),
        log_level="error",
        access_log=False,
        server_header=False,
        ws="websockets-sansio",
        ws_max_size=2 * CANVAS**2,
        timeout_graceful_shutdown=1,
    )
    with contextlib.suppress(KeyboardInterrupt), listener:
        uvicorn.Server(config).run(sockets=[listener])
    console.print("Stopped.")
    if table.loading:
        # A framework cannot be stopped while it loads, and nothing of ours is left to be written: do not wait for it.
        sys.stdout.flush()
        os._exit(0)


class Table:
    """What all pages share: the game, the backends with their threads, and the news that one of them has become ready."""

    def __init__(self, game: Game, backends: list[str]) -> None:
        self.game = game
        self.panel = Panel(game.model, backends)
        self._threads = {name: ThreadPoolExecutor(1, thread_name_prefix=name) for name in backends}
        self._news = asyncio.Condition()

    @property
    def loading(self) -> bool:
        """Whether a thread is busy with loading a framework."""
        return any(member.state == "loading" for member in self.panel.members.values())

    async def load(self) -> None:
        """Load one backend after another: they share the processors, and the import of one may lock out the others."""
        for name in self.panel.members:
            self.panel.announce(name)
            await self._tell()
            await self.within(name, self.panel.load, name)
            await self._tell()

    async def within(self, name: str, work: Callable[..., Result], *arguments: Any) -> Result:
        """Do it in the thread of that backend."""
        return await asyncio.get_running_loop().run_in_executor(self._threads[name], work, *arguments)

    async def news(self) -> AsyncIterator[dict[str, Any]]:
        """How far the backends are: at once, and again after every change."""
        known: list[Any] = []
        while True:
            members = [asdict(member) for member in self.panel.members.values()]
            if members != known:
                known = members
                yield {"kind": "backends", "backends": members}
            async with self._news:
                if members == [asdict(member) for member in self.panel.members.values()]:
                    await self._news.wait()

    async def answer(self, drawing: Array) -> dict[str, Any]:
        """What every backend that is ready says to a drawing (CANVAS, CANVAS) in [0, 1]."""
        image = fit(drawing, self.game.frame)
        answers = [await self.within(name, self.panel.ask, name, image) for name in self.panel.ready]
        agreed = agreement(answers)
        return {
            "kind": "answers",
            "image": pixels(image),
            "answers": [
                {
                    "name": answer.name,
                    "label": answer.label,
                    "probabilities": shares(answer.probabilities["float32"]),
                    "milliseconds": answer.milliseconds,
                }
                for answer in answers
            ],
            "agreement": agreed and {"verdict": agreed.ladder.verdict, "sentence": agreed.sentence()},
        }

    def sit_down(self) -> Duel:
        """A duel of its own for every page, against the first backend that is ready at each guess."""
        return self.game.duel(lambda image: self.panel.machine(self.panel.ready[0])(image))

    async def guess(self, duel: Duel, label: int) -> dict[str, Any]:
        """The round that follows a guess, with the digit that comes next."""
        opponent = self.panel.ready[0]
        done = await self.within(opponent, duel.guess, label)
        return {
            "kind": "round",
            "truth": done.truth,
            "person": done.person,
            "machine": done.machine,
            "opponent": self.panel.members[opponent].title,
            "probabilities": shares(done.probabilities),
            "score": {"person": duel.person, "machine": duel.machine, "played": duel.played},
            "worth": duel.worth(),
            "next": pixels(duel.image),
        }

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


def application(table: Table) -> Starlette:
    """The application around a table; it loads the backends while it runs."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        loading = asyncio.create_task(table.load())
        yield
        loading.cancel()

    game, labels = table.game, table.game.model.labels
    page = play_page.to_html(game.title, labels, choices(labels), game.frame.side, CANVAS)
    texts = {"/": (page, "text/html"), "/play.css": (play_page.stylesheet(), "text/css")}
    texts["/play.js"] = (play_page.script(), "text/javascript")

    async def text(request: Request) -> Response:
        content, media_type = texts[request.url.path]
        return Response(content, media_type=media_type, headers=HEADERS)

    async def live(websocket: WebSocket) -> None:
        # Pages of other sites may open websockets to this computer; their browser says where they come from.
        if websocket.headers.get("origin") not in (None, f"http://{websocket.headers['host']}"):
            await websocket.close(1008)
            return
        await websocket.accept()
        telling = asyncio.create_task(_tell_news(websocket, table))
        try:
            await _converse(websocket, table)
        except WebSocketDisconnect:
            pass
        finally:
            telling.cancel()

    # Names that lead here from elsewhere (DNS rebinding) are no names of this computer.
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False)
    routes = [*(Route(path, text) for path in texts), WebSocketRoute("/live", live)]
    return Starlette(routes=routes, middleware=[trusted], lifespan=lifespan)


async def _tell_news(websocket: WebSocket, table: Table) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        async for message in table.news():
            await websocket.send_json(message)


async def _converse(websocket: WebSocket, table: Table) -> None:
    """Answer one message after the other until the page is closed."""
    duel = table.sit_down()
    await websocket.send_json({"kind": "digit", "image": pixels(duel.image)})
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        try:
            reply = await _reply(table, duel, message.get("bytes"), message.get("text"))
        except ValueError as error:
            reply = {"kind": "error", "sentence": str(error)}
        await websocket.send_json(reply)


async def _reply(table: Table, duel: Duel, drawing: bytes | None, text: str | None) -> dict[str, Any]:
    """What follows on a message; raises ValueError with a sentence for one that nothing follows on."""
    if not table.panel.ready:
        raise ValueError("No backend is ready yet. Try again in a moment.")
    if drawing is not None:
        if len(drawing) != CANVAS**2:
            raise ValueError(f"A drawing has {CANVAS} x {CANVAS} bytes, not {len(drawing)}. Reload the page.")
        ink = np.frombuffer(drawing, np.uint8).reshape(CANVAS, CANVAS) / 255
        return await table.answer(ink)
    try:
        guess = json.loads(text or "")
    except (ValueError, RecursionError):
        guess = None
    match guess:
        case {"kind": "guess", "label": int(label)} if label in duel.labels:
            return await table.guess(duel, label)
    raise ValueError("The page has sent what is neither a drawing nor one of the labels. Reload it.")


def pixels(image: Array) -> list[int]:
    """An image (pixels,) in [0, 1] as levels of ink from 0 to 255."""
    levels: list[int] = np.rint(255 * image).astype(int).tolist()
    return levels


def shares(probabilities: Array) -> list[float]:
    """Probabilities (labels,) as JSON takes them: those of a network that has diverged are none."""
    finite: list[float] = np.nan_to_num(probabilities.astype(np.float64), nan=0.0).tolist()
    return finite
