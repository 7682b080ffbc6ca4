# ruff: noqa: E501  a table reads best with an entry on a line
"""Random numbers: the same for the same seed, for those who run again, and for examples of a batch."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dualad
from dualad import random
from dualad.backends import Backend, for_device
from dualad.backends.device import CPU
from dualad.backends.numpy import NumpyBackend
from dualad.testing.plugin import needs

# Every function with the arguments of one call, to which generator=, dtype= and device= are added.
REAL = {
    "rand": (5,), "randn": (2, 3), "normal": (1.0, 2.0, (4,)), "uniform": (-1.0, 2.0, (4,)),
    "exponential": (2.0, (4,)), "laplace": (1.0, 2.0, (4,)), "logistic": (1.0, 2.0, (4,)),
    "gumbel": (1.0, 2.0, (4,)), "cauchy": (1.0, 2.0, (4,)), "lognormal": (0.0, 1.0, (4,)),
    "weibull": (2.0, (4,)), "pareto": (2.0, (4,)), "gamma": (0.7, 2.0, (4,)), "beta": (0.5, 2.0, (4,)),
    "chisquare": (3.0, (4,)), "standard_t": (3.0, (4,)), "f": (3.0, 5.0, (4,)),
    "rayleigh": (2.0, (4,)), "power": (3.0, (4,)), "triangular": (-1.0, 0.0, 3.0, (4,)), "random": ((4,),),
    "standard_normal": ((4,),), "standard_exponential": ((4,),), "standard_cauchy": ((4,),),
    "standard_gamma": (2.0, (4,)),
}  # fmt: skip
COUNTS = {
    "randint": (0, 1000, (4,)), "randperm": (50,), "poisson": (300.0, (4,)), "binomial": (900.0, 0.5, (4,)),
    "geometric": (0.01, (4,)), "permutation": (50,), "negative_binomial": (20.0, 0.01, (4,)),
}  # fmt: skip


def draw(name, *arguments, **keywords):
    return getattr(random, name)(*arguments, **keywords)


def _arguments(name, device):
    if name.startswith(("randperm", "permutation")):
        needs(dualad.int64, device)  # in which array-api-strict counts, also where there is none
    return {**REAL, **COUNTS}[name]


def listed(x):
    return x.cpu().numpy().tolist()


# -- seeds and states --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*REAL, *COUNTS])
def test_the_same_seed_gives_the_same_numbers(name, device):
    arguments = _arguments(name, device)
    drawn = []
    for seed in (3, 3, 4):
        dualad.manual_seed(seed)
        first = draw(name, *arguments, device=device)
        drawn.append((listed(first), listed(draw(name, *arguments, device=device))))
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0][0] != drawn[0][1]
    assert first.device == device


@pytest.mark.parametrize("name", [*REAL, *COUNTS])
def test_a_generator_is_drawn_from_and_no_other(name, device):
    arguments = _arguments(name, device)
    g = dualad.Generator(device).manual_seed(5)
    before = random.get_rng_state(device)
    drawn = [listed(draw(name, *arguments, generator=g, device=device)) for _ in range(2)]
    assert bool((random.get_rng_state(device) == before).all())
    g.manual_seed(5)
    assert [listed(draw(name, *arguments, generator=g, device=device)) for _ in range(2)] == drawn
    dualad.manual_seed(5)
    assert [listed(draw(name, *arguments, device=device)) for _ in range(2)] == drawn


@pytest.mark.parametrize("name", REAL)
def test_the_dtype_is_that_which_is_named(name, device):
    for dtype in (dualad.float16, dualad.float32, dualad.float64):
        try:
            dualad.zeros(1, dtype=dtype, device=device)
        except dualad.DTypeError:
            with pytest.raises(dualad.DTypeError, match="has no arrays of dtype"):
                draw(name, *REAL[name], dtype=dtype, device=device)
        else:
            x = draw(name, *REAL[name], dtype=dtype, device=device, requires_grad=True)
            assert (x.dtype, x.device, x.requires_grad, x.is_leaf) == (dtype, device, True, True)
    assert draw(name, *REAL[name], device=device).dtype is dualad.float32
    with pytest.raises(dualad.DTypeError, match=f"{name}: the numbers .*cannot be dualad.int32"):
        draw(name, *REAL[name], dtype=dualad.int32, device=device)


def test_what_seeds_give_back():
    g = dualad.manual_seed(11)
    assert g is random.default_generator() is random.default_generator("cpu")
    assert (g.initial_seed(), dualad.initial_seed(), random.initial_seed()) == (11, 11, 11)
    assert dualad.manual_seed(-1).initial_seed() == 2**64 - 1
    seeds = {dualad.seed() for _ in range(4)}
    assert len(seeds) == 4
    assert dualad.initial_seed() in seeds
    own = dualad.Generator()
    assert own.manual_seed(2**64 - 1) is own
    assert own.seed() == own.initial_seed() != 2**64 - 1


def test_new_generators_begin_at_the_same_numbers(device):
    drawn = [
        listed(dualad.rand(3, generator=dualad.Generator(device=device), device=device)) for _ in range(2)
    ]
    assert drawn[0] == drawn[1]


def test_a_seed_is_for_all_devices_those_not_yet_used_too(device):
    def numbers():
        return listed(dualad.rand(4, device=device)), listed(dualad.rand(4))

    dualad.manual_seed(1)
    first = numbers()
    random.default_generator(device).seed()
    dualad.manual_seed(1)
    assert numbers() == first


def test_states_are_saved_and_restored(device):
    dualad.randn(3, device=device)
    state = dualad.get_rng_state(device)
    assert (state.dtype, state.ndim, state.device) == (dualad.uint8, 1, "cpu")
    want = listed(dualad.randn(5, device=device)), listed(dualad.randint(0, 99, (5,), device=device))
    for saved in (state, state.numpy(), pickle.loads(pickle.dumps(state))):
        dualad.set_rng_state(saved, device)
        got = listed(dualad.randn(5, device=device)), listed(dualad.randint(0, 99, (5,), device=device))
        assert got == want
    g = dualad.Generator(device)
    assert g.set_state(state) is g
    assert listed(dualad.randn(5, device=device, generator=g)) == want[0]
    dualad.manual_seed(8)
    assert random.default_generator(device).set_state(state).initial_seed() == 0  # as the fixture seeds


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, dualad.Generator.clone_state,
                                    lambda g: pickle.loads(pickle.dumps(g))])  # fmt: skip
def test_copies_of_a_generator_give_the_numbers_that_come_next(copied, device):
    g = dualad.Generator(device).manual_seed(4)
    dualad.rand(3, generator=g, device=device)
    other = copied(g)
    assert (other.device, other.initial_seed()) == (device, 4)
    first = listed(dualad.rand(3, generator=g, device=device))
    assert listed(dualad.rand(3, generator=other, device=device)) == first
    assert repr(other) == f"<dualad.Generator on {device}, seed 4>"


def test_bytes_that_are_no_state():
    g = dualad.Generator().manual_seed(1)
    for wrong, error, words in (
        (dualad.zeros(3), TypeError, "a vector of uint8.*dualad.float32"),
        (np.zeros((2, 2), np.uint8), TypeError, r"shape \(2, 2\)"),
        (np.zeros(9, np.uint8), ValueError, "set_state: this is no state of a Generator of cpu"),
        (g.get_state()[:-9], ValueError, "set_state: this is no state of a Generator of cpu"),
        (g.get_state()[:20], ValueError, "set_state: this is no state of a Generator of cpu"),
    ):
        with pytest.raises(error, match=words):
            g.set_state(wrong)
    assert g.initial_seed() == 1
    assert listed(dualad.rand(3, generator=g)) == listed(
        dualad.rand(3, generator=dualad.Generator().manual_seed(1))
    )


def test_states_and_generators_of_other_devices(device):
    if device == "cpu":
        pytest.skip("the CPU is what other devices are compared with")
    g = dualad.Generator(device)
    with pytest.raises(dualad.DeviceError, match=f"rand: the generator is one of {device}.*asked for on cpu"):
        dualad.rand(3, generator=g)
    with pytest.raises(dualad.DeviceError, match=f"normal: the generator is one of cpu.* on {device}"):
        dualad.normal(dualad.zeros(3, device=device), 1.0, generator=dualad.Generator())
    with pytest.raises(dualad.DeviceError, match="normal: std is on cpu, mean is on"):
        dualad.normal(dualad.zeros(3, device=device), dualad.ones(3))
    with pytest.raises(dualad.DeviceError, match="normal: std is on cpu, device= on"):
        dualad.normal(0.0, dualad.ones(3), device=device)
    if for_device(g.device).name != "numpy":
        with pytest.raises(dualad.DeviceError, match="the state is of a generator of the numpy backend"):
            g.set_state(dualad.Generator().get_state())


@pytest.mark.parametrize("name", [*REAL, *COUNTS])
def test_a_generator_that_is_none(name):
    with pytest.raises(
        TypeError, match=f"(?:{name}|randperm): generator must be a dualad.Generator, got int"
    ):
        draw(name, *{**REAL, **COUNTS}[name], generator=3)


def _draw_and_fail(numbers, device):
    with random.fork_rng(devices=[device]):
        numbers()
        raise ZeroDivisionError


def test_after_a_fork_generators_stand_where_they_stood(device):
    def numbers():
        return listed(dualad.rand(3, device=device)), listed(dualad.rand(3))

    dualad.manual_seed(2)
    want = numbers()
    for inside in (dualad.seed, lambda: dualad.manual_seed(9), lambda: None):
        dualad.manual_seed(2)
        with random.fork_rng():
            inside()
            numbers()
        assert numbers() == want
        assert dualad.initial_seed() == 2
    dualad.manual_seed(2)
    with pytest.raises(ZeroDivisionError):
        _draw_and_fail(numbers, device)
    assert numbers() == want
    dualad.manual_seed(2)
    with random.fork_rng(enabled=False):
        numbers()
    assert numbers() != want


def test_a_fork_of_one_device_by_its_name(device):
    g = random.default_generator(device)
    for one in (str(g.device), g.device):
        dualad.manual_seed(2)
        with random.fork_rng(devices=one):
            first = listed(dualad.rand(3, device=device))
        assert listed(dualad.rand(3, device=device)) == first


def test_a_fork_of_named_devices_leaves_the_others(device):
    if device == "cpu":
        pytest.skip("the CPU is among those of every fork")
    dualad.manual_seed(2)
    with random.fork_rng(devices=[]):
        first = listed(dualad.rand(3, device=device)), listed(dualad.rand(3))
    again = listed(dualad.rand(3, device=device)), listed(dualad.rand(3))
    assert again[0] != first[0]
    assert again[1] == first[1]


def test_threads_draw_in_turn_from_one_generator(device):
    g = dualad.Generator(device)

    def some(_):
        return [tuple(listed(dualad.rand(3, generator=g, device=device))) for _ in range(50)]

    alone = sorted(row for k in range(4) for row in some(k))
    g = dualad.Generator(device)
    with ThreadPoolExecutor(4) as pool:
        together = sorted(row for rows in pool.map(some, range(4)) for row in rows)
    assert together == alone


class _Dice:
    """A generator of no library: it counts."""

    count = 0


class _DiceBackend(NumpyBackend):
    """NumPy's arrays with generators that draw integers and nothing else."""

    integers = True

    def random(self, generator, kind, shape, dtype, device, **parameters):
        if kind == "integers" and self.integers:
            generator.count += 1
            return np.arange(np.prod(shape), dtype=dtype) % 7 + generator.count + parameters["low"]
        return Backend.random(self, generator, kind, shape, dtype, device, **parameters)


KINDS = {
    "random": {}, "standard_normal": {}, "standard_gamma": {"a": 2.0}, "poisson": {"lam": 40.0},
    "binomial": {"n": 90.0, "p": 0.5},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_library_lacks_is_drawn_by_numpy_from_integers_of_its_generator(kind):
    backend = _DiceBackend()
    parameters = {k: np.full((3, 4), v, np.float32) for k, v in KINDS[kind].items()}

    def drawn(dice):
        return backend.random(dice, kind, (3, 4), np.dtype("float32"), CPU, **parameters)

    dice = _Dice()
    first, second, again = drawn(dice), drawn(dice), drawn(_Dice())
    assert (first.shape, first.dtype, dice.count) == ((3, 4), "float32", 2)
    assert (first == again).all()
    assert (first != second).any()
    backend.integers = False
    with pytest.raises(dualad.BackendError, match="the numpy backend draws no integers from its generators"):
        drawn(dice)


# -- functions that are run again --------------------------------------------------------------------


def _gradient_and_what_follows(f, device, g):
    g.manual_seed(6)
    dualad.manual_seed(6)
    x = dualad.ones(20, device=device, requires_grad=True)
    y = f(x)
    after = listed(dualad.rand(3, device=device, generator=g))
    y.sum().backward()
    return listed(x.grad), after, listed(dualad.rand(3, device=device, generator=g))


def _plain(x, g):
    return (x * dualad.randn(20, device=x.device, generator=g)).sin() * dualad.randn(20, device=x.device)


def _of_its_own(x, g):
    own = dualad.Generator(x.device).manual_seed(3)
    return (x * dualad.rand(20, device=x.device, generator=own)).exp() * dualad.rand_like(x, generator=own)


def _seeded(x, g):
    y = x * dualad.rand(20, device=x.device, generator=g)
    g.manual_seed(1)
    return (y * dualad.rand(20, device=x.device, generator=g)).exp()


def _set_back(x, g):
    state = g.get_state()
    y = x * dualad.rand(20, device=x.device, generator=g)
    g.set_state(state)
    return (y * dualad.rand(20, device=x.device, generator=g)).exp()


def _cloned(x, g):
    other = g.clone_state()
    return (x * dualad.rand(20, device=x.device, generator=other)).exp()


def _forked(x, g):
    with random.fork_rng():
        y = x * dualad.rand(20, device=x.device)
    return (y * dualad.rand(20, device=x.device)).exp()


def _of_gamma(x, g):
    return random.gamma(x, generator=g) * x


@pytest.mark.parametrize("f", [_plain, _of_its_own, _seeded, _set_back, _cloned, _forked, _of_gamma])
def test_checkpoints_draw_the_same_numbers_again(f, device):
    g = dualad.Generator(device)
    want = _gradient_and_what_follows(lambda x: f(x, g), device, g)
    got = _gradient_and_what_follows(lambda x: dualad.checkpoint(lambda x: f(x, g))(x), device, g)
    nested = dualad.checkpoint(lambda x: dualad.checkpoint(lambda x: f(x, g))(x))
    assert got == want
    assert _gradient_and_what_follows(nested, device, g) == want


def test_a_checkpoint_does_not_disturb_a_generator_that_was_seeded_in_it():
    g = dualad.Generator()

    def f(x):
        g.manual_seed(4)
        return x.exp()

    x = dualad.ones(3, requires_grad=True)
    y = dualad.checkpoint(f)(x)
    g.manual_seed(5)
    first = listed(dualad.rand(2, generator=g))
    y.sum().backward()
    second = listed(dualad.rand(2, generator=g))
    g.manual_seed(5)
    assert listed(dualad.rand(4, generator=g)) == first + second


# -- batches -----------------------------------------------------------------------------------------

DRAWS = {
    "generator": lambda x, g: dualad.rand(3, device=x.device, generator=g),
    "normal": lambda x, g: dualad.normal(x, 1.0, generator=g),
    "gamma": lambda x, g: random.gamma(x, generator=g), "gamma, wider": lambda x, g: random.gamma(x, 2.0, (2, 3), generator=g),
    "gamma of a number": lambda x, g: random.gamma(2.0, size=3, device=x.device, generator=g) * x,
    "triangular": lambda x, g: random.triangular(x - 1, x, x + 2, generator=g),
    "negative binomial": lambda x, g: random.negative_binomial(x + 1000, 0.01, generator=g),
    "beta": lambda x, g: random.beta(x, 2.0, generator=g), "dirichlet": lambda x, g: random.dirichlet(x, generator=g),
    "gradient": dualad.grad(lambda x, g: random.gamma(x, generator=g).sum()),
    "poisson": lambda x, g: dualad.poisson(x + 1000, generator=g),
    "binomial": lambda x, g: dualad.binomial(x + 99999, 0.5, generator=g),
    "bernoulli": lambda x, g: dualad.bernoulli(dualad.full_like(x, 0.5), size=(60, 3), generator=g),
    "permutation": lambda x, g: random.permutation(dualad.asarray(np.arange(40, dtype=np.float32), device=x.device), generator=g),
    "in place": lambda x, g: dualad.zeros_like(x).normal_(generator=g),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
def test_vmap_says_whether_numbers_differ(name, device):
    if name == "permutation":
        needs(dualad.int64, device)  # as above
    many, g = dualad.ones(4, 3, device=device), dualad.Generator(device)

    def f(x):
        return DRAWS[name](x, g)

    with pytest.raises(dualad.BatchError, match="randomness='different' or 'same'"):
        dualad.vmap(f)(many)
    rows = dualad.vmap(f, randomness="different")(many).cpu().numpy()
    assert len({row.tobytes() for row in rows}) == 4
    g.manual_seed(1)
    rows = dualad.vmap(f, randomness="same")(many).cpu().numpy()
    g.manual_seed(1)
    np.testing.assert_allclose(rows, np.stack([f(many[0]).cpu().numpy()] * 4), rtol=1e-5)


def test_nested_vmaps_of_numbers_with_parameters():
    def rows(inner, outer):
        f = lambda x: dualad.vmap(lambda a: random.gamma(a, size=4), randomness=inner)(x)  # noqa: E731
        return np.asarray(dualad.vmap(f, randomness=outer)(np.ones((2, 3))))

    assert len({r.tobytes() for r in rows("different", "different").reshape(6, 4)}) == 6
    drawn = rows("same", "different")
    assert len({r.tobytes() for r in drawn.reshape(6, 4)}) == 2
    assert np.ptp(drawn, axis=1).max() == 0
    drawn = rows("different", "same")
    assert len({r.tobytes() for r in drawn.reshape(6, 4)}) == 3
    assert np.ptp(drawn, axis=0).max() == 0
