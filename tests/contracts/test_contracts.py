"""What the house promises of every method, proved of every configuration in the tables.

A method's own test holds only its own mathematics; what is here comes for free, by a row in a table.
"""

from copy import deepcopy

import pytest
import torch
from configurations import NAMES, in_colour, joins_planes, small, trained_parts
from toys import differing, tinted, tiny_budget, tiny_cohort, trained, without_seconds

from medseg_lab.data.cohort import Cohort
from medseg_lab.inference.predict import predict_case
from medseg_lab.inference.sample import sample_case
from medseg_lab.networks.from_monai import FromMonai
from medseg_lab.semi.adversaries.game import Game
from medseg_lab.semi.consistency import Consistency
from medseg_lab.semi.teacher import TeacherStudent
from medseg_lab.training import watch
from medseg_lab.training.begin import begin
from medseg_lab.training.device import make_fabric
from medseg_lab.training.fit import fit
from medseg_lab.training.learner import Learner
from medseg_lab.training.notation import parse, written
from medseg_lab.training.recipe import Recipe, load, recipe
from medseg_lab.training.runs import Run, RunStore
from medseg_lab.training.supervised import Supervised
from medseg_lab.uncertainty.sampled import MeanOfSamples

COHORT = tiny_cohort(3, 3, labelled=3, raters=2, shape=(20, 18, 16), patch=32)
COLOURS = tinted(COHORT)
ROOM = {"steps": 3, "voxels": 2 * 8**3}
LEARNERS = sorted({written(part): part for name in NAMES for part in trained_parts(small(name, 2))}.items())
SEED = 3
FABRIC = make_fabric("32-true")
"""Whatever the processor computes in by itself: what is compared bit for bit is trained in one precision."""
by_configuration = pytest.mark.parametrize("name", NAMES)
by_dimension = pytest.mark.parametrize("dims", [2, 3])


def learners(kind: type[Learner]) -> list[Recipe]:
    """The trained recipes of one kind, each once."""
    return [part for _, part in LEARNERS if issubclass(load(part.target), kind)]  # type: ignore[arg-type]


def named(recipes: list[Recipe]) -> list:
    return [pytest.param(one, id=written(one)[:60]) for one in recipes]


def changed_of(target: Recipe, seed: int, patch: int) -> Learner:
    """A learner that teaches before it has learned."""
    if target.changes:
        return target.change([changed_of(base, seed, patch) for base in target.bases])
    learner, batches = started(target, seed, patch)
    learner.patch = batches.patch
    return learner


def ended(learner: Learner) -> Learner:
    learner.forget()
    return learner.eval()


def cohort_of(target: Recipe) -> Cohort:
    """The one that it learns from."""
    return COLOURS if in_colour(target) else COHORT


def started(target: Recipe, seed: int = 0, patch: int = 8) -> tuple[Learner, object]:
    room = tiny_budget(steps=3, voxels=2 * patch**2, patch=patch)
    teachers = [ended(changed_of(base, seed, patch)) for base in target.bases]
    learner, batches = begin(target, cohort_of(target), room, seed, FABRIC, teachers)
    learner.prepare(4, batches.unlabelled_shapes, batches.labelled_shapes)
    return learner, batches


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> RunStore:
    """One for all configurations, so that what several rest on is trained and stored once."""
    return RunStore(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module", autouse=True)
def _sizes_found_once():
    """What sizes of images a network of MONAI takes is found by many trials: here once for each network."""
    known, find = {}, FromMonai._sizes

    def found_once(self: FromMonai, *asked):
        if (key := repr((self.title, self.classes, asked))) not in known:
            known[key] = find(self, *asked)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FromMonai, "_sizes", found_once)
        yield


def fitted(store: RunStore, target: Recipe) -> Run:
    room = tiny_budget(**ROOM)
    return fit(target, cohort_of(target), room, SEED, store=store, progress=False, fabric=FABRIC)


@pytest.fixture(scope="module")
def gone_on(store: RunStore, tmp_path_factory):
    """What a trained part, stopped in the middle and gone on, ends as, and its curves: once for each part."""
    known = {}

    def trained_twice(part: Recipe):
        if (text := written(part)) not in known:
            teachers = [fitted(store, base).learner() for base in part.bases]
            where = {"folder": tmp_path_factory.mktemp("part"), "seed": SEED, "teachers": teachers, **ROOM}
            with pytest.raises(KeyboardInterrupt):
                trained(part, cohort_of(part), stop=2, checkpoint_seconds=0, **where)
            learner, curves = trained(part, cohort_of(part), **where)
            known[text] = ended(learner), without_seconds(curves.rows)
        return deepcopy(known[text])

    return trained_twice


@pytest.fixture(scope="module")
def watched_once():
    """`watched` trains all that a training rests on anew: here once for all that rest on it."""
    known, train = {}, watch._ended

    def trained_once(target: Recipe, cohort: Cohort, *more):
        if (key := (written(target), cohort.fingerprint)) not in known:
            known[key] = train(target, cohort, *more)
        return deepcopy(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "_ended", trained_once)
        yield watch.watched


@by_configuration
def test_its_recipe_is_canonical_text(name):
    """So tables, records and ledgers agree on a method's text without building it."""
    from medseg_lab.survey.configurations import configuration

    text = configuration(name).recipe
    assert written(parse(text)) == text
    assert Recipe.from_dict(parse(text).to_dict()) == parse(text)


@by_dimension
@by_configuration
def test_it_gives_probabilities_of_patches_of_any_size(name, dims):
    torch.manual_seed(0)
    target = small(name, dims)
    if dims == 3 and joins_planes(target):
        with pytest.raises(ValueError, match="spatial_dims: expected 2"):
            target.build(COHORT.task)
        return
    task = cohort_of(target).task
    method = target.build(task).eval()
    shape = (13, 10, 9)[:dims]
    with torch.no_grad():
        found = method.predict(torch.randn(2, task.channels, *shape))
        samples = method.sample(torch.randn(2, task.channels, *shape), 3)
    assert found.shape == (2, 3, *shape)
    assert samples.shape == (3, 2, 3, *shape)
    assert found.dtype == samples.dtype == torch.float32
    torch.testing.assert_close(found.sum(1), torch.ones(2, *shape))
    torch.testing.assert_close(samples.sum(2), torch.ones(3, 2, *shape))


@by_dimension
@pytest.mark.parametrize("target", named(learners(Learner)))
def test_its_losses_reach_every_parameter_that_they_train(target, dims):
    """On patches whose coarsest maps have more than one voxel, since a map of one passes an instance norm.

    What starts at 0 is moved a little before, since a last layer of 0 lets no gradient through (non-local).
    """
    if dims == 3 and any(name in written(target) for name in ("FCN", "DeepLab")):
        pytest.skip("its stride of 16 or 32 wants a patch of 32, which takes too long in 3D")
    if dims == 3 and joins_planes(target):
        pytest.skip("it learns from slices of volumes")
    target = Recipe(target.target, target.arguments | {"spatial_dims": dims})
    # pooled keys of a map of 2 x 2 x 2 are one, to which all attention goes
    wide = dims == 2 or "NonLocal" in written(target)
    learner, batches = started(target, patch=32 if wide else 16)
    for phase in learner.phases():
        moved = [p for p in phase.parameters if p.requires_grad]
        for at_zero in (p for p in moved if not p.any()):
            torch.nn.init.normal_(at_zero, std=0.1)
        total = [torch.zeros_like(p) for p in moved]
        for step in (0, 2, 3):  # at first a memory is empty, and a noise may be nothing
            terms = phase.losses(batches.batch(1), step)
            assert all(term.shape == () and term.isfinite() for term in terms.values())
            found = torch.autograd.grad(sum(terms.values()), moved, allow_unused=True)
            total = [t + (0 if g is None else g.abs()) for t, g in zip(total, found, strict=True)]
        assert all(each.max() > 0 for each in total)


@pytest.mark.parametrize("target", named(learners(Learner)))
def test_its_losses_can_be_taken_in_bfloat16(target):
    """As on a processor or card that multiplies it: images are bfloat16 there, too."""
    learner, batches = started(target)
    fabric = make_fabric("bf16-mixed")
    module = fabric.setup_module(learner)
    for number in range(len(learner.phases())):
        for step in (0, 3):
            terms = module(number, batches.batch(1), step)
            assert all(term.isfinite() for term in terms.values())


@by_configuration
def test_interrupted_stored_and_loaded_it_is_the_same(name, store, gone_on):
    """Same bits: trained at once and stored by `fit`; stopped in the middle, gone on, and never stored."""
    target = small(name, 2)
    image = cohort_of(target).validation[0].image
    run = fitted(store, target)
    stored = run.learner()
    with torch.no_grad():
        found = predict_case(stored, image)
    assert found.shape == (3, *image.shape[1:])
    torch.testing.assert_close(found.sum(0), torch.ones_like(found[0]))
    bases = []
    for part in trained_parts(target):
        learner, rows = gone_on(part)
        learner.patch = stored.patch
        bases.append(learner)
    assert len(run.record.bases) == len(target.bases)
    if target.changes:
        again = changed(target, bases)
    else:
        again = bases[0]
        assert rows == without_seconds(run.curves.to_dict("records"))
    assert differing(stored, again) == []
    with torch.no_grad():
        torch.manual_seed(1)
        first = sample_case(stored, image, 2)
        torch.manual_seed(1)
        assert torch.equal(sample_case(again, image, 2), first)


def changed(target: Recipe, bases: list[Learner]) -> torch.nn.Module:
    """What the recipe makes of its trained parts, which are taken in order."""
    if not target.changes:
        return bases.pop(0)
    return target.change([changed(base, bases) for base in target.bases])


@by_configuration
def test_another_seed_is_another_training(name):
    parts = trained_parts(small(name, 2))
    first, other = (started(parts[0], seed)[0] for seed in (0, 1))
    assert differing(first, other)


@by_configuration
def test_samples_repeat_under_one_seed_and_differ_where_the_method_draws(name):
    torch.manual_seed(0)
    target = small(name, 2)
    task = cohort_of(target).task
    method = target.build(task).eval()
    image = torch.randn(2, task.channels, 12, 12)
    with torch.no_grad():
        torch.manual_seed(5)
        first = method.sample(image, 4)
        torch.manual_seed(5)
        again = method.sample(image, 4)
        torch.manual_seed(5)
        alone = method.sample(image[:1], 4)
    assert torch.equal(first, again)
    torch.testing.assert_close(alone, first[:, :1])  # a draw is one for all patches
    if isinstance(method, MeanOfSamples) and "shuffled" not in name:
        assert not torch.equal(first[0], first[1])


@by_dimension
@pytest.mark.parametrize("target", named(learners(Consistency)))
def test_without_weight_it_moves_as_its_supervised_twin(target, dims, tmp_path):
    """Bit for bit, with dropout and augmentation: whatever a method gains comes from its unlabelled term."""
    arguments = target.arguments | {"spatial_dims": dims}
    alike = {name: arguments[name] for name in ("network", "loss") if name in arguments}
    twin = recipe(Supervised, **alike, spatial_dims=dims)
    wanted, curves = trained(twin, COHORT, tmp_path / "twin", **ROOM)
    for weight in (0.0, 10.0):
        one = Recipe(target.target, arguments | {"weight": weight})
        assert (started(one)[1].batch(0).unlabelled is None) == (weight == 0)  # nothing is drawn for nothing
        found, its = trained(one, COHORT, tmp_path / f"weight {weight}", **ROOM)
        acted = weight > 0 and any(
            row.get("noted.kept", 1) for row in its.rows
        )  # a strict mask keeps nothing
        assert (differing(found.network, wanted.network) == []) == (not acted)
    loss = started(twin)[0].loss_name
    key = next(name for name in its.rows[0] if name.endswith(loss))  # "segment.dice_ce", if of phases
    assert its.rows[0][key] == curves.rows[0][loss]


@pytest.mark.parametrize("target", named(learners(Game)))
def test_each_side_of_a_game_is_moved_by_its_own_losses_alone(target):
    learner, batches = started(target, patch=16)
    sides = {phase.name: [p for p in phase.parameters if p.requires_grad] for phase in learner.phases()}
    for phase in learner.phases():
        for step in (0, 3):
            terms = phase.losses(batches.batch(1), step).values()
            for name, moved in sides.items():
                if name != phase.name and (reached := [term for term in terms if term.requires_grad]):
                    found = torch.autograd.grad(sum(reached), moved, allow_unused=True, retain_graph=True)
                    assert all(gradient is None for gradient in found), (phase.name, name)


@pytest.mark.parametrize("target", named(learners(TeacherStudent)))
def test_no_gradient_moves_a_teacher(target):
    learner, batches = started(target)
    sum(learner.losses(batches.batch(0), 3).values()).backward()
    assert all(parameter.grad is None for parameter in learner.teacher.parameters())


@pytest.mark.parametrize("target", named(learners(Learner)))
def test_a_way_point_of_a_training_is_what_it_ends_with(target, store, watched_once):
    found = watched_once(target, cohort_of(target), tiny_budget(**ROOM), SEED, [3], FABRIC)[3]
    assert differing(fitted(store, target).learner(), found) == []
