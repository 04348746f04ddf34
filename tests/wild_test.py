"""Chats of any source: what is found in them, and what is said of the rest."""

import json
import pathlib

import jax.numpy as jnp
import numpy as np
import pages
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax.experiments import read
from emojax.experiments import wild
from emojax.models import load
from emojax.models import taps
from emojax.report import wild_page

E, L = len(tiny_model.EMOTIONS), tiny_model.LAYERS
LAYER, WINDOW, TOP = 1, 6, 2
HOSTILE = '</script><img src=x onerror=alert(1)>\u2028"\'&{{ 7*7 }}'
FIELDS = {'layer': LAYER, 'window': WINDOW, 'top': TOP, 'random_directions': 5}


def talk(user, assistant, **fields):
  messages = [('user', user), ('assistant', assistant)]
  return {
      'messages': [{'role': r, 'content': c} for r, c in messages],
      **fields,
  }


ROWS = (
    talk('The rain came in at night.', 'That is a pity.', implies='bored'),
    {'text': 'All the lamps went out <b>at once</b> & nobody spoke.'},
    {'text': 'Never read me: <|im_end|>'},
    talk('I won the 3rd prize!', 'Well done, well done.', implies='happy'),
    talk('Where do I park?', 'Behind the old station, on the left.'),
    {'text': 'Too long. ' * 300},
    talk('My bus left without me.', 'The next one comes soon.'),
    talk('Is it Monday?', 'It is, all day.', implies='proud'),
)
READ = [0, 1, 3, 4, 6, 7]
PLANTED = 3  # Where in ROWS the vector of happy is from.


def streams(lm, chat):
  """[T, D], the residual stream at LAYER."""
  _, state = lm.model.apply(
      lm.params,
      jnp.asarray([chat.ids], jnp.int32),
      capture_intermediates=taps.only('resid_post'),
      mutable=['intermediates'],
  )
  return np.asarray(taps.captured(state, 'resid_post')[LAYER, 0])


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """A model, transcripts, and vectors of which two are planted.

  That of happy is made of a window of one transcript; that of angry is the
  first token, which is the same in all.
  """
  folder = tmp_path_factory.mktemp('wild')
  model = tiny_model.write(folder / 'model')
  tiny_model.write_rows(folder / 'chats.jsonl', list(ROWS))
  lm = load.load(str(model), 'float32')
  encoded = wild.encode(lm, wild.load_transcripts(str(folder / 'chats.jsonl')))
  every = [streams(lm, chat) for chat in encoded.chats]
  stream = every[READ.index(PLANTED)]
  vectors = np.random.default_rng(0).standard_normal((E, L, tiny_model.WIDTH))
  start = encoded.chats[READ.index(PLANTED)].roles.index('assistant') + 2
  window = stream[start : start + WINDOW].mean(axis=0)
  every = np.concatenate(every)
  # The direction that tells the window best from all other tokens.
  off = window - every.mean(axis=0)
  vectors[0, LAYER] = np.linalg.solve(np.cov(every.T), off)
  vectors[2, LAYER] = stream[0]
  tiny_model.write_vectors(
      folder / 'vectors.safetensors', model, {'vectors': vectors}
  )
  return folder


def run(folder, workdir, **fields):
  config = tiny_model.config(
      'wild',
      vectors=str(folder / 'vectors.safetensors'),
      **{'transcripts': str(folder / 'chats.jsonl')} | FIELDS | fields,
  )
  wild.run(config, files.locate(str(workdir)))
  return files.read_json(workdir / wild.NAME)


@pytest.fixture(scope='module')
def workdir(folder):
  run(folder, folder / 'run')
  return folder / 'run'


@pytest.fixture
def found(workdir):
  return files.read_json(workdir / wild.NAME)


@pytest.fixture(scope='module')
def tokens(folder):
  """What the command that reads single texts says of each token."""
  texts = folder / 'texts.jsonl'
  tiny_model.write_rows(texts, [ROWS[i] for i in READ])
  config = tiny_model.config(
      'read',
      vectors=str(folder / 'vectors.safetensors'),
      texts=str(texts),
      layer=LAYER,
  )
  read.run(config, folder / 'read')
  return [row for _, row in files.read_jsonl(folder / 'read' / read.NAME)]


def numbers(found):
  return {row['id'].removeprefix('wild_'): row for row in found['numbers']}


def test_a_run_leaves_its_answer_and_a_page(workdir, found):
  names = {path.name for path in workdir.iterdir()}
  assert names == {'config.json', 'wild.json', 'report.html'}
  assert found['emotions'] == list(tiny_model.EMOTIONS)
  assert found['layer'] == LAYER and found['transcripts'] == len(READ)


def test_what_cannot_be_read_is_left_out_and_named(workdir, found):
  assert found['places'] == [f'chats.jsonl:{i + 1}' for i in READ]
  control, long = 'chats.jsonl:3', 'chats.jsonl:6'
  assert list(found['left_out']) == [control, long]
  assert "control token '<|im_end|>'" in found['left_out'][control]
  assert 'more than the context' in found['left_out'][long]
  page = (workdir / 'report.html').read_text()
  assert 'Transcripts that could not be read' in page
  for place in (control, long):
    assert f'<bdi>{place}</bdi>' in page


def test_the_best_passages_are_those_of_every_window(found, tokens):
  assert found['tokens'] == sum(len(row['tokens']) for row in tokens)
  for e, name in enumerate(tiny_model.EMOTIONS):
    best = []
    for i, row in enumerate(tokens):
      at = [t for t, role in enumerate(row['roles']) if role != 'template']
      score = np.array(row['score'])[:, e]
      options = [at[k : k + WINDOW] for k in range(len(at) - WINDOW + 1)]
      top = max(options, key=lambda option: score[option].mean())
      best.append((score[top].mean(), i, top))
    best.sort(reverse=True)
    for passage, (score, i, top) in zip(found['top'][name], best[:TOP]):
      assert passage['score'] == pytest.approx(score, abs=2e-5)
      assert passage['transcript'] == i
      first, last = passage['window']
      text = ''.join(passage['tokens'][first:last])
      assert text == ''.join(tokens[i]['tokens'][top[0] : top[-1] + 1])
    assert len(found['top'][name]) == TOP


def test_colours_are_cosines_over_the_scale_of_the_transcript(found, tokens):
  for e, name in enumerate(tiny_model.EMOTIONS):
    for passage in found['top'][name]:
      row = tokens[passage['transcript']]
      cosine = np.array(row['cosine'])
      scaled = cosine[:, e] / np.percentile(np.abs(cosine), 99)
      text, whole = ''.join(passage['tokens']), ''.join(row['tokens'])
      begin = whole.index(text)  # A token a byte, but for the control tokens.
      begin = len(_pieces(row['tokens'], begin))
      expected = np.clip(scaled[begin : begin + len(passage['shown'])], -1, 1)
      np.testing.assert_allclose(passage['shown'], expected, atol=2e-3)


def _pieces(tokens, characters):
  """The tokens before so many characters."""
  ends = np.cumsum([len(token) for token in tokens])
  return tokens[: int(np.searchsorted(ends, characters, 'right'))]


def test_a_planted_emotion_is_found_and_a_planted_sink_is_not(found):
  best = found['top']['happy'][0]
  assert found['places'][best['transcript']].endswith(f':{PLANTED + 1}')
  first, last = best['window']
  assert ''.join(best['tokens'][first:last]) == 'll don'
  assert set(best['roles'][first:last]) == {'assistant'}
  # Any token may be the peak: the first one is; then it is no longer.
  angry = tiny_model.EMOTIONS.index('angry')
  assert found['peaks']['raw'][angry] == '<|im_start|>'
  assert found['peaks']['guarded'][angry] != '<|im_start|>'
  rows = numbers(found)
  assert rows['structural_raw']['value'] >= 1 / E
  assert rows['structural_guarded']['value'] < rows['structural_raw']['value']


def test_numbers_have_controls_as_many_as_directions(found):
  rows = numbers(found)
  assert list(rows) == [
      'retrieval', 'roles', 'structural_raw', 'structural_guarded',
  ]  # fmt: skip
  for name in ('structural_raw', 'structural_guarded'):
    assert rows[name]['n'] == E
    assert rows[name]['controls'][0]['n'] == FIELDS['random_directions']
  assert 'published' in rows['structural_raw']
  assert rows['retrieval']['n'] == 3
  chance = rows['retrieval']['controls'][0]
  assert chance['value'] == pytest.approx(1 / len(READ))
  # Those with both roles.
  assert rows['roles']['n'] == 5 and len(rows['roles']['controls']) == 2


def test_roles_are_means_over_their_tokens(found, tokens):
  for e, row in enumerate(found['roles']):
    for role in ('user', 'assistant'):
      means = [
          np.array(x['cosine'])[np.array(x['roles']) == role, e].mean()
          for x in tokens
          if role in x['roles']
      ]
      assert row[role]['n'] == len(means)
      assert row[role]['value'] == pytest.approx(np.mean(means), abs=2e-5)


def _close(one, two):
  """Compares answers; floats to what other batches round otherwise."""
  assert type(one) is type(two)
  if isinstance(one, dict):
    assert list(one) == list(two)
    for name in one:
      _close(one[name], two[name])
  elif isinstance(one, list):
    assert len(one) == len(two)
    for a, b in zip(one, two):
      _close(a, b)
  elif isinstance(one, float):
    assert one == pytest.approx(two, abs=1.1e-3)
  else:
    assert one == two


def test_batches_change_nothing(folder, found, tmp_path):
  _close(run(folder, tmp_path / 'run', batch=1), found)


def test_a_folder_is_the_file_of_the_same_lines(folder, found, tmp_path):
  split = tmp_path / 'split'
  split.mkdir()
  tiny_model.write_rows(split / 'a.jsonl', list(ROWS[:3]))
  (split / 'b.json').write_text(json.dumps(ROWS[3]))
  (split / 'deep').mkdir()
  (split / 'deep' / 'c.json').write_text(json.dumps(ROWS[4:]))
  got = run(folder, tmp_path / 'run', transcripts=str(split))
  assert got['places'][2:4] == ['b.json', 'deep/c.json: [0]']
  assert list(got['left_out']) == ['a.jsonl:3', 'deep/c.json: [1]']
  for name in ('places', 'left_out'):
    del got[name], found[name]
  assert got == found


def test_a_rerun_touches_nothing_and_other_inputs_are_refused(
    folder, workdir, tmp_path
):
  state = lambda: {
      path.name: path.stat().st_mtime_ns for path in workdir.iterdir()
  }
  before = state()
  run(folder, workdir)
  assert state() == before
  with pytest.raises(errors.InputError, match='config.window was 6, is 5'):
    run(folder, workdir, window=5)
  path = folder / 'chats.jsonl'
  whole = path.read_text()
  path.write_text(whole + '{"text": "One more."}\n')
  try:
    with pytest.raises(errors.InputError, match='made_from.transcripts was'):
      run(folder, workdir)
  finally:
    path.write_text(whole)
  assert state() == before


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        (
            {'vectors': ''},
            'Give --config.vectors=FILE and --config.transcripts',
        ),
        ({'transcripts': ''}, 'Give --config.vectors=FILE'),
        ({'window': 0}, 'config.window=0: must be 1 or more'),
        ({'random_directions': 1}, 'random_directions=1: must be 2 or more'),
        ({'seed': -1}, 'config.seed=-1: must be 0 or more'),
        ({'layer': L}, f'Layer {L} is out of range'),
        ({'transcripts': 'lost.jsonl'}, 'lost.jsonl: No such file'),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else '',
)
def test_a_setting_that_cannot_work_is_named(folder, tmp_path, fields, message):
  config = tiny_model.config(
      'wild',
      **{
          'vectors': str(folder / 'vectors.safetensors'),
          'transcripts': str(folder / 'chats.jsonl'),
      }
      | fields,
  )
  with pytest.raises(errors.InputError, match=message):
    wild.run(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


def test_a_malformed_transcript_is_told_before_a_model_is_loaded(
    folder, tmp_path, monkeypatch
):
  path = tmp_path / 'chats.jsonl'
  tiny_model.write_rows(path, [ROWS[0], '{"text": '])
  monkeypatch.delattr(load, 'load')
  with pytest.raises(errors.InputError, match='chats.jsonl:2: '):
    run(folder, tmp_path / 'run', transcripts=str(path))


def test_transcripts_of_which_none_can_be_read_are_refused(folder, tmp_path):
  path = tmp_path / 'chats.jsonl'
  tiny_model.write_rows(path, [ROWS[2]])
  with pytest.raises(errors.InputError) as caught:
    run(folder, tmp_path / 'run', transcripts=str(path))
  message = str(caught.value)
  assert 'can read none; the first: ' in message and 'take it out' in message
  assert (
      message.startswith('config.transcripts: of 1 ')
      and 'chats.jsonl:1: ' in message
      and '\n' not in message
  )


def test_the_page_asks_nothing_of_a_network(workdir):
  text = (workdir / 'report.html').read_text(encoding='utf-8')
  pages.assert_asks_nothing_of_a_network(text)


def test_untrusted_text_stays_text(workdir, found, tmp_path):
  def page(contents):
    files.write_json(tmp_path / wild.NAME, contents)
    config = files.read_json(workdir / 'config.json')
    files.write_json(tmp_path / 'config.json', config)
    return wild_page.write(tmp_path).read_text(encoding='utf-8')

  calm = pages.tags(page(found))
  found['places'] = [HOSTILE + place for place in found['places']]
  found['left_out'] = {
      HOSTILE + place: HOSTILE + why for place, why in found['left_out'].items()
  }
  found['emotions'][0] = found['roles'][0]['emotion'] = HOSTILE
  found['top'] = {
      HOSTILE + name: passages for name, passages in found['top'].items()
  }
  for peaks in found['peaks'].values():
    peaks[:] = [HOSTILE] * E
  for passages in found['top'].values():
    for passage in passages:
      passage['tokens'] = [HOSTILE] * len(passage['tokens'])
      passage['roles'] = [HOSTILE] * len(passage['roles'])
  text = page(found)
  assert [tag for tag, _ in pages.tags(text)] == [tag for tag, _ in calm]
  assert '<img' not in pages.without_plotly(text)
  assert '<img' not in json.dumps(pages.data(text)['figures'])
  titles = [a['title'] for t, a in pages.tags(text) if 'title' in a]
  assert titles and all(title.startswith(HOSTILE) for title in titles)


def test_the_page_is_written_again_without_jax(workdir, tmp_path):
  for name in ('wild.json', 'config.json'):
    data = pathlib.Path(workdir / name).read_bytes()
    (tmp_path / name).write_bytes(data)
  done = pages.write_without_jax('emojax.report.wild_page', tmp_path)
  assert done.returncode == 0, done.stderr
  again = (tmp_path / 'report.html').read_bytes()
  assert again == (workdir / 'report.html').read_bytes()
