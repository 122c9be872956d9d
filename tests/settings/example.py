"""A small study that is valid, to be broken in one place."""

import copy

from ruamel.yaml import YAML

from lib.settings import Study, config

GONE = object()
STUDY = """
study: quick
root: .
params: params.yaml
out: .
threads: 1
headline: digits-vgg
data: {root: data/raw, validation: 0.125, split_seed: 2020}
grid:
  {data: [digits], tasks: [digits-vgg, spikformer], pruned: [digits-vgg], ablated: [digits-vgg],
   matched: [digits-vgg], rewired: [digits-vgg], selected: [spikformer], seeds: [0, 1]}
tasks:
  digits-vgg:
    {data: digits, augment: none, net: vgg-digits, neuron: if, T: 4, width: 1.0, ratios: [0.5, 0.7, 0.8],
     train: {epochs: 20, batch: 25, lr: 0.05, momentum: 0.9, weight_decay: 0.0, l1: 0.0, lr_schedule: cosine},
     prune: {warmup: 4, interval: 2, floor: 2, probes: 4, compact: true},
     rewire: {warmup: 2, interval: 2, stop: 0.8}, densities: [0.3, 0.2]}
  spikformer:
    {data: digits, augment: none, net: spikformer-digits, neuron: lif, T: 2, width: 1.0, rhos: [0.7],
     densities: [0.3],
     train: {epochs: 9, batch: 25, lr: 0.01, momentum: 0.9, weight_decay: 0.1, l1: 0.0, lr_schedule: cosine,
             optimizer: adamw},
     student: {epochs: 5, batch: 25, lr: 0.002, momentum: 0.9, weight_decay: 0.06, l1: 0.0,
               lr_schedule: cosine, warmup: 1}}
methods:
  sca: {label: SCA}
  only-prune: {label: only-prune, growth: none, regrow: 0.0}
  random: {label: random, mode: fixed, score: random, growth: none, regrow: 0.0}
ablations:
  ablations: {label: varied, base: sca, ratio: 0.7, variants: [{score: firing_rate}, {interval: 1}]}
baselines:
  anew: {label: anew, matches: sca, widths: found, ratios: [0.5]}
weights:
  pq: {kind: rewiring, label: PQ}
  tickets: {kind: tickets, label: tickets}
  stds: {kind: threshold, label: STDS, rule: stds, strength: 0.1}
tokens:
  learned: {kind: select, label: learned, rule: learned}
  all: {kind: select, label: all tokens, rule: all}
  tickets-all: {kind: tickets, label: tickets}
  tickets-learned: {kind: tickets, label: "tickets, learned", rho: 0.7}
"""


def document() -> dict:
    return YAML(typ="safe").load(STUDY)


def changed(path: str, value) -> dict:
    """STUDY with the value at `path` ("tasks.digits-vgg.net") replaced; GONE removes it."""
    whole = document()
    inner = whole
    *above, last = path.split(".")
    for key in above:
        inner = inner[key]
    if value is GONE:
        del inner[last]
    else:
        inner[last] = copy.deepcopy(value)
    return whole


def written(folder, content):
    """The params.yaml of a document, or of text."""
    path = folder / "params.yaml"
    if isinstance(content, dict):
        with open(path, "w") as file:
            YAML(typ="safe").dump(content, file)
    else:
        path.write_bytes(content.encode("latin-1"))
    return path


def read(folder, content) -> Study:
    return config.read(written(folder, content))


def assert_one_line(line: str) -> None:
    """What a user is told: no newline, and nothing that only a programmer would say."""
    assert "\n" not in line and len(line) < 400, line
    assert not [word for word in ("Traceback", "pydantic", "instance of", "tuple") if word in line], line
