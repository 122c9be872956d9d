"""What a list of layers says of pruning: which convolutions have channels that can be removed, whose channels
a tensor runs over, what one event in it is worth."""

import math
from typing import NamedTuple

INPUT = "the input"  # no layer can have this name
SITES = ("site", "writing")
A_CHANNEL = {  # each by itself
    "max_pool",
    "avg_pool",
    "adaptive_pool",
    "dropout",
    "dropout_a_step",
    "dropout2d",
    "flatten",
}
BRANCH = {"add", "multiply", "concatenate"}


class Layer(NamedTuple):
    """kind: as in lib.models.graph.MADE, or 'conv', 'linear', 'site', 'writing'; reads: names of layers, or
    'input'; options: plain values, what the layer is made of"""

    name: str
    kind: str
    reads: list[str]
    options: dict


class Flow(NamedTuple):
    """What a layer's output is.

    site: whose channels it runs over, None: all that there ever were; channels: how many those are in full;
    made: the site that it goes to, of a convolution
    unit: what one event is worth, None: it holds numbers; remark: why its events are taken for numbers
    still: whether no neuron stands before it, so that it is the same at each step if the image is
    """

    site: str | None = None
    channels: int = 0
    made: str | None = None
    unit: float | None = None
    remark: str = ""
    still: bool = False


def readers(layers: list[Layer]) -> dict[str, list[Layer]]:
    """{name: who reads it}; the network's output is read by nobody."""
    found = {each.name: [] for each in layers} | {INPUT: []}
    for each in layers:
        for name in each.reads:
            found[name].append(each)
    return found


def with_sites(layers: list[Layer]) -> tuple[list[Layer], dict[str, str]]:
    """The layers with each BN -> neuron that follows a convolution as one site, named by the convolution,
    or BN -> sum -> neuron; and {convolution that has none: why}."""
    read_by = readers(layers)
    merged = {}
    gone = set()
    whole = {}
    for each in layers:
        if each.kind != "conv":
            continue
        found = site_after(each, read_by, gone)
        if isinstance(found, str):
            whole[each.name] = found
        else:
            merged[found.name] = found
            gone |= set(found.options["parts"])
    return [merged.get(each.name, each) for each in layers if each.name not in gone], whole


def site_after(conv: Layer, read_by: dict[str, list[Layer]], taken: set[str]) -> Layer | str:
    """The site that follows a convolution, in the place of its neuron, or why there is none."""
    if conv.options["groups"] > 1:
        return f"its filters are in {conv.options['groups']} groups, which lose their channels together"
    norm = only(read_by[conv.name])
    if norm is None or norm.kind != "bn":
        return f"what reads it is no batch normalisation: {told(read_by[conv.name])}"
    if not (norm.options["affine"] and norm.options["track_running_stats"]):
        return f"its batch normalisation {norm.name} has no scale, or no running statistics"
    after = only(read_by[norm.name])
    if after is not None and after.kind == "neuron":
        if ends_in(after, read_by):
            return "its channels are the network's outputs"
        return made_site("site", conv, [norm], after, [])
    if after is None or after.kind != "add":
        return f"what reads its batch normalisation is no neuron and no sum: {told(read_by[norm.name])}"
    node = only(read_by[after.name])
    if node is None or node.kind != "neuron":
        return f"the sum that it goes into, {after.name}, is read by {told(read_by[after.name])}"
    if after.name in taken:
        return f"it goes into a sum, {after.name}, with another convolution that writes there"
    streams = [name for name in after.reads if name != norm.name]
    return made_site("writing", conv, [norm, after], node, streams)


def site_name(conv: Layer) -> str:
    """A convolution's own name, unless the classifier or a module of ours is called so."""
    ours = conv.name == "head" or conv.name.startswith("layers.")
    return f"model.{conv.name}" if ours else conv.name


def made_site(kind: str, conv: Layer, parts: list[Layer], node: Layer, streams: list[str]) -> Layer:
    norm = parts[0]
    options = {
        "site": site_name(conv),
        "channels": conv.options["makes"],
        "bn": {name: norm.options[name] for name in ("eps", "momentum")},
        "node": node.options,
        "parts": [part.name for part in parts],
    }
    return Layer(node.name, kind, [conv.name, *streams], options)


def only(found: list[Layer]) -> Layer | None:
    return found[0] if len(found) == 1 else None


def told(found: list[Layer]) -> str:
    return ", ".join(f"{each.kind} {each.name}" for each in found) or "nobody"


def ends_in(each: Layer, read_by: dict[str, list[Layer]]) -> bool:
    """Whether a layer's channels reach the network's output each by itself."""
    after = read_by[each.name]
    each_by_itself = A_CHANNEL | BRANCH | {"bn", "complement", "voting"}
    return not after or any(ends_in(one, read_by) for one in after if one.kind in each_by_itself)


def compact_readers(each: Layer, read_by: dict[str, list[Layer]]) -> bool:
    """Whether all who read a site take any number of its channels: convolutions and linear layers, behind
    what treats each channel by itself."""
    after = read_by[each.name]
    return bool(after) and all(
        compact_readers(one, read_by)
        if one.kind in A_CHANNEL
        else one.kind == "linear" or one.kind == "conv" and one.options["groups"] == 1
        for one in after
    )


def flows(layers: list[Layer], events: bool) -> dict[str, Flow]:
    """{name: what its output is}; layers: with their sites"""
    read_by = readers(layers)
    sites = {each.reads[0]: each.options["site"] for each in layers if each.kind in SITES}
    found = {INPUT: Flow(unit=1.0 if events else None, still=True)}
    for each in layers:
        came = [found[name] for name in each.reads]
        still = all(flow.still for flow in came)
        if each.kind in ("conv", "linear", "bn"):
            found[each.name] = Flow(made=sites.get(each.name), still=still)
        elif each.kind == "site" and compact_readers(each, read_by):
            found[each.name] = Flow(each.options["site"], each.options["channels"], unit=1.0)
        elif each.kind in (*SITES, "neuron"):
            found[each.name] = Flow(unit=1.0)
        elif each.kind in BRANCH:
            found[each.name] = Flow(**joined(each, [flow.unit for flow in came]), still=still)
        else:
            found[each.name] = scaled(each, came[0])
    return found


def coupled(layers: list[Layer]) -> list[list[str]]:
    """Groups of sites whose channels meet, each with its like, in sums and products: what one leaves out of a
    sum, another may still write there."""
    sources: dict[str, set[str]] = {INPUT: set()}
    groups: list[set[str]] = []
    for each in layers:
        came = set().union(*(sources[name] for name in each.reads))
        if each.kind in SITES:
            came = came | {each.options["site"]}
        if each.kind in ("writing", "add", "multiply"):
            touching = [group for group in groups if group & came]
            groups = [group for group in groups if group not in touching] + [came.union(*touching)]
        sources[each.name] = set() if each.kind in ("conv", "linear", "concatenate") else came
    order = [each.options["site"] for each in layers if each.kind in SITES]
    return [[name for name in order if name in group] for group in groups if len(group) > 1]


def joined(each: Layer, units: list[float | None]) -> dict:
    """What one event is worth where several tensors meet."""
    if None in units:
        return {}
    if each.kind == "multiply":
        return {"unit": math.prod(units)}
    if len(set(units)) > 1:
        return {"remark": f"in {each.name} events meet that are worth {', '.join(f'{u:g}' for u in units)}"}
    return {"unit": units[0]}


def scaled(each: Layer, came: Flow) -> Flow:
    """Behind a layer that treats each channel by itself; options["worth"]: by what it multiplies an event,
    None: not all by the same."""
    worth = each.options.get("worth", 1.0)
    if came.unit is None or worth == 1:
        return came
    if worth is None:
        return came._replace(unit=None, remark=f"{each.name} takes means over windows of several sizes")
    return came._replace(unit=came.unit * worth)
