"""A plan puts keys together from shared parts; they are the hash of each cell's whole document."""

import hashlib
import json

import pytest
from here import plan_here
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrepro.datasets import noise
from adrepro.datasets.catalog import open_dataset
from adrepro.datasets.seeds import derive_seed
from adrepro.harness.cell import Cell, filled_key, key_form, key_of, texts_of
from adrepro.harness.evaluations import EVALUATION, PER_IMAGE_MINMAX
from adrepro.harness.task import lists_sha256
from conftest import write_mvtec

METHODS = (
    "toys:PixelMean", "toys:ImageOnly", "toys:Variants", "toys:Variants@linear",
    "toys_tuning:Tuned",
)  # fmt: skip
PROTOCOLS = ("fixed-test", "fixed-test:total=4", "overlap", "added")


def plainly(document) -> str:
    """Hash a document the plain way, with nothing shared."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("plan_keys")
    write_mvtec(root / "mvtec_ad", train=6, good=2, anomalous=14)
    return root


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True).map(tuple)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    methods=some(METHODS),
    levels=some((0.0, 5.0, 10.0, 12.5, 30.0)),
    protocols=some(PROTOCOLS),
    evaluations=st.sampled_from([(EVALUATION,), (EVALUATION, PER_IMAGE_MINMAX)]),
    seeds=st.integers(1, 3),
    size=st.sampled_from([None, 48]),
)
def test_keys_of_a_plan_are_those_of_its_documents(
    data, methods, levels, protocols, evaluations, seeds, size
):
    """Over any grid: key, hashes, row and identity of a cell say the same, made the plain way."""
    if methods == ("toys:ImageOnly",):
        evaluations = (EVALUATION,)  # the other one is of maps
    made = plan_here(
        data, ",".join(methods), noise=levels, protocols=protocols, evaluations=evaluations,
        seeds=seeds, image_size=size, categories=None,
    )  # fmt: skip
    assert made.cells
    for planned in made.cells:
        cell = planned.cell
        asked = {
            "dataset": cell.dataset, "category": cell.category, "noise": cell.noise,
            "protocol": cell.protocol, "seed": cell.seed, "method": planned.method.base,
            "settings": planned.method.settings_json, "backbone": planned.method.backbone,
            "image_size": planned.method.image_size, "evaluation": cell.evaluation,
        }  # fmt: skip
        listed = {
            "train": [s.sha256 for s in planned.train],
            "test": [[s.sha256, s.anomalous, s.mask_sha256] for s in planned.test],
        }
        hashes = {
            "images": plainly(listed), "method": planned.method.source_sha256,
            "weights": planned.method.weights_sha256,
        }  # fmt: skip
        if planned.method.cls(planned.method.settings).wants_tuning():
            hashes["tuning"] = planned.hashes["tuning"]
        document = {"schema": 1, "cell": asked, "hashes": hashes}
        assert planned.key == plainly(document) == planned.identity.key
        assert planned.identity.document() == document
        assert {name: planned.row[name] for name in asked if name != "method"} == {
            name: value for name, value in asked.items() if name != "method"
        }


texts = st.text(max_size=20)
numbers = st.integers(0, 2**40)


@given(
    st.builds(
        Cell,
        dataset=texts, category=texts, noise=st.floats(0, 100), protocol=texts, seed=numbers,
        method=texts, settings=texts, backbone=texts, image_size=numbers, evaluation=texts,
    ),
    st.dictionaries(texts, texts, max_size=4),
)  # fmt: skip
def test_any_text_in_a_cell_is_keyed_as_json_has_it(cell, hashes):
    """Quotes, escapes, other scripts and numbers of any size."""
    document = {"schema": 1, "cell": cell.as_dict(), "hashes": hashes}
    assert key_of(texts_of(cell.as_dict()), texts_of(hashes)) == plainly(document)


@given(
    st.fixed_dictionaries(dict.fromkeys(Cell.__slots__, st.one_of(texts, numbers))),
    st.dictionaries(texts, texts, min_size=1, max_size=4),
    st.data(),
)
def test_a_form_that_is_filled_in_gives_the_key(fields, hashes, data):
    """Whatever cells share or do not, with percent signs in either."""
    own = data.draw(st.sets(st.sampled_from(sorted(fields))))
    open_hashes = data.draw(st.sets(st.sampled_from(sorted(hashes)), min_size=1))
    texts, named = texts_of(fields), texts_of(hashes)
    form = key_form(
        {name: text for name, text in texts.items() if name not in own},
        {name: text for name, text in named.items() if name not in open_hashes},
        open_hashes,
    )
    given_later = [texts[name] for name in sorted(own)] + [
        named[name] for name in sorted(open_hashes)
    ]
    assert filled_key(form, tuple(given_later)) == key_of(texts, named)


@given(st.lists(texts, max_size=5), st.lists(st.tuples(texts, st.booleans(), texts), max_size=5))
def test_images_are_hashed_as_json_has_them(train, test):
    """Whatever the texts are."""
    document = {"train": train, "test": [list(image) for image in test]}
    assert lists_sha256(train, document["test"]) == plainly(document)


@given(st.lists(st.one_of(texts, st.integers(), st.booleans()), max_size=5))
def test_seeds_are_derived_from_json(axes):
    """The text that is hashed is the JSON array of the axes, whatever is in them."""
    text = json.dumps(axes, ensure_ascii=True, separators=(",", ":"))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    assert derive_seed(*axes) == number


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_shared_orders_change_no_draw(data, protocol):
    """Orders that all levels of a seed share give what each would draw alone; wrong ones raise."""
    dataset = open_dataset("mvtec_ad", data)
    category = dataset.category(dataset.categories[0])
    parsed = noise.parse_protocol(protocol)
    for seed in range(3):
        orders = noise.Orders.of(category, seed)
        for level in (0.0, 10.0, 30.0):
            alone = noise.draw(category, level, seed, parsed)
            assert noise.draw(category, level, seed, parsed, orders) == alone
            axes = ("train-order", category.dataset, category.name, seed)
            order = [derive_seed(*axes, ref.id) for ref in alone.train]
            assert order == sorted(order)
        with pytest.raises(ValueError, match="another category or seed"):
            noise.draw(category, 0.0, seed + 1, parsed, orders)
