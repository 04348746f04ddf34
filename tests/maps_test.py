"""Maps: 0 in the middle of the colours, the first row above, names as text."""

import pytest

from emojax.report import maps

VALUES = [[1.0, None, -0.5], [0.0, 0.25, 0.5]]
ROWS, COLUMNS = ['happy', '<b>sad</b>'], ['a', 'b', 'c']


@pytest.mark.parametrize('draw', [maps.square, maps.wide])
def test_a_map_shows_every_value_where_its_names_say(draw):
  figure = draw(VALUES, ROWS, COLUMNS, 'nats', ('word', 'vector'))
  (trace,) = figure.data
  assert [list(row) for row in trace.z] == VALUES
  assert list(trace.x) == COLUMNS
  assert list(trace.y) == ['happy', '&lt;b&gt;sad&lt;/b&gt;']
  assert trace.zmax == -trace.zmin == 1.0
  assert figure.layout.yaxis.autorange == 'reversed'
  assert trace.colorbar.title.text == 'nats'
  assert figure.layout.xaxis.title.text == 'word'
  assert figure.layout.yaxis.title.text == 'vector'
  assert figure.layout.meta['wide'] and figure.layout.meta['aspect'] > 0


def test_cells_are_square_where_they_are_said_to_be():
  square, wide = (
      draw(VALUES, ROWS, COLUMNS, '') for draw in (maps.square, maps.wide)
  )
  assert square.layout.yaxis.scaleanchor == 'x'
  assert wide.layout.yaxis.scaleanchor is None
  tall = maps.square([[0.0]] * 30, [str(i) for i in range(30)], ['a'], '')
  assert tall.layout.height > square.layout.height


def test_a_map_without_values_has_a_scale():
  (trace,) = maps.wide([[None, 0.0]], ['a'], ['b', 'c'], '').data
  assert trace.zmax == -trace.zmin == 1.0
