"""Figures show the numbers they are given, in the order they claim."""

import report_fixtures

from emojax.report import curves
from emojax.report import figures
from emojax.report import labels


def test_cosine_map_is_in_clustered_order():
  geometry = {
      'emotions': ['a', 'b', 'c'],
      'order': [2, 0, 1],
      'cosine': [[1, 0.1, 0.2], [0.1, 1, 0.3], [0.2, 0.3, 1]],
  }
  heatmap = figures.cosine_map(geometry).data[0]
  assert list(heatmap.x) == ['c', 'a', 'b'] == list(heatmap.y)
  assert [list(row) for row in heatmap.z] == [
      [1, 0.2, 0.3],
      [0.2, 1, 0.1],
      [0.3, 0.1, 1],
  ]


def test_words_outside_the_lexicon_are_grey():
  geometry = report_fixtures.artefacts()['geometry.json']
  grey, coloured = figures.scatter(geometry).data
  assert set(grey.text) == set(report_fixtures.MISSING)
  assert grey.marker.color == 'var(--uncovered)'
  assert len(coloured.text) + len(grey.text) == report_fixtures.SIZE
  words = geometry['valence']['words']
  assert list(coloured.marker.color) == [words[name] for name in coloured.text]
  assert coloured.marker.cmin == -coloured.marker.cmax


def test_point_without_interval_has_no_band():
  points = [
      {'strength': 0.2, 'value': 2.0, 'low': 1.0, 'high': 3.0, 'n': 4},
      {'strength': 0.1, 'value': 1.0, 'low': None, 'high': None, 'n': 4},
      {'strength': 0.3, 'value': 3.0, 'low': 2.0, 'high': 4.0, 'n': 4},
  ]
  band, line = figures.dose({'matched': points}).data
  assert list(band.x) == [0, 0.2, 0.3, 0.3, 0.2, 0]
  assert list(band.y) == [0, 3.0, 4.0, 2.0, 1.0, 0]
  assert list(line.x) == [0, 0.1, 0.2, 0.3]
  assert list(line.y) == [0, 1.0, 2.0, 3.0]
  assert line.text[1] == ' (no interval, n 4)'
  assert line.text[2] == ' [1.000, 3.000], n 4'
  assert curves.value_span([points]) == [1.0 - 0.15, 4.0 + 0.15]


def test_dose_curves_go_through_the_unsteered_model():
  point = {'low': 0.5, 'high': 1.5, 'value': 1.0, 'n': 4}
  points = [point | {'strength': s} for s in (0.2, -0.4)]
  for figure in (
      figures.dose({'matched': points}),
      figures.divergence({'emotion': points}),
  ):
    band, line = figure.data
    assert list(line.x) == [-0.4, 0, 0.2] and list(line.y) == [1, 0, 1]
    assert list(band.y)[:3] == [1.5, 0, 1.5]
  measured = [point | {'strength': s} for s in (0.0, 0.2)]
  assert list(figures.dose({'matched': measured}).data[1].y) == [1, 1]


def test_chosen_layer_is_marked():
  heldout = report_fixtures.artefacts()['heldout.json']
  figure = figures.accuracy(heldout, 'top5')
  assert figure.layout.shapes[0].x0 == report_fixtures.LAYER
  names = [trace.name for trace in figure.data if trace.name]
  assert names == ['shuffled labels', 'chance', 'embedding layer', 'held out']


def test_close_labels_go_to_different_sides():
  points = [(0, 0), (0.01, 0), (1, 1)]
  chosen = labels.places(points, ['left', 'right', 'far away'])
  assert chosen[0] != chosen[1]
  assert chosen[2] == 'middle left'
