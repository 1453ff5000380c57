"""`backproof reproduce`: the five systems that this project grew from, run again beside what they printed."""

import json
import os
import zlib
from pathlib import Path
from typing import Annotated, Any

import typer

from backproof.commands.common import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_RIGHT,
    EXIT_WRONG,
    DataDir,
    escape,
    fail,
    message_console,
    print_json,
    result_console,
    split_names,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        epilog="Examples:\n\n"
        "backproof reproduce 002 --data-dir ~/mnist   [dim]# one source[/dim]\n\n"
        "backproof reproduce --quick   [dim]# all of them with a few epochs and one seed: minutes[/dim]\n\n"
        "backproof reproduce all --out report   [dim]# all in full; a stopped run goes on with the next source[/dim]\n\n"
        "Exit code 0: every figure that was judged is reached. 1: one is not, and the report shows what differs. 2: it could not "
        "run. 130: stopped with Ctrl-C; what was done is kept."
    )(reproduce)


def reproduce(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="000, 001, 002, 003, 004 or all, which is the default.")
    ] = None,
    backends: Annotated[
        str, typer.Option(help="Which, separated by commas. One that is not installed is skipped.")
    ] = "numpy,torch,keras,jax",
    data_dir: DataDir = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the reports: a page, summary.md and results.json for each source.")
    ] = Path("backproof-reproduction"),
    quick: Annotated[
        bool, typer.Option("--quick", help="A few epochs and one seed; what needs the whole run is left open.")
    ] = False,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Seeds for figures that depend on chance; else each source's own.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Run a source too that a run like this has finished.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print results.json of all sources instead of tables.")] = False,
) -> None:
    """Run the source systems again, and put what they printed beside what comes out.

    Each one's recipes are trained as printed, mistakes and all, and with the mistakes mended, on every backend; its
    derivations are checked. All needs the full MNIST. With all, a source that is finished in --out is not run again.
    """
    from backends import BackendUnavailable, load_backend
    from comparisons.datasets import DATA_DIR_VARIABLE, DataError, load_dataset
    from comparisons.recipe import RecipeError
    from comparisons.sources import SOURCES
    from comparisons.sources.reproduction import Settings
    from reports.reproduction import read_results, versions, write_overview, write_report
    from reports.reproduction_pictures import with_pictures
    from reports.reproduction_text import ReproductionProgress, holds, show
    from reports.results import ReportError, prepare

    messages = message_console()
    names = list(dict.fromkeys(sources or ["all"]))
    for name in names:
        if name not in (*SOURCES, "all"):
            fail(messages, f"there is no source {name}. Choose among {', '.join(SOURCES)} and all.")
    chosen = list(SOURCES) if "all" in names else names
    available = []
    for name in split_names(backends):
        try:
            load_backend(name)
            available.append(name)
        except BackendUnavailable as error:
            messages.print(f"[yellow]Skipped:[/yellow] {escape(str(error))}")
    if not available:
        fail(messages, "no backend is left. Name one that is installed with --backends; numpy always is.")
    found: list[dict[str, Any]] = []
    interrupted = False
    try:
        prepare(out)
        try:
            data = load_dataset("mnist", data_dir)
        except DataError:
            if data_dir or os.environ.get(DATA_DIR_VARIABLE):
                raise
            fail(
                messages,
                "the sources need the full MNIST, of which no folder is given: name the one that holds its four IDX files with "
                f"--data-dir or {DATA_DIR_VARIABLE}.",
            )
        # What was computed by other versions or from other digits is run again.
        provenance = {**versions(), "data": f"{data.checksum:08x}"}
        circumstances = {"backends": available, "quick": quick, "seeds": seeds, "provenance": provenance}
        key = f"{zlib.crc32(json.dumps(provenance, sort_keys=True).encode()):08x}"
        for source in chosen:
            kept = read_results(out, source) if "all" in names and not again else None
            if kept is not None and not kept["interrupted"] and kept["circumstances"] == circumstances:
                messages.print(f"{source} is there already; --again runs it anew.")
                found.append(kept)
                continue
            keep = out / source / f"{'quick-runs' if quick else 'runs'}-{key}"
            if again:
                for file in keep.glob("*.safetensors"):
                    file.unlink()
            with ReproductionProgress(messages) as progress:
                try:
                    settings = Settings(data_dir, tuple(available), seeds, quick, progress, keep)
                    result = SOURCES[source](settings)
                except KeyboardInterrupt:
                    interrupted = True
                    break
            found.append(write_report(with_pictures(result), out, circumstances))
            interrupted = result.interrupted
            if interrupted:
                break
        others = [kept for name in SOURCES if name not in chosen and (kept := read_results(out, name))]
        page = write_overview(out, sorted(found + others, key=lambda results: str(results["source"])))
    except (DataError, RecipeError, ReportError) as error:
        fail(messages, str(error))
    except OSError as error:
        fail(messages, f"{error.filename or out} cannot be written: {error.strerror}. Give another folder with --out.")
    if as_json:
        print_json(found)
    else:
        for results in found:
            show(results, result_console())
    if interrupted:
        messages.print("Stopped. What was done by then is kept; the same command goes on from there.")
    messages.print(f"The page: {escape(str(page.resolve()))}", soft_wrap=True)
    if interrupted:
        raise typer.Exit(EXIT_INTERRUPTED)
    states = [holds(results) for results in found]
    raise typer.Exit(EXIT_WRONG if False in states else EXIT_RIGHT if found else EXIT_FAILED)
