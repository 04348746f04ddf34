"""What the reader is given: exact numbers, few bytes, no chat half."""

import base64
import copy
import gzip
import json

import numpy as np
import pages
import pytest
import reader_fixtures

from emojax import errors
from emojax import files
from emojax.report import reader
from emojax.report import reader_files
from emojax.report import reader_page

HOSTILE = '</script><img src=x onerror=alert(1)>\u2028"\'&{{ 7*7 }}\u202e\ud83d'
LIMIT = 10_000_000


def _unpacked(text, per, width):
  """The inverse of `reader.pack`, as the page's script has it."""
  flat = np.frombuffer(gzip.decompress(base64.b64decode(text)), np.uint8)
  planes = flat.reshape(width, -1).astype(np.int64)
  code = sum(plane << (8 * k) for k, plane in enumerate(planes))
  value = ((code >> 1) ^ -(code & 1)) / per
  return np.where(code == 2 ** (8 * width) - 1, np.nan, value)


def _write(folder, rows, arrays=None):
  folder.mkdir(exist_ok=True)
  files.write_jsonl(folder / 'readings.jsonl', rows)
  if arrays is not None:
    arrays = {name: np.asarray(x) for name, x in arrays.items()}
    files.write_arrays(folder / 'cosines.safetensors', arrays, {})
  return folder


def _paired(count, **fields):
  """Chats of 10 tokens, in pairs."""
  rows, arrays = reader_fixtures.made((10,) * (2 * count), **fields)
  for i, row in enumerate(rows):
    row['pair'] = f'chat {i // 2}'
    row['steering'] = {'steer': 'calm:0.1', 'layers': [2]} if i % 2 else None
  return rows, arrays


def test_coarse_numbers_come_back_within_half_a_step():
  x = np.random.default_rng(0).uniform(-1, 1, 1000)
  x[:3] = 1, -1, 0
  back = _unpacked(reader.pack(x, *reader.COARSE), *reader.COARSE)
  assert np.abs(back - x).max() <= 0.5 / reader.COARSE[0] * (1 + 1e-9)
  np.testing.assert_array_equal(back[:3], x[:3])


def test_numbers_of_five_decimals_come_back_as_they_are():
  rng = np.random.default_rng(0)
  x = np.concatenate([rng.uniform(-1, 1, 5000), rng.normal(0, 100, 5000)])
  x = np.array([round(float(v), 5) for v in x])
  back = _unpacked(reader.pack(x, *reader.EXACT), *reader.EXACT)
  np.testing.assert_array_equal(back, x)


@pytest.mark.parametrize('form', [reader.EXACT, reader.COARSE])
def test_what_is_no_number_stays_none_and_too_large_is_the_largest(form):
  largest = (2 ** (8 * form[1] - 1) - 1) / form[0]
  back = _unpacked(reader.pack([np.nan, 1e9, -1e9, np.inf], *form), *form)
  np.testing.assert_array_equal(back, [np.nan, largest, -largest, np.nan])


def test_the_same_numbers_are_the_same_bytes():
  rows, arrays = reader_fixtures.made((20, 30))
  assert reader_page.render(rows, arrays) == reader_page.render(rows, arrays)


def test_the_view_has_the_numbers_of_both_files():
  rows, arrays = reader_fixtures.made((20, 31), layers=5, layer=2)
  view = reader.view(rows, arrays)
  assert view['layers'] == [0, 1, 2, 3, 4] and view['layer'] == 2
  for key in ('cosine', 'score'):
    packed = _unpacked(view['exact'][key], *reader.EXACT).reshape(4, 51)
    expected = np.concatenate([row[key] for row in rows]).T
    np.testing.assert_array_equal(packed, expected)
  assert set(view['packed']) == {'0', '1', '3', '4'}
  for name, text in view['packed'].items():
    back = _unpacked(text, *reader.COARSE).reshape(4, 51)
    own = arrays['cosines'][:, int(name)].T
    np.testing.assert_allclose(back, own, rtol=0, atol=0.5001e-4)


def test_full_colour_is_the_99th_percentile_at_that_layer():
  rows, arrays = reader_fixtures.made((20, 31), layers=3)
  scales = reader.view(rows, arrays)['scales']
  own = arrays['cosines'][20:, 2].astype(float)
  score = reader_fixtures.standardised(arrays, own, 2, 15)
  for key, x in (('cosine', own), ('score', score)):
    expected = np.percentile(np.abs(x), 99)
    np.testing.assert_allclose(scales['2'][key][1], expected, rtol=1e-5)


def test_two_replies_to_a_chat_have_one_scale():
  rows, arrays = _paired(2)
  view = reader.view(rows, arrays)
  assert view['groups'] == [[0, 1], [2, 3]]
  assert [chat['label'] for chat in view['chats'][:2]] == [
      'Reply of the unsteered model',
      'Reply steered with calm:0.1 at layer 2',
  ]
  both = np.abs([row['cosine'] for row in rows[:2]])
  expected = np.percentile(both, 99)
  scale = view['scales']['1']['cosine']
  np.testing.assert_allclose(scale[0], expected, rtol=1e-5)
  assert len(scale) == 2


def test_a_paper_sized_page_has_all_layers_below_the_limit():
  rows, arrays = reader_fixtures.made((2000, 3000), 24, 30, 14)
  text = reader_page.render(rows, arrays)
  view = json.loads(_data(text))['reader']
  assert view['layers'] == list(range(30)) and view['shown'] == 2
  assert len(text.encode()) < LIMIT


def test_many_emotions_keep_every_other_layer_or_fewer_and_say_so():
  rows, arrays = reader_fixtures.made((2000, 3000), 171, 12, 7)
  text = reader_page.render(rows, arrays)
  assert len(text.encode()) < LIMIT
  view = json.loads(_data(text))['reader']
  step = view['step']
  assert step > 1 and view['shown'] == 2
  assert view['layers'] == [i for i in range(12) if i % step == 7 % step]
  assert f'has {len(view["layers"])} of 12 layers, one in {step}' in text


def _data(text):
  start = '<script type="application/json" id="data">'
  return text.split(start)[1].split('</script>')[0]


def test_texts_that_do_not_fit_are_left_out_and_counted(tmp_path):
  rows, arrays = reader_fixtures.made((10, 400, 10, 10), layers=2)
  folder = _write(tmp_path / 'out', rows, arrays)
  size = 10 * (4 * 6.5 + 40)
  view = reader_files.of_file(folder, int(2.5 * size / 0.7))
  assert [chat['title'] for chat in view['chats']] == ['Chat 0', 'Chat 2']
  assert (view['shown'], view['total']) == (2, 4)
  # The tokens of the second text are not taken for those of the third.
  own = np.array(rows[2]['cosine'])
  packed = _unpacked(view['exact']['cosine'], *reader.EXACT).reshape(4, 20)
  np.testing.assert_array_equal(packed[:, 10:], own.T)
  part = reader_files.of_rows(folder, rows, int(2.5 * size / 0.7))
  assert part == view


def test_a_cosine_file_in_part_is_read_at_its_own_tokens(tmp_path):
  rows, arrays = reader_fixtures.made((10, 4000, 10), layers=2)
  folder = _write(tmp_path / 'out', rows, arrays)
  view = reader_files.of_file(folder, 100_000)
  back = _unpacked(view['packed']['0'], *reader.COARSE).reshape(4, 20)
  own = np.concatenate([arrays['cosines'][:10, 0], arrays['cosines'][-10:, 0]])
  np.testing.assert_allclose(back, own.T, rtol=0, atol=0.5001e-4)


def test_no_half_of_a_pair_is_shown():
  sizes = [(10, 'a'), (90, 'a'), (10, None), (10, None)]
  room = int(25 * (4 * 6.5 + 40) / 0.7)
  assert reader.fitting(sizes, 4, room) == [2, 3]


def test_a_page_without_room_for_any_text_says_so(tmp_path):
  folder = _write(tmp_path / 'out', reader_fixtures.made((10,))[0])
  view = reader_files.of_file(folder, 10)
  assert 'no chat is short enough' in view['absent']


def test_readings_alone_are_shown_at_their_layer(tmp_path):
  rows, _ = reader_fixtures.made((10, 12))
  text = reader_page.write(_write(tmp_path / 'out', rows)).read_text()
  assert json.loads(_data(text))['reader']['layers'] == [1]
  assert 'type="range"' not in text


def test_the_page_asks_nothing_of_a_network():
  text = reader_page.render(*reader_fixtures.made((10, 12)))
  pages.assert_asks_nothing_of_a_network(text, figures=False)


def test_hostile_strings_stay_text(tmp_path):
  rows, arrays = reader_fixtures.made((10, 12))
  calm = reader_page.write(_write(tmp_path / 'calm', rows, arrays)).read_text()
  for row in rows:
    row['title'] = row['tokens'][5] = row['roles'][5] = HOSTILE
    row['emotions'] = [HOSTILE, *row['emotions'][1:]]
    row['pair'], row['steering'] = None, {'steer': HOSTILE, 'layers': []}
  path = tmp_path / 'hostile'
  path.mkdir()
  lines = [json.dumps(row) for row in rows]  # All of ASCII.
  (path / 'readings.jsonl').write_text('\n'.join(lines))
  text = reader_page.write(_write_cosines(path, arrays)).read_text()
  tags = [
      [tag for tag, _ in pages.tags(page, figures=False)]
      for page in (text, calm)
  ]
  assert tags[0] == tags[1]
  assert '<img' not in text and '>49' not in text
  view = json.loads(_data(text))['reader']
  assert view['chats'][0]['tokens'][5] == HOSTILE
  assert view['emotions'][0] == HOSTILE


def _write_cosines(folder, arrays):
  arrays = {name: np.asarray(x) for name, x in arrays.items()}
  files.write_arrays(folder / 'cosines.safetensors', arrays, {})
  return folder


def _other_layer(rows, arrays):
  del arrays
  rows[1]['layer'] = 2


def _other_emotions(rows, arrays):
  del arrays
  rows[1]['emotions'] = rows[1]['emotions'][::-1]


def _too_few_tokens(rows, arrays):
  del rows
  arrays['cosines'] = arrays['cosines'][:-1]


def _no_such_layer(rows, arrays):
  del rows
  arrays['layers'] = arrays['layers'] + 5


def _lost_value(rows, arrays):
  del arrays
  rows[0]['score'].pop()


def _lost_role(rows, arrays):
  del arrays
  rows[0]['roles'].pop()


def _far_response(rows, arrays):
  del arrays
  rows[0]['response_index'] = 99


@pytest.mark.parametrize(
    'damage',
    [
        _other_layer,
        _other_emotions,
        _too_few_tokens,
        _no_such_layer,
        _lost_value,
        _lost_role,
        _far_response,
    ],
)
def test_files_that_do_not_go_together_are_one_clear_line(tmp_path, damage):
  rows, arrays = copy.deepcopy(reader_fixtures.made((10, 12)))
  damage(rows, arrays)
  folder = _write(tmp_path / 'out', rows, arrays)
  with pytest.raises(errors.InputError, match='readings.jsonl: not as') as got:
    reader_page.write(folder)
  assert '\n' not in str(got.value)
  assert not (folder / 'reader.html').exists()


def test_a_damaged_line_and_a_damaged_file_are_named(tmp_path):
  rows, arrays = reader_fixtures.made((10, 12))
  folder = _write(tmp_path / 'out', rows, arrays)
  data = (folder / 'cosines.safetensors').read_bytes()
  (folder / 'cosines.safetensors').write_bytes(data[:-9])
  with pytest.raises(errors.InputError, match='cosines.safetensors: not a who'):
    reader_page.write(folder)
  (folder / 'readings.jsonl').write_text(json.dumps(rows[0]) + '\n{"a\n')
  with pytest.raises(errors.InputError, match='readings.jsonl:2: not JSON'):
    reader_page.write(folder)


def test_command_writes_the_page_without_jax(tmp_path):
  rows, arrays = reader_fixtures.made((10, 12))
  folder = _write(tmp_path / 'out', rows, arrays)
  done = pages.write_without_jax('emojax.report.reader_page', folder)
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip() == str(folder / 'reader.html')
  failed = pages.write_without_jax('emojax.report.reader_page', tmp_path / 'no')
  assert failed.returncode == 2
  assert failed.stderr.count('\n') == 1 and 'readings.jsonl' in failed.stderr
