"""A reproducible study of pruning deep spiking neural networks. Arrows point one way: a wing imports those
above it.

core/         needs nothing of ours
  errors        what a user is told, in one line
  files         files that are whole or not there
  tensors       tensors in files, read without executing anything
  returned      what a function of a method may return
  collectives   what the devices of one training do together
  memory        what becomes of memory that is given back
settings/     params.yaml as frozen types
  base          types with their ranges
  datasets      one record a data set
  task          a network on a data set, with its recipe
  method        how a method is composed: channels, weights, tokens, baselines
  trial         one training: what is asked of it
  primary       what a study says before it is run
  grid          the stages, and which tasks each runs
  study         a whole params.yaml, its trials and paths
  rules         what its parts must agree on
  config        reads it
  given         what a notebook is given
  records       one JSON file a method, task and seed
models/       spiking networks, built from SpikingJelly's neurons and layers
  dynamics      what a layer of neurons computes, forward and back; kernels: in one node of the graph
  neurons, sites, vgg, resnet, spikformer, tokens; sparse: files of few weights
  adopt         a SpikingJelly network of anybody's, taken over
  tracing       its operations; reading: its layers; known_layers: those that there may be
  chains        its sites, who reads them, what an event is worth; graph: it runs again
  kept_neurons  neurons of a user's constants
  fused         BN, neuron and pooling of a layer in one compiled node; cuda, tiles: on a GPU, by hand
  convolution   a convolution as a matrix product, and among channels of zeros
  start         what a network takes from data: first filters, statistics of BN
pruning/      what goes, what comes back, how many and when; removal
  scores, members, growth, schedules, masks, channels, shrinking, compact     channels
  weights, rewiring, compressibility, sparse_init, thresholds, tickets     single weights
  tokens        the loss and the statistics of a network on fewer tokens
  prefix        how long a training goes as others do
  probing       gradients of probe batches
  prices        the synapses of a channel
  pruner        what the training loop knows of all of them
data/         raw files -> tensors in memory, fixed splits
  download, datasets, tiny, events, splits, augmentation
  yours         data of a user's own; folders: of files, one a class
measure/      what a network is and costs, read off the network itself
  activity, synapses, choosing, cost, size, evaluate; report: all of it
training/     one loop for every method
  steps, muon, run, fit, warmup, checkpoint, distributed, distillation, baselines
  setup         threads, determinism and seeds of a process
  adopted       the training of a network that was taken over
  phases        from rectified units to rates to spikes
  fastest       what this processor computes a step with fastest
report/       results in one flat table, what they say, how they are drawn; core and settings alone, no torch
  results, stats, equal_size, recovery, speedrun, questions, claims, findings, primary, published; plots,
  page, draw, forest, frontier, pictures, schematics
"""

import sys
from pathlib import Path


def _other_checkout(here: Path, root: Path) -> Path | None:
    """The checkout of this project that `here` lies in, if that is another one than `root`."""
    for folder in (here, *here.parents):
        package = folder / "lib" / "__init__.py"
        if (folder / "dvc.yaml").exists() and package.exists():
            ours = (root / "lib" / "__init__.py").read_text().splitlines()[0]
            return folder if folder != root and package.read_text().splitlines()[0] == ours else None
    return None


# Two clones may share an environment, which knows one of them: the other's numbers would be made by its code.
_root = Path(__file__).resolve().parent.parent
if _other := _other_checkout(Path.cwd().resolve(), _root):
    sys.exit(f"error: this is {_other}, but Python imports lib from {_root}; set PYTHONPATH={_other}")
