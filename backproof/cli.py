"""The command line: `backproof check`, `compare`, `ledger`, `verify`, `fuzz` and `doctor`."""

import io
import json
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

import backproof

app = typer.Typer(
    name="backproof",
    help="Is this difference rounding, or is the mathematics wrong?\n\n"
    "Runs the same computation in float32, float64 and float128: rounding falls with the precision, a mistake does not.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
EXIT_RIGHT, EXIT_WRONG, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 2, 130


def main() -> None:
    """Entry point of the `backproof` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal without Unicode shows ? instead of the symbols
            stream.reconfigure(errors="replace")
    try:
        backproof._check_rooms()
    except ImportError as error:
        print(f"backproof: {error}", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    try:
        app()
    except MemoryError:
        print("backproof: there is not enough memory for this. Choose a smaller network or a smaller batch.", file=sys.stderr)
        sys.exit(EXIT_FAILED)
    except Exception:
        traceback.print_exc()
        print("backproof: this is a mistake of ours. Please report it with the lines above.", file=sys.stderr)
        sys.exit(EXIT_FAILED)


def _version(asked: bool) -> None:
    if asked:
        print(f"backproof {backproof.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


CONTRACT = """Check derivations that were made by hand: is the backward the gradient of the forward?

A file is plain Python and NumPy, and needs no import of backproof:

\b
    import numpy as np
\b
    def inputs(rng):                    # example values, drawn afresh
        return {"x": rng.normal(size=(5, 4)), "W": rng.normal(size=(4, 3))}
\b
    def forward(x, W):                  # returns y, or (y, cache)
        return np.tanh(x @ W)
\b
    def backward(dy, x, W):             # dy = dL/dy; or (dy, cache)
        dz = dy * (1 - np.tanh(x @ W) ** 2)
        return {"x": dz @ W.T, "W": x.T @ dz}

The gradients are a dict by input, or a tuple in the order of forward's array inputs. \
A forward that returns a number, such as a loss, needs no dy. \
Several may stand in one file: softmax_forward with softmax_backward and softmax_inputs, and so on.

Also found: elementwise pairs (relu with relu_prime, f with df, tanh2deriv, ...), which need no inputs, and classes with \
forward, backward, params and grads.

The truth is the difference quotient of your own forward in 34-digit arithmetic. The file runs as any Python program does, \
in a process of its own.
"""


@app.command(
    help=CONTRACT,
    epilog="Examples:\n\n"
    "backproof check my_layer.py\n\n"
    "backproof check exercises/ --html report.html   [dim]# all files below a folder[/dim]\n\n"
    "backproof check my_layer.py --name softmax --against torch,jax --json\n\n"
    "Exit code 0: all correct. 1: something is wrong. 2: nothing to check, inconclusive, or a file failed. 130: stopped with "
    "Ctrl-C; what was done is shown.",
)
def check(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Python files, and folders of them.")],
    against: Annotated[
        str,
        typer.Option(help="Further witnesses: numpy (float128 only), torch, tensorflow, jax, several with commas, or all."),
    ] = "numpy",
    name: Annotated[str | None, typer.Option(metavar="DERIVATION", help="Check only the derivation of this name.")] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="For importing a file, and for each derivation in it.")
    ] = 120.0,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with ladder plots and annotated source.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the listing.")] = False,
) -> None:
    """Check derivations made by hand."""
    from comparisons.derivations.files import check_files
    from reports.derivations import show_checked
    from reports.derivations_text import to_json

    messages = Console(stderr=True, highlight=False)
    witnesses = _witnesses(against, messages)
    with messages.status("checking") as status:
        checked = check_files(
            paths,
            against=witnesses,
            timeout=timeout,
            name=name,
            progress=lambda done, total: status.update(f"checking {_count(total - done)}" if total else "checking"),
        )
    if as_json:
        print(json.dumps(to_json(checked), indent=1, allow_nan=False))
    else:
        show_checked(checked, Console(highlight=False))
    if html is not None:
        from reports.derivations_page import write_page

        try:
            page = write_page(checked, html)
        except OSError as error:
            _fail(messages, f"{html} cannot be written: {error.strerror}. Choose another place with --html.")
        messages.print(f"The page: {_escape(str(page.resolve()))}", soft_wrap=True)
    if checked.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if not checked.results and not as_json:
        _fail(messages, "there is nothing to check in it. backproof check --help shows how a file looks.")
    raise typer.Exit({"correct": EXIT_RIGHT, "wrong": EXIT_WRONG, "inconclusive": EXIT_FAILED}[checked.verdict])


def _count(files: int) -> str:
    return f"{files} file{'s' if files != 1 else ''}"


def _witnesses(against: str, messages: Console) -> tuple[str, ...]:
    """The names in `--against`, each once."""
    from comparisons.derivations.files import WITNESSES

    names = [name.strip() for name in against.split(",") if name.strip()]
    for name in names:
        if name not in (*WITNESSES, "all"):
            _fail(messages, f"--against: there is no '{name}'. Choose among {', '.join(WITNESSES)} and all.")
    return WITNESSES if "all" in names else tuple(dict.fromkeys(names)) or WITNESSES[:1]


@app.command(
    epilog="Examples:\n\n"
    "backproof compare   [dim]# the default recipe on 5,000 digits of MNIST, three backends[/dim]\n\n"
    "backproof compare my_recipe.toml --backends numpy,torch --epochs 10\n\n"
    "backproof compare --data mnist --data-dir ~/mnist --dtype float32 --json > results.json\n\n"
    "Exit code 0: nothing is wrong. 1: something is. 2: it could not run. 130: stopped with Ctrl-C; what was done is kept."
)
def compare(
    recipe: Annotated[
        str, typer.Argument(help="A built-in recipe's name or a TOML file. The default is 784-16-16-10, ReLU, Adam.")
    ] = "default",
    backends: Annotated[
        str, typer.Option(help="Which to compare, separated by commas. One that is not installed is skipped.")
    ] = "numpy,torch,keras",
    data: Annotated[
        Literal["mnist-5k", "digits", "mnist"] | None,
        typer.Option(help="mnist-5k and digits come with installed packages; mnist needs a folder or a download."),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of MNIST's four IDX files, gzipped or not. BACKPROOF_MNIST names one as well."),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training images.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images per step; a partial last batch is kept.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Decides the initial parameters and the batches.")] = None,
    dtype: Annotated[
        Literal["float32", "float64", "both"] | None,
        typer.Option(help="Precision of the full training. Verdicts always use both; the other one then runs briefly."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report; an earlier one in it is replaced.")] = Path(
        "backproof-report"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json instead of tables.")] = False,
) -> None:
    """Train one network from the same bits on several backends and put every difference on the precision ladder.

    Compares the gradient of every parameter with float128, every optimizer on recorded gradients, and the training
    itself step by step. Writes a page, a summary and results.json.
    """
    from comparisons.compare import CompareError
    from comparisons.compare import compare as run
    from comparisons.datasets import DataError
    from comparisons.recipe import RecipeError
    from reports.results import ReportError, prepare, to_dict, write_report
    from reports.terminal import TerminalProgress, show_comparison

    if data_dir is not None and data is None:
        data = "mnist"
    asked = {"epochs": epochs, "batch_size": batch_size, "seed": seed, "dtype": dtype}
    overrides: dict[str, dict[str, Any]] = {"training": {key: value for key, value in asked.items() if value is not None}}
    if data is not None:
        overrides["data"] = {"name": data}
    messages = Console(stderr=True, highlight=False)
    try:
        prepare(out)
        with TerminalProgress(messages) as progress:
            result = run(
                recipe,
                backends=[name.strip() for name in backends.split(",") if name.strip()],
                data_dir=data_dir,
                overrides=overrides,
                progress=progress,
            )
    except (RecipeError, DataError, CompareError, ReportError) as error:
        _fail(messages, str(error))
    except KeyboardInterrupt:
        messages.print("Stopped before anything was computed.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    folder = str(data_dir.resolve()) if data_dir else None
    try:
        page = write_report(result, out, folder)
    except ReportError as error:
        _fail(messages, str(error))
    except KeyboardInterrupt:  # writing takes a second; what took minutes is not thrown away for it
        result.interrupted = True
        page = write_report(result, out, folder)
    for reason in result.skipped.values():
        messages.print(f"[yellow]Skipped:[/yellow] {_escape(reason)}")
    if as_json:
        print(json.dumps(to_dict(result, folder), indent=1, allow_nan=False))
    else:
        show_comparison(result, Console(highlight=False))
    where = messages if as_json else Console(highlight=False, soft_wrap=True)
    if result.interrupted:
        where.print(f"Stopped. What was done by then is in {_escape(str(page.parent.resolve()))}")
    where.print(f"The page: {_escape(str(page.resolve()))}")
    if result.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    raise typer.Exit(EXIT_WRONG if result.verdict == "wrong" else EXIT_RIGHT)


LEDGER = """What Keras, PyTorch, JAX and the papers are known to do differently, and how to align them.

Without NAME, a line for each difference. NAME is the name of one, of an operation (adam, batch_normalization) or of a kind \
(loss); then all is said: what each side computes and how large the difference is, where it stands in the sources, who \
follows the paper, what to write so that both agree, and a few lines of code that show it with the frameworks alone.

--run runs those lines with the versions that are installed here, each in a fresh Python process, and says whether they \
still print what the ledger says.
"""


@app.command(
    help=LEDGER,
    epilog="Examples:\n\n"
    "backproof ledger\n\n"
    "backproof ledger adam   [dim]# everything about one operation[/dim]\n\n"
    "backproof ledger adam-epsilon-hat --run   [dim]# does it hold for the versions installed here?[/dim]\n\n"
    "backproof ledger --kind loss --html losses.html\n\n"
    "Exit code 0: shown, and with --run all print the same. 1: a reproducer prints something else. 2: there is no such "
    "entry, or it cannot be told because a framework is missing or was too slow. 130: stopped with Ctrl-C; what was done is shown.",
)
def ledger(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A difference, an operation or a kind.")] = None,
    kind: Annotated[
        Literal["activation", "layer", "loss", "optimizer", "schedule", "initializer", "runtime"] | None,
        typer.Option(metavar="KIND", help="activation, layer, loss, optimizer, schedule, initializer or runtime: only these."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the listing.")] = False,
    run: Annotated[bool, typer.Option("--run", help="Run the reproducers; each takes some seconds.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page that needs nothing beside it.")] = None,
) -> None:
    """Look up the known differences between frameworks."""
    from comparisons.ledger import LedgerError, find
    from comparisons.ledger import ledger as all_entries
    from comparisons.reproducing import reproduce_all
    from reports.ledger import show_entries, show_overview
    from reports.ledger_text import to_json

    messages = Console(stderr=True, highlight=False)
    try:
        entries = find(name) if name is not None else list(all_entries().values())
    except LedgerError as error:
        _fail(messages, str(error))
    entries = [entry for entry in entries if kind in (None, entry.kind)]
    if not entries:
        about = f' about "{name}"' if name is not None else ""
        _fail(messages, f"the ledger has nothing{about} of the kind {kind}; leave out --kind.")
    reproduced = None
    if run:
        with messages.status("running") as status:
            reproduced = reproduce_all(
                entries, progress=lambda done, total: status.update(f"running {total - done} of {total}")
            )
    if as_json:
        print(json.dumps(to_json(entries, reproduced), indent=1, allow_nan=False))
    else:
        show = show_overview if name is None else show_entries
        show(entries, Console(highlight=False), reproduced)
    if html is not None:
        from reports.ledger_page import write_page

        try:
            page = write_page(entries, html, name or kind, reproduced)
        except OSError as error:
            _fail(messages, f"{html} cannot be written: {error.strerror}. Choose another place with --html.")
        messages.print(f"The page: {_escape(str(page.resolve()))}", soft_wrap=True)
    if reproduced is None:
        raise typer.Exit(EXIT_RIGHT)
    if reproduced.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    if reproduced.names("differs"):
        raise typer.Exit(EXIT_WRONG)
    raise typer.Exit(EXIT_FAILED if reproduced.names("late") or not reproduced.names("same") else EXIT_RIGHT)


@app.command(
    epilog="Examples:\n\n"
    "backproof verify   [dim]# everything; half an hour on two cores[/dim]\n\n"
    "backproof verify --quick   [dim]# fewer steps, draws and settings; minutes[/dim]\n\n"
    "backproof verify adam rmsprop --backends numpy,torch   [dim]# two optimizers in PyTorch[/dim]\n\n"
    "backproof verify activations 'loss/*entropy' --html matrix.html\n\n"
    "Exit code 0: every cell is rounding, exact or explained by the ledger. 1: a cell is wrong and not explained. "
    "2: one is inconclusive and not explained, or it could not run. 130: stopped with Ctrl-C; what was done is kept."
)
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Operations, kinds or patterns; all, where none is given.")
    ] = None,
    backends: Annotated[
        str, typer.Option(help="Which, separated by commas. One that is not installed is skipped.")
    ] = "numpy,torch,keras,jax",
    quick: Annotated[bool, typer.Option("--quick", help="60 steps instead of 1,000, and no other settings.")] = False,
    out: Annotated[Path, typer.Option(help="Folder that keeps what is done, so that a stopped run goes on.")] = Path(
        "backproof-verify"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Run again what an earlier run has kept.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the page of cells.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Put every operation of every framework on the precision ladder.

    Activations, layers, losses, optimizers, schedules and initializers: values, derivatives, one step and 1,000, saved and
    restored state, in float32 and float64, against scratch in 34-digit arithmetic. A framework is held against its own formula
    and, where the paper has another one, against the paper's: the ledger must then explain the difference.
    """
    from comparisons.verification.cells import FULL, QUICK
    from comparisons.verification.matrix import VerifyError
    from comparisons.verification.matrix import verify as run
    from reports.verification import MatrixProgress, show_matrix, to_json

    messages = Console(stderr=True, highlight=False)
    progress = MatrixProgress(messages)
    try:
        if fresh:
            (out / "cells.jsonl").unlink(missing_ok=True)
        with progress.bars:
            matrix = run(
                names or [],
                backends=[name.strip() for name in backends.split(",") if name.strip()],
                effort=QUICK if quick else FULL,
                folder=out,
                progress=progress,
            )
    except VerifyError as error:
        _fail(messages, str(error))
    except KeyboardInterrupt:
        messages.print("Stopped before anything was computed.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    except OSError as error:
        _fail(messages, f"{out} cannot be used: {error.strerror}. Choose another folder with --out.")
    for reason in matrix.skipped.values():
        messages.print(f"[yellow]Skipped:[/yellow] {_escape(reason)}")
    if matrix.unsaved:
        messages.print(_escape(matrix.unsaved))
    if as_json:
        print(json.dumps(to_json(matrix), indent=1, allow_nan=False))
    else:
        show_matrix(matrix, Console(highlight=False))
    if html is not None:
        from reports.verification_page import write_page

        try:
            page = write_page(matrix, html)
        except OSError as error:
            _fail(messages, f"{html} cannot be written: {error.strerror}. Choose another place with --html.")
        messages.print(f"The page: {_escape(str(page.resolve()))}", soft_wrap=True)
    if matrix.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    verdicts = {cell.verdict for cell in matrix.open}
    raise typer.Exit(EXIT_WRONG if "wrong" in verdicts else EXIT_FAILED if verdicts else EXIT_RIGHT)


FUZZ = """Look for cases in which a framework is worse than it need be, with random operations, inputs and edge values.

Activations, losses, optimizers and small networks get numbers of every size that float32 has: signed zeros, subnormal numbers, \
the largest ones, infinities and NaN. What comes out in float32 and float64 is held, number by number, against 34-digit \
arithmetic in the framework's own convention. A finding is what loses more than scratch does in the same precision, becomes NaN \
or infinite where the truth is not, or raises. What rounding and a badly conditioned input explain is none.

Every distinct finding is shrunk to a few short numbers and kept in the folder with a program of its own, which imports nothing \
but NumPy and the framework. Started again with the same folder, the campaign goes on where it stopped and finds nothing twice.
"""


@app.command(
    help=FUZZ,
    epilog="Examples:\n\n"
    "backproof fuzz   [dim]# five minutes over everything in three frameworks[/dim]\n\n"
    "backproof fuzz --minutes 600 --backends keras --out nightly   [dim]# and the next night from there[/dim]\n\n"
    "backproof fuzz gelu 'loss/*hinge' optimizers --backends torch,jax --minutes 1\n\n"
    "Exit code 0: the ledger explains all that was found. 1: there is a finding that it does not explain. 2: it could not run. "
    "130: stopped with Ctrl-C; what was found is kept.",
)
def fuzz(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Operations, kinds (activation, loss, optimizer, network) or patterns; all, where none is given.",
        ),
    ] = None,
    minutes: Annotated[float, typer.Option(min=0, help="How long.")] = 5.0,
    backends: Annotated[
        str, typer.Option(help="Which, separated by commas. One that is not installed is skipped.")
    ] = "torch,keras,jax",
    out: Annotated[Path, typer.Option(help="Folder that keeps the campaign and a program for every finding.")] = Path(
        "backproof-fuzz"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, and forget what an earlier campaign has found.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of the findings.")] = False,
) -> None:
    """Fuzz every operation of every framework."""
    from comparisons.fuzzing.campaign import FuzzError, forget
    from comparisons.fuzzing.campaign import fuzz as run
    from reports.fuzzing import CampaignProgress, show_campaign, to_json

    messages = Console(stderr=True, highlight=False)
    progress = CampaignProgress(messages, minutes)
    try:
        if fresh:
            forget(out)
        with progress.bars:
            campaign = run(
                minutes,
                names=names or [],
                backends=[name.strip() for name in backends.split(",") if name.strip()],
                folder=out,
                progress=progress,
            )
    except FuzzError as error:
        _fail(messages, str(error))
    except KeyboardInterrupt:
        messages.print("Stopped before anything was tried.")
        raise typer.Exit(EXIT_INTERRUPTED) from None
    for reason in campaign.skipped.values():
        messages.print(f"[yellow]Skipped:[/yellow] {_escape(reason)}")
    if as_json:
        print(json.dumps(to_json(campaign), indent=1, allow_nan=False))
    else:
        show_campaign(campaign, Console(highlight=False), out)
    if campaign.interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    raise typer.Exit(EXIT_WRONG if campaign.open else EXIT_RIGHT)


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check this installation: versions, BLAS and its threads, each backend, and the float128 arithmetic.

    Exit code 0: float128 and scratch work, and at least one framework. 2: something needed is missing or computes wrongly.
    """
    from comparisons.doctor import examine
    from reports.terminal import show_examination

    findings: dict[str, Any] = examine()
    if as_json:
        print(json.dumps(findings, indent=1, allow_nan=False))
    else:
        show_examination(findings, Console(highlight=False))
    raise typer.Exit(EXIT_RIGHT if findings["healthy"] else EXIT_FAILED)


def _fail(console: Console, message: str) -> NoReturn:
    console.print(f"[bold red]backproof:[/bold red] {_escape(message)}", soft_wrap=True)
    raise typer.Exit(EXIT_FAILED)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)
