"""Fast does not mean different: the quick study's first task, plain and with fast options, paired over
seeds."""

from concurrent.futures import ProcessPoolExecutor

from lib import data, measure, training
from lib.report.stats import interval
from lib.settings import DENSE, Fast, config

SEEDS = range(6)
RATIO = 0.5
PLAIN = Fast(neurons="spikingjelly", static_once=False)
OPTIONS = {
    "fused, static_once": Fast(),
    "fused, static_once, channels_last": Fast(channels_last=True),
    "fused, static_once, channels_last, bf16": Fast(channels_last=True, bf16=True),
}


def accuracy(asked: tuple[Fast, bool, int]) -> float:
    """Test accuracy of one training; pruned: SCA's, else the dense one."""
    fast, pruned, seed = asked
    settings = config.load("quick")
    name = settings.grid.tasks[0]
    task = settings.tasks[name].model_copy(update={"fast": fast})
    training.set_up(settings.threads)
    trial = next(p for p in settings.trials(name, "sca") if p.ratio == RATIO) if pruned else DENSE
    run = training.Run(data.open_or_prepare(settings, task.data), task, trial, seed)
    for _ in range(task.train.epochs):
        run.epoch()
    return measure.accuracy(run.finish(), *run.splits.test)


def pairs() -> list[dict]:
    """Differences to plain in percentage points, mean and half width of the 95 % interval."""
    asked = [
        (fast, pruned, seed)
        for fast in (PLAIN, *OPTIONS.values())
        for pruned in (False, True)
        for seed in SEEDS
    ]
    with ProcessPoolExecutor(2) as pool:
        found = dict(zip(asked, pool.map(accuracy, asked), strict=True))
    rows = []
    for pruned in (False, True):
        plain = [100 * found[PLAIN, pruned, seed] for seed in SEEDS]
        for name, fast in OPTIONS.items():
            mean, half = interval(
                [100 * found[fast, pruned, seed] - p for seed, p in zip(SEEDS, plain, strict=True)]
            )
            rows.append(
                {
                    "training": f"SCA at {RATIO}" if pruned else "dense",
                    "options": name,
                    "plain (%)": interval(plain)[0],
                    "difference (points)": mean,
                    "± (95 %)": half,
                    "n": len(SEEDS),
                }
            )
    return rows
