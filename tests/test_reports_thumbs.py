"""Images behind the cells of the page: every cell has them, each stands once, within a budget."""

import base64
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from table_frames import make_frame
from test_reports_html import Page
from test_reports_html_cells import METHODS, evidence

from adrepro.reports import html_thumbs
from adrepro.reports.context import ReportContext
from adrepro.reports.html import render_html
from adrepro.reports.html_maps import PIXELS as MAP_PIXELS
from adrepro.reports.html_maps import overlays
from adrepro.reports.html_thumbs import BUDGET, MAPS_BUDGET, PIXELS, thumbs_of
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target

TABLE1 = load_target("table1")
TABLE1 = replace(TABLE1, run=replace(TABLE1.run, noise=(0.0, 50.0)))
LABELS, SCORES = [True, False] * 6, [3, 4, 0, 2, 9, 1, 5, 5, 7, 0, 8, 6]


def decoded(uri):
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.fixture(scope="module")
def model():
    frame = make_frame(TABLE1, methods=["differnet"], seeds=3)
    return build_model(TABLE1, frame, methods=METHODS)


def source(**changes):
    """Every run judges the same twelve images, each run with scores of its own."""

    def found(key):
        order = np.random.default_rng(int(key[:8], 16)).permutation(len(LABELS))
        return replace(evidence(LABELS, np.asarray(SCORES)[order], key=key), **changes)

    return ReportContext(evidence=found)


def with_maps(side=8):
    draw = np.random.default_rng(1)
    maps = draw.random((len(LABELS), side, side), dtype=np.float32)
    return source(maps_NHW=maps, measured_map=lambda i: np.kron(maps[i], np.ones((8, 8), "f4")))


def test_every_finished_run_has_images_and_each_stands_once(model):
    """All levels and seeds are there; a picture is stored once, scores are each run's own."""
    found = thumbs_of(model, source())
    assert sorted(found.of) == list(range(len(model.runs)))
    assert len(found.pictures) == len(set(found.pictures)) == len(LABELS)
    assert len(found.images) == len(LABELS)
    assert all(decoded(uri).size == (PIXELS, PIXELS) for uri in found.pictures)
    assert found.note == ""
    for index, entry in found.of.items():
        own = source().evidence(model.runs[index].key)
        assert entry["threshold"] == "0.5"
        for line in (*entry["worst"], *entry["best"]):
            image, score, above = line
            at = own.ids.index(f"c/test/{found.images[image][1].partition(', ')[2]}")
            assert float(score) == own.scores_N[at]
            assert above == (own.scores_N[at] > 0.5)
            shade = np.asarray(decoded(found.pictures[found.images[image][0]])).mean()
            assert abs(shade - (20 + 8 * at)) < 3
            kind = "anomalous" if own.labels_N[at] else "nominal"
            assert found.images[image][1].startswith(kind)


def test_an_image_is_read_once_for_all_cells(model):
    """Sharing saves the decoding, too."""
    read = []

    def pixels(index):
        read.append(index)
        return np.full((16, 16, 3), 10 * index, dtype=np.uint8)

    thumbs_of(model, source(image=pixels))
    assert sorted(read) == list(range(len(LABELS)))


def noisy(key):
    """Images that no other run has, so that every run costs as much as any other."""
    draw = np.random.default_rng(int(key[:8], 16))
    return evidence(
        [1, 0], [0, 1], lambda _: draw.integers(0, 255, (64, 64, 3), dtype=np.uint8), key=key
    )


def test_budget_keeps_first_seeds_of_every_level(model, monkeypatch):
    """What does not fit is of the last seeds, is named in a sentence, and is the same each time."""
    places = len({(run.category, run.noise) for run in model.runs})
    assert len(model.runs) == 3 * places
    context = ReportContext(evidence=noisy)
    whole = thumbs_of(model, context)
    assert len(whole.of) == len(model.runs)
    monkeypatch.setattr(html_thumbs, "BUDGET", int(whole.size * 0.5))
    found, again = thumbs_of(model, context), thumbs_of(model, context)
    assert found == again
    assert found.size <= whole.size * 0.5 < BUDGET
    seeds = [model.runs[index].seed for index in found.of]
    assert seeds.count(0) == places
    assert 0 < seeds.count(1) < places
    assert seeds.count(2) < places / 10
    left = [places - seeds.count(seed) for seed in (1, 2)]
    total = len(model.runs)
    assert (
        f"the images of {sum(left)} of {total} finished results are left out: "
        f"{left[0]} of seed 1, {left[1]} of seed 2." in found.note
    )


def test_size_is_what_the_page_carries(model):
    """The counted size covers the real text of pictures, names and entries."""
    for context in (source(), with_maps(), ReportContext(evidence=noisy)):
        found = thumbs_of(model, context)
        entries = {str(index): entry for index, entry in found.of.items()}
        text = json.dumps([entries, found.images, found.pictures, found.maps])
        assert found.size / 2 < len(text) <= found.size


def test_missing_images_are_said(model):
    """No source, no result and no image: each leaves nothing and a sentence."""
    assert "without images" in thumbs_of(model, ReportContext()).note
    for own in (lambda _: None, lambda key: evidence([1, 0], [0, 1], lambda _: None, key=key)):
        found = thumbs_of(model, ReportContext(evidence=own))
        assert not found.of
        total = len(model.runs)
        assert f"The images of all {total} finished results are not at hand" in found.note


def test_maps_lie_over_images_where_kept(model, monkeypatch):
    """A map is a small palette picture, clear where it is low, and comes after all images."""
    found = thumbs_of(model, with_maps())
    lines = [line for e in found.of.values() for line in (*e["worst"], *e["best"])]
    assert [line[3] for line in lines if len(line) > 3] == list(range(len(found.maps)))
    assert len(found.maps) == len(lines)
    picture = decoded(found.maps[0])
    assert (picture.mode, picture.size) == ("P", (MAP_PIXELS, MAP_PIXELS))
    alone = thumbs_of(model, source())
    monkeypatch.setattr(html_thumbs, "MAPS_BUDGET", 60_000)
    few = thumbs_of(model, with_maps())
    assert few.of.keys() == alone.of.keys()
    assert few.pictures == alone.pictures
    assert sum(map(len, few.maps)) <= 60_000 < MAPS_BUDGET
    without = sum(len(e["best"][0]) == 3 for e in few.of.values())
    total = len(model.runs)
    assert f"anomaly maps over the images of {without} of {total} finished results" in few.note
    assert f"{total // 3} of seed 1, {total // 3} of seed 2." in few.note
    assert {model.runs[i].seed for i, e in few.of.items() if len(e["best"][0]) > 3} == {0}


def test_a_map_shows_where_it_is_high():
    """The highest part of a map is opaque, the lowest clear; a cell without maps has none."""
    ramp = np.kron(np.linspace(0, 1, 8, dtype=np.float32)[None, :], np.ones((64, 8), "f4"))
    own = source(maps_NHW=np.zeros((12, 1, 1)), measured_map=lambda _: ramp).evidence("0" * 64)
    alpha = np.asarray(decoded(overlays(own, [0])[0]).convert("RGBA"))[:, :, 3]
    assert (np.diff(alpha.mean(axis=0)) >= 0).all()
    assert alpha[:, 0].max() == 0
    assert alpha[:, -1].min() > 180
    assert overlays(source().evidence("0" * 64), [0, 1]) == []


def test_page_names_what_is_left_out(model, monkeypatch):
    """The sentence stands on the page itself, and the data are as the thumbnails say."""
    monkeypatch.setattr("adrepro.reports.html.figures", lambda *_: [])
    monkeypatch.setattr("adrepro.reports.html.has_figure", lambda *_: False)
    monkeypatch.setattr(html_thumbs, "BUDGET", 30_000)
    context = ReportContext(evidence=noisy)
    page = render_html(model, context)
    assert page == render_html(model, context)
    read = Page(page)
    assert re.search(r"behind the cells: To keep the page below 10 MB the images of \d+", read.text)
    data = json.loads(read.code[-2])
    assert {int(index) for index in data["thumbs"]} == thumbs_of(model, context).of.keys()
