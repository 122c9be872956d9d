import pytest
import torch
from spikingjelly.activation_based import functional, neuron

from lib.models.dynamics import charge
from lib.models.neurons import NEURONS

IF, LIF = NEURONS["if"], NEURONS["lif"]


def fire(make, currents):
    """Spikes and potentials after the reset, of one neuron over len(currents) steps."""
    node = make()
    node.store_v_seq = True
    spikes = node(torch.tensor(currents, dtype=torch.float64).view(-1, 1))
    return spikes.flatten().tolist(), node.v_seq.flatten().tolist()


@pytest.mark.parametrize("make", [IF, LIF])
def test_constants_are_those_of_the_paper(make):
    node = make()
    assert (node.v_threshold, node.v_reset, node.detach_reset, node.step_mode) == (1.0, 0.0, True, "m")
    assert node.surrogate_function.alpha == 4.0


def test_lif_has_tau_2_and_a_decayed_input():
    node = LIF()
    assert (node.tau, node.decay_input) == (2.0, True)
    assert isinstance(IF(), neuron.IFNode) and not isinstance(IF(), neuron.LIFNode)


def test_if_by_hand_with_a_spike_at_exactly_the_threshold_and_a_hard_reset():
    spikes, v = fire(IF, [0.625, 0.625, 1.0, -0.5, 2.75, 0.25])
    assert spikes == [0, 1, 1, 0, 1, 0]
    assert v == [0.625, 0, 0, -0.5, 0, 0.25]


def test_lif_by_hand():
    spikes, v = fire(LIF, [1.25, 1.25, 1.25, 1.25, -1.0])
    assert spikes == [0, 0, 1, 0, 0]
    assert v == [0.625, 0.9375, 0, 0.625, -0.1875]


@pytest.mark.parametrize("make, weight", [(IF, 1.0), (LIF, 0.5)])
def test_surrogate_is_a_sigmoid_of_slope_4(make, weight):
    x = torch.linspace(-2, 4, 13, dtype=torch.float64).view(1, -1).requires_grad_()
    make()(x).sum().backward()
    s = torch.sigmoid(4 * (weight * x.detach() - 1))
    torch.testing.assert_close(x.grad, weight * 4 * s * (1 - s), rtol=0, atol=1e-14)


def test_surrogate_of_a_silent_channel_at_rest_is_0_071():
    x = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    IF()(x).sum().backward()
    assert x.grad.item() == pytest.approx(0.071, abs=5e-4)


@pytest.mark.parametrize("make", NEURONS.values(), ids=NEURONS)
def test_reset_path_is_detached(make):
    x = torch.tensor([[3.0], [0.5]], dtype=torch.float64, requires_grad=True)
    make()(x)[1].sum().backward()
    assert x.grad[0].item() == 0 and x.grad[1].item() > 0


def by_hand(x, lif):
    v, spikes, charged = torch.zeros_like(x[0]), [], []
    for current in x:
        h = v + (current - v) / 2 if lif else v + current
        soft, hard = torch.sigmoid(4 * (h - 1)), (h >= 1).to(h)
        s = hard + (soft - soft.detach())
        v = h * (1 - s.detach())
        spikes.append(s)
        charged.append(h)
    return torch.stack(spikes), torch.stack(charged)


@pytest.mark.parametrize("name", ["if", "lif"])
@pytest.mark.parametrize("mode", ["s", "m"])
def test_forward_and_backward_through_time_equal_a_hand_loop(name, mode):
    generator = torch.Generator().manual_seed(0)
    x, weights = (torch.randn(6, 50, generator=generator, dtype=torch.float64) * 1.5 for _ in range(2))
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    node = NEURONS[name]()
    functional.set_step_mode(node, mode)
    spikes = node(ours) if mode == "m" else torch.stack([node(step) for step in ours])
    expected, _ = by_hand(theirs, name == "lif")
    assert 0 < expected.mean() < 1
    assert torch.equal(spikes, expected)
    (spikes * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["if", "lif"])
def test_charge_is_the_potential_before_firing(name):
    x = torch.randn(6, 50, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 1.5
    node = NEURONS[name]()
    node.store_v_seq = True
    spikes = node(x)
    h = charge(
        torch.cat([torch.zeros(1, 50, dtype=torch.float64), node.v_seq[:-1]]), x, getattr(node, "tau", None)
    )
    torch.testing.assert_close(h, by_hand(x, name == "lif")[1], rtol=0, atol=1e-14)
    assert torch.equal((h >= 1).to(h), spikes)
    torch.testing.assert_close(h * (1 - spikes), node.v_seq, rtol=0, atol=0)
