"""Sweeps: networks trained side by side against the same networks one by one, on the same cores.

    python -m tests.bench_tuning            # a sample of each batch size of 001-tuner
    python -m tests.bench_tuning --whole    # all 1,500 networks, both ways
    python -m tests.bench_tuning --json

Both sides do all that a run needs: initial parameters, five epochs on mnist-5k in float32, cost and accuracy on the test images. One by
one is the loop of `NumpyTwin.train_step`. Each side is taken at its better: a process with one BLAS thread per core, or one process with
a thread per core. A round times every side in turn, round after round; what counts is the median over the rounds of the ratio within a
round, so that other work on the machine slows both.
"""

import argparse
import json
import os
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

GOAL = 0.45
ROUNDS = 7
CORES = len(os.sched_getaffinity(0))


def train_one_by_one(runs):
    """The runs (set, seed) by themselves, with the same code as everywhere."""
    import numpy as np

    from backends.numpy_backend import NumpyTwin
    from comparisons.training import targets
    from comparisons.tuning import tasks

    recipes, rows = recipes_of_sets(), []
    for number, seed in runs:
        recipe = recipes[number]
        data = tasks.data_of(recipe, None)
        model, optimizer = tasks.built(recipe, data)
        twin = NumpyTwin(model, tasks.initial_parameters(recipe, model, seed), optimizer, "float32")
        images = data.train_images.astype("float32")
        labels = targets(data.train_labels, model.widths[-1], False, "float32")
        with np.errstate(all="ignore"):
            for _, batch in tasks.order(recipe, len(images)):
                twin.train_step(images[batch], labels[batch])
            rows.append({"set": number, "seed": seed} | tasks.measure(twin, recipe, data, "float32"))
    return rows


def train_side_by_side(runs):
    """The same runs as one stack."""
    import numpy as np

    from comparisons.tuning import tasks

    with np.errstate(all="ignore"):
        return tasks._train_stacked(recipes_of_sets(), runs, None)


_RECIPES = {}


def recipes_of_sets():
    """The recipe of every set of 001-tuner, by number."""
    from comparisons.recipe import load_recipe
    from comparisons.tuning.sets import hyperparameter_sets

    if not _RECIPES:
        base = load_recipe("001-tuner")
        _RECIPES.update({point.number: point.recipe(base) for point in hyperparameter_sets(base.tune)})
    return _RECIPES


def ready(threads):
    """Make a worker what it is for: so many BLAS threads, recipes checked, data loaded."""
    from threadpoolctl import threadpool_limits

    from comparisons.tuning import tasks

    threadpool_limits(threads, user_api="blas")
    tasks.data_of(next(iter(recipes_of_sets().values())), None)
    return True


def sample(batch_size, sets):
    """Runs of so many sets with that batch size, ten seeds each, from all over the grid."""
    numbers = [number for number, recipe in recipes_of_sets().items() if recipe.training.batch_size == batch_size]
    return [(number, seed) for number in numbers[:: max(1, len(numbers) // sets)][:sets] for seed in range(10)]


def timed(pool, train, parts):
    """Seconds until all parts are done, one per worker."""
    start = time.perf_counter()
    for future in [pool.submit(train, part) for part in parts]:
        future.result()
    return time.perf_counter() - start


def measure_sample(processes, threads):
    """Seconds per network by batch size and side, and the ratio, round by round."""
    sizes = sorted({recipe.training.batch_size for recipe in recipes_of_sets().values()})
    found = {size: {"one_by_one": [], "side_by_side": []} for size in sizes}
    for turn in range(ROUNDS + 1):
        for size in sizes:
            runs = sample(size, 2 * CORES)
            for side, train, few in (("one_by_one", train_one_by_one, 2), ("side_by_side", train_side_by_side, 20)):
                parts = [runs[20 * core : 20 * core + few] for core in range(CORES)]
                ways = [timed(processes, train, parts) / (few * CORES), timed(threads, train, parts[:1]) / few]
                if turn:  # the first round warms up
                    found[size][side].append(ways)
    return {size: summary(sides) for size, sides in found.items()}


def summary(sides):
    """Medians in milliseconds per network, each side's better way, and the median of the ratios."""
    best = {}
    for side, rounds in sides.items():
        medians = [statistics.median(ways) for ways in zip(*rounds, strict=True)]
        way = medians.index(min(medians))
        best[side] = way, [ways[way] for ways in rounds], [1000 * median for median in medians]
    pairs = zip(best["one_by_one"][1], best["side_by_side"][1], strict=True)
    ratios = [stacked / single for single, stacked in pairs]
    fastest = [1000 * min(rounds) for _, rounds, _ in best.values()]
    names = ("processes", "threads")
    return {
        side: {"milliseconds": dict(zip(names, medians, strict=True)), "better": names[way]}
        for side, (way, _, medians) in best.items()
    } | {"ratio": statistics.median(ratios), "ratios": [min(ratios), max(ratios)], "fastest": fastest}


def measure_whole(processes):
    """Seconds for all 1,500 networks, each way once, in turns of a stack per core."""
    sizes = sorted({recipe.training.batch_size for recipe in recipes_of_sets().values()})
    runs = [run for size in sizes for run in sample(size, 50)]
    parts = [runs[at : at + 20] for at in range(0, len(runs), 20)]
    seconds, costs = {"one_by_one": 0.0, "side_by_side": 0.0}, {}
    for at in range(0, len(parts), CORES):
        for side, train in (("one_by_one", train_one_by_one), ("side_by_side", train_side_by_side)):
            start = time.perf_counter()
            futures = [processes.submit(train, part) for part in parts[at : at + CORES]]
            rows = [row for future in futures for row in future.result()]
            seconds[side] += time.perf_counter() - start
            costs.setdefault(side, []).extend(row["cost"] for row in rows)
    pairs = [(a, b) for a, b in zip(*costs.values(), strict=True) if a and b]
    return {
        "networks": len(runs),
        "seconds": seconds,
        "ratio": seconds["side_by_side"] / seconds["one_by_one"],
        "largest relative difference of the costs": max(abs(a - b) / a for a, b in pairs),
        "median relative difference of the costs": statistics.median(abs(a - b) / a for a, b in pairs),
    }


def main():
    """Measure, print, and say whether the goal is reached."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    spawn = get_context("spawn")
    with (
        ProcessPoolExecutor(CORES, mp_context=spawn, initializer=ready, initargs=(1,)) as processes,
        ProcessPoolExecutor(1, mp_context=spawn, initializer=ready, initargs=(CORES,)) as threads,
    ):
        if asked.whole:
            result = measure_whole(processes)
            ratio = result["ratio"]
        else:
            result = measure_sample(processes, threads)
            # The sweep has as many networks of each batch size.
            totals = [
                sum(min(size[side]["milliseconds"].values()) for size in result.values())
                for side in ("side_by_side", "one_by_one")
            ]
            ratio = totals[0] / totals[1]
            result = {"batch sizes": result, "ratio": ratio}
    print(json.dumps(result, indent=1) if asked.json else table(result))
    print(f"goal: at most {GOAL}; measured {ratio:.3f}", file=sys.stderr)
    sys.exit(0 if ratio <= GOAL else 1)


def table(result):
    """The result as lines of Markdown."""
    if "batch sizes" not in result:
        return json.dumps(result, indent=1)
    lines = [
        "| milliseconds per network | one by one | side by side | ratio | range | fastest rounds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for size, found in result["batch sizes"].items():
        cells = []
        for side in ("one_by_one", "side_by_side"):
            times = found[side]["milliseconds"]
            cells.append(f"{times['processes']:.1f} (threads {times['threads']:.1f})")
        (low, high), (one, other) = found["ratios"], found["fastest"]
        lines.append(
            f"| batch {size} | {' | '.join(cells)} | {found['ratio']:.2f} | {low:.2f}–{high:.2f} | {one:.1f}, {other:.1f} |"
        )
    return "\n".join([*lines, f"| all | | | {result['ratio']:.2f} | | |"])


if __name__ == "__main__":
    main()
