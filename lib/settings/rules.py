"""What parts of a params.yaml must agree on, each rule a function of the whole study.

A rule raises ValueError: one line with the value, what is allowed, what to do. `tools/check.py` adds the
rules that need a network.
"""

from lib.core.errors import pick
from lib.settings.datasets import DATASETS
from lib.settings.grid import STAGES
from lib.settings.method import Method
from lib.settings.primary import frontier_is_alike, hypotheses_name_trials
from lib.settings.trial import Trial

# part of a grid -> the part that its tasks are among
PARTS = {"pruned": "tasks", "rewired": "tasks", "selected": "tasks", "ablated": "pruned", "matched": "pruned"}


def check(study) -> None:
    """Every rule, in order. raises: ValueError, ConfigError"""
    for rule in RULES:
        rule(study)


def grids(study) -> dict:
    return {"grid": study.grid} | ({"planned": study.planned} if study.planned else {})


def limits_are_of_data_in_use(study) -> None:
    used = sorted({task.data for task in study.tasks.values()})
    for field in ("images", "frames"):
        for name in sorted(set(getattr(study.data, field)) - set(used)):
            raise ValueError(
                f"data.{field}: {name!r} is the data of no task; the tasks use {', '.join(used)}"
            )


def frames_are_steps(study) -> None:
    for name, task in study.tasks.items():
        if (frames := study.data.frames.get(task.data, task.T)) != task.T:
            raise ValueError(
                f"tasks.{name}.T: {task.T}: data.frames gives {task.data} {frames} frames; make them equal"
            )


def grids_hold(study) -> None:
    """Each part of a grid names tasks that there are, and that say what it needs."""
    for where, grid in grids(study).items():
        if not grid.tasks and (where == "planned" or study.planned is None):
            raise ValueError(f"{where}.tasks: empty: give at least one of {', '.join(study.tasks)}")
        for name in grid.tasks:
            pick(study.tasks, name, f"{where}.tasks")
        for part, of in PARTS.items():
            for name in getattr(grid, part):
                pick(dict.fromkeys(getattr(grid, of)), name, f"{where}.{part}")
        for part, _, needs in STAGES.values():
            for name in getattr(grid, part):
                missing = [field for field in needs if not getattr(study.tasks[name], field)]
                if missing:
                    raise ValueError(
                        f"{where}.{part}: task {name} has no {' and no '.join(missing)}; add what is missing"
                    )


def fewer_name_something(study) -> None:
    """A task or a method of the study, and no more seeds than there are."""
    methods = [name for stage in STAGES for name in study.group(stage) if name != "dense"]
    for where, grid in grids(study).items():
        for name, seeds in grid.fewer.items():
            pick(dict.fromkeys((*study.tasks, *methods)), name, f"{where}.fewer")
            if seeds >= len(grid.seeds):
                said = f"{where}.fewer.{name}: {seeds}"
                raise ValueError(f"{said}: there are {len(grid.seeds)} seeds; give fewer, or take it out")


def headline_is_first(study) -> None:
    """DVC must name the task of the accuracy figure, and that figure draws the first that is pruned."""
    first, *_ = study.grid.pruned or (study.headline,)
    pick(study.tasks, study.headline, "headline")
    if study.headline != first:
        raise ValueError(f"headline: {study.headline}: must be the first task of grid.pruned, {first}")


def names_differ(study) -> None:
    groups = (study.methods, study.ablations, study.baselines, study.weights, study.tokens)
    names = ["dense", *(name for group in groups for name in group)]
    for name in (name for name in names if names.count(name) > 1):
        raise ValueError(
            f"{name}: two of methods, ablations, baselines, weights and tokens have this name; rename one"
        )


def baselines_match(study) -> None:
    for name, baseline in study.baselines.items():
        pick(study.methods, baseline.matches, f"baselines.{name}.matches")
    for grid in grids(study).values():
        for task in grid.matched:
            for name in study.baselines:
                study.trials(task, name)


def data_are_needed(study) -> None:
    for where, grid in grids(study).items():
        needed = sorted({study.tasks[name].data for name in grid.tasks})
        if sorted(grid.data) != needed:
            raise ValueError(
                f"{where}.data: {', '.join(grid.data)}; its tasks need exactly {', '.join(needed)}"
            )


def images_suffice(study) -> None:
    """An image of each class is held out, and enough are left for a batch."""
    for name in dict.fromkeys(name for grid in grids(study).values() for name in grid.tasks):
        task = study.tasks[name]
        record = DATASETS[task.data]
        most = study.data.images.get(task.data)
        wanted = (most // record.classes, most // record.classes * record.classes) if most else None
        known = [sizes for sizes in (wanted, record.training) if sizes]
        if not known:
            continue
        each, every = map(min, zip(*known, strict=True))
        share = study.data.validation
        if round(share * each) == 0:
            raise ValueError(
                f"data.validation: {share}: holds out none of {each} images a class of {task.data}; raise it"
            )
        left = round((1 - share) * every)
        for field, recipe in {"train": task.train, "student": task.student or task.train}.items():
            if recipe.batch > left:
                said = f"tasks.{name}.{field}.batch: {recipe.batch}"
                raise ValueError(f"{said}: {task.data} has about {left} images to train on; lower it")


def something_stays(study) -> None:
    """What is removed and what is regrown leave channels to keep by score;
    an ablation has its base beside it."""
    for grid in grids(study).values():
        for task in grid.pruned:
            for method in study.methods:
                for trial in study.trials(task, method):
                    fractions(f"task {task}, method {method}", trial)
        for task in grid.ablated:
            for name, ablation in study.ablations.items():
                for trial in study.trials(task, name):
                    fractions(f"ablation {name}", trial)
                ratios = study.tasks[task].ratios
                if ablation.ratio not in ratios:
                    said = f"ablations.{name}.ratio: {ablation.ratio}"
                    raise ValueError(f"{said}: task {task} has no training at it, only at {ratios}")


def fractions(where: str, trial: Trial) -> None:
    method: Method = trial.method
    if trial.ratio + method.regrow >= 1 and method.growth != "none":
        said = f"{where}: ratio {trial.ratio} + regrow {method.regrow} >= 1"
        raise ValueError(f"{said}: none is left to keep by score; lower one")


def tickets_rewind(study) -> None:
    """To an epoch that the training has."""
    for grid in grids(study).values():
        for task in grid.rewired:
            for name, method in study.weights.items():
                if method.kind == "tickets":
                    rewinds(f"weights.{name}", method.rewind, f"task {task}", study.tasks[task].train.epochs)
        for task in grid.selected:
            settings = study.tasks[task]
            for name, method in study.tokens.items():
                if method.kind == "tickets":
                    scratch = method.start == "scratch"
                    who = f"task {task}" if scratch else f"a student of task {task}"
                    recipe = settings.train if scratch else settings.student
                    rewinds(f"tokens.{name}", method.rewind, who, recipe.epochs)


def rewinds(where: str, rewind: int, who: str, epochs: int) -> None:
    if rewind >= epochs:
        raise ValueError(f"{where}.rewind: {rewind}: {who} trains {epochs} epochs; rewind to an earlier one")


def rectified_units_have_no_time(study) -> None:
    """They stand in a VGG, at T = 1, from the first epoch to the last."""
    for name, task in study.tasks.items():
        if task.neuron != "relu":
            continue
        where = f"tasks.{name}"
        if task.T != 1:
            raise ValueError(f"{where}.T: {task.T}: rectified units have no time; give 1")
        if not task.net.startswith("vgg"):
            raise ValueError(f"{where}.net: {task.net}: rectified units stand in a VGG alone; take one")
        if task.train.phases:
            raise ValueError(f"{where}.train.phases: rectified units have no phases; take them out")


def phases_fit(study) -> None:
    """Phases are of a still image, in a network that can be trained so, and over before activity is listened
    to; in a phase of rates there is as much to hear as in the end."""
    for name, task in study.tasks.items():
        phases = task.train.phases
        where = f"tasks.{name}.train.phases"
        if phases and DATASETS[task.data].events:
            raise ValueError(
                f"{where}: {task.data} has a frame for each of T = {task.T} steps; take phases out"
            )
        for phase in phases:
            if phase.units == "spiking" and phase.T >= task.T:
                raise ValueError(f"{where}: T: {phase.T}: the task has T = {task.T}; give fewer")
            if phase.units != "spiking" and task.net.startswith("spikformer"):
                raise ValueError(
                    f"{where}: units {phase.units}: the attention of {task.net} needs spikes; take spiking"
                )
        quiet = 0
        for epoch in range(1, sum(phase.epochs for phase in phases) + 1):
            if task.units_at(epoch) != ("rate", task.T):
                quiet = epoch
        parts = {"prune": task.prune, "rewire": task.rewire}
        for part, begins in {part: each for part, each in parts.items() if each}.items():
            listens = begins.warmup - begins.interval
            if listens < quiet:
                raise ValueError(
                    f"tasks.{name}.{part}.warmup: {begins.warmup}, interval {begins.interval}: activity is "
                    f"listened to after epoch {listens}, and the first {quiet} are without T = {task.T} "
                    "steps; raise warmup"
                )


RULES = (
    limits_are_of_data_in_use,
    frames_are_steps,
    grids_hold,
    fewer_name_something,
    headline_is_first,
    names_differ,
    baselines_match,
    data_are_needed,
    images_suffice,
    something_stays,
    tickets_rewind,
    rectified_units_have_no_time,
    phases_fit,
    frontier_is_alike,
    hypotheses_name_trials,
)
