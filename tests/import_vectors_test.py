"""Vectors of other tools become ours: read, swept, refused where unknown."""

import json
import logging

import command_line
import jax
import numpy as np
import pytest
import safetensors.numpy
import tiny_model

from emojax import errors
from emojax import files
from emojax import vectors as vectors_lib
from emojax.data import stories as stories_lib
from emojax.experiments import build_vectors
from emojax.experiments import export_vectors
from emojax.experiments import headlines
from emojax.experiments import import_vectors
from emojax.experiments import read
from emojax.experiments import read_states
from emojax.experiments import sweep
from emojax.interop import tensors
from emojax.models import load
from emojax.models import taps
from emojax.report import sections

L, D = tiny_model.LAYERS, tiny_model.WIDTH
NAME = build_vectors.NAME
SMALL = {'dtype': 'float32', 'batch': 4, 'standard_dialogues': 8}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tiny')
  fields = tiny_model.settings(folder)
  tiny_model.write_vectors(folder / 'vectors.safetensors', folder / 'model')
  return folder, {name: fields[name] for name in ('neutral', 'stories')}


@pytest.fixture
def bring(folder, tmp_path):
  def run(source='', **fields):
    config = tiny_model.config(
        'import_vectors',
        source=str(source),
        model=str(folder[0] / 'model'),
        **folder[1] | SMALL | fields,
    )
    workdir = tmp_path / f'imported{len(list(tmp_path.iterdir()))}'
    import_vectors.run(config, workdir)
    return build_vectors.read_vectors(files.Path(workdir / NAME)), workdir

  return run


def export(folder, workdir, **fields):
  vectors = str(folder[0] / 'vectors.safetensors')
  config = tiny_model.config('export', vectors=vectors, **fields)
  export_vectors.run(config, workdir)
  return workdir


@pytest.mark.parametrize('to', export_vectors.FORMATS)
def test_what_is_exported_comes_back(folder, bring, tmp_path, to):
  source = export(folder, tmp_path / 'out', to=to, layers=('all',))
  (arrays, metadata), _ = bring(source)
  first = 1 if to in ('gguf', 'repeng') else 0
  own, facts = files.read_arrays(folder[0] / 'vectors.safetensors')
  order = [metadata['emotions'].index(e) for e in facts['emotions']]
  assert len(order) == len(metadata['emotions'])
  unit = vectors_lib.unit
  np.testing.assert_allclose(
      unit(arrays['vectors'][order])[:, first:],
      unit(own['vectors'])[:, first:],
      atol=1e-6,
  )
  assert not arrays['vectors'][:, :first].any()
  # The control of shuffled labels is one again, and no emotion.
  np.testing.assert_allclose(
      unit(arrays['shuffled'])[:, first:],
      unit(own['shuffled'][:1])[:, first:],
      atol=1e-6,
  )


def test_the_model_gives_norms_baselines_and_components(
    folder, bring, tmp_path
):
  source = export(folder, tmp_path / 'out', to='hook', layers=('all',))
  (arrays, metadata), workdir = bring(source)
  lm = load.load(str(folder[0] / 'model'), 'float32')
  assert metadata['weights'] == lm.sha256
  dialogues = stories_lib.load_dialogues(files.Path(folder[1]['neutral']))
  config = tiny_model.config('import_vectors', **SMALL)
  again = build_vectors.baselines(config, lm, arrays['vectors'], dialogues)
  for name, x in again.items():
    np.testing.assert_allclose(arrays[name], x, atol=1e-6)
  assert (arrays['resid_norm'] > 0).all()
  assert arrays['neutral_components'].any()
  np.testing.assert_array_equal(arrays['vectors'], arrays['raw'])
  assert sorted(x.name for x in workdir.iterdir()) == [
      'config.json',
      build_vectors.HELD_OUT,
      NAME,
  ]


def test_neutral_components_are_taken_out_if_asked(folder, bring, tmp_path):
  source = export(folder, tmp_path / 'out', to='npz', layers=('all',))
  (arrays, metadata), _ = bring(source, project_neutral=True)
  assert metadata['neutral_variance'] == 0.5
  components = arrays['neutral_components']
  along = np.einsum('ELD,LCD->ELC', arrays['vectors'], components)
  assert np.abs(along).max() < 1e-4
  assert np.abs(arrays['raw'] - arrays['vectors']).max() > 0.01


def test_accuracy_is_that_of_the_nearest_direction(folder, bring, tmp_path):
  rng = np.random.default_rng(0)
  names = ('zen', 'Bored', 'happy', 'angry')  # No story is of zen.
  directions = rng.standard_normal((len(names), 2, D)).astype(np.float32)
  for name, x in zip(names, directions):
    arrays = {'0': x[0], '2': x[1]}
    (tmp_path / f'{name}.npz').write_bytes(tensors.to_npz(arrays))
  start = 60
  (_, metadata), workdir = bring(tmp_path, start=start)
  found = files.read_json(files.Path(workdir / build_vectors.HELD_OUT))
  assert [row['layer'] for row in found['layers']] == [0, 2]
  assert found['chance']['top1'] == pytest.approx(1 / 3)

  # By hand: the stream's mean over a story, less that over its topic's.
  by_name = {name.lower(): x for name, x in zip(names, directions)}
  stories = stories_lib.load_stories(files.Path(folder[1]['stories']))
  lm = load.load(str(folder[0] / 'model'), 'float32')
  topics = {}
  for story in stories.stories:
    ids = lm.tokenizer.encode(story.text, bos=True).ids
    if story.emotion in by_name and len(ids) > start:
      mean = stream(folder, ids)[start:, [1, 3]].mean(axis=0)
      topics.setdefault(story.topic, {})[story.emotion] = mean
  hits = [[], []]
  for rows in topics.values():
    middle = np.mean(list(rows.values()), axis=0)
    for own, x in rows.items():
      for i, each in enumerate(hits):
        cosine = {
            e: (x - middle)[i] @ d[i] / np.linalg.norm(d[i])
            for e, d in by_name.items()
            if e != 'zen'
        }
        each.append(max(cosine, key=cosine.get) == own)
  for row, each in zip(found['layers'], hits):
    assert row['top1']['n'] == len(each) == 8  # One is too short.
    assert row['top1']['value'] == pytest.approx(np.mean(each))

  # Of the form that is known of our own vectors.
  numbers = headlines.held_out_numbers(found, {'topics': len(topics)})
  assert len(numbers) == 6
  for row in numbers:
    assert row['n'] == 8 and len(row['controls']) == 3
    assert row['low'] <= row['value'] <= row['high']
  assert len(sections.heldout(found)['figures']) == 2


def test_where_no_story_is_of_the_emotions_a_line_says_so(
    bring, tmp_path, caplog
):
  (tmp_path / 'joy.npz').write_bytes(tensors.to_npz({'1': np.ones(D)}))
  logging.getLogger('absl').propagate = True
  with caplog.at_level(logging.WARNING, 'absl'):
    _, workdir = bring(tmp_path / 'joy.npz')
  assert 'No accuracy: stories of 0 of these emotions' in caplog.text
  assert not (workdir / build_vectors.HELD_OUT).exists()


@pytest.fixture
def one_layer(folder, bring, tmp_path):
  """Imported vectors of layer 1 alone, without shuffled labels."""
  source = export(folder, tmp_path / 'out', controls=(), layers=(1,))
  (_, metadata), workdir = bring(source)
  assert metadata['layer'] == 1
  return str(workdir / NAME)


def test_imported_vectors_are_read_where_they_are(folder, one_layer, tmp_path):
  texts = tmp_path / 'texts.jsonl'
  tiny_model.write_rows(texts, tiny_model.TEXTS[:2])
  rows = []
  for path in (one_layer, str(folder[0] / 'vectors.safetensors')):
    config = tiny_model.config('read', vectors=path, texts=str(texts))
    workdir = tmp_path / f'read{len(rows)}'
    read.run(config, workdir)
    rows.append(files.read_jsonl(workdir / read.NAME)[0][1])
  order = [rows[0]['emotions'].index(e) for e in rows[1]['emotions']]
  ours = np.array(rows[0]['cosine'])[:, order]
  np.testing.assert_allclose(ours, rows[1]['cosine'], atol=2e-5)
  config = tiny_model.config('read', vectors=one_layer, texts=str(texts))
  config.layer = 2
  with pytest.raises(errors.InputError, match='no direction there; give one'):
    read.run(config, tmp_path / 'refused')
  assert not (tmp_path / 'refused').exists()


SWEEP = {
    'prompts': ('How do you feel?',),
    'directions': ('happy', 'bored'),
    'strengths': (0.4,),
    'random_directions': 5,
    'new_tokens': 4,
    'sweep_batch': 16,
}


def test_imported_vectors_are_swept(one_layer, tmp_path, caplog):
  config = tiny_model.config('sweep', vectors=one_layer, **SWEEP)
  logging.getLogger('absl').propagate = True
  with caplog.at_level(logging.WARNING, 'absl'):
    sweep.run(config, tmp_path / 'sweep')
  assert 'random directions are the only control' in caplog.text
  rows = [row for _, row in files.read_jsonl(tmp_path / 'sweep' / sweep.NAME)]
  kinds = {row['kind'] for row in rows}
  assert kinds == {'unsteered', 'emotion', 'opposite', 'random'}
  assert {tuple(row['layers']) for row in rows} == {(), (1,)}
  page = (tmp_path / 'sweep' / sweep.REPORT).read_text()
  assert '0 vectors of shuffled labels' in page


@pytest.mark.parametrize(
    'fields',
    [{'layers': (1, 2)}, {'bands': ((0, 1),)}, {'readout_layers': (2,)}],
)
def test_a_layer_without_directions_is_not_swept(one_layer, tmp_path, fields):
  config = tiny_model.config('sweep', vectors=one_layer, **SWEEP | fields)
  with pytest.raises(errors.InputError, match='no direction there; give one'):
    sweep.run(config, tmp_path / 'sweep')
  assert not (tmp_path / 'sweep').exists()


def test_a_published_set_of_means_is_centred(bring, tmp_path):
  rng = np.random.default_rng(0)
  means = rng.standard_normal((3, 2, D)).astype(np.float32) + 5
  path = tmp_path / 'emotion_means.npz'
  emotions = np.array(['sad', 'calm', 'happy'])
  path.write_bytes(
      tensors.to_npz(
          {'means': means, 'layers': np.array([0, 2]), 'emotions': emotions}
      )
  )
  (arrays, metadata), _ = bring(path, layer=2)
  assert metadata['emotions'] == emotions.tolist()
  assert (metadata['imported_layers'], metadata['layer']) == ([0, 2], 2)
  np.testing.assert_allclose(
      arrays['vectors'][:, [0, 2]], means - means.mean(axis=0), atol=1e-5
  )


# What vLLM writes: id k is the input of block k.


def stream(folder, ids):
  """[T, L + 1, D]: the embedding, then the output of each block."""
  lm = load.load(str(folder[0] / 'model'), 'float32')
  _, state = jax.jit(
      lambda params, tokens: lm.model.apply(
          params,
          tokens,
          capture_intermediates=taps.only('embed', 'resid_post'),
          mutable=['intermediates'],
      )
  )(lm.params, np.array([ids]))
  embed = taps.captured(state, 'embed')
  post = taps.captured(state, 'resid_post')
  return np.concatenate([np.asarray(embed), np.asarray(post)[:, 0]]).swapaxes(
      0, 1
  )


def write_states(path, ids, states):
  path.parent.mkdir(exist_ok=True)
  arrays = {'token_ids': np.array(ids), 'hidden_states': states}
  arrays = {name: np.ascontiguousarray(x) for name, x in arrays.items()}
  safetensors.numpy.save_file(arrays, path)


def test_hidden_states_give_the_cosines_of_a_direct_read(folder, tmp_path):
  lm = load.load(str(folder[0] / 'model'), 'float32')
  text = {'text': 'I lost my keys in the snow.'}
  tiny_model.write_rows(tmp_path / 'texts.jsonl', [text])
  vectors = str(folder[0] / 'vectors.safetensors')
  texts = stories_lib.load_texts(files.Path(tmp_path / 'texts.jsonl'))
  chat = read.sources_of(lm, texts, '')[0].chat
  states = stream(folder, chat.ids)
  ids = (3, 1, 2, 0)  # The last block, the first, the second, the embedding.
  write_states(tmp_path / 'states/a.safetensors', chat.ids, states[:, ids])
  config = tiny_model.config(
      'read_states',
      vectors=vectors,
      hidden_states=str(tmp_path / 'states'),
      layer_ids=ids,
      layers=(0, 1, 2),
  )
  read_states.run(config, tmp_path / 'out')
  rows = [r for _, r in files.read_jsonl(tmp_path / 'out' / read_states.NAME)]
  assert [row['layer'] for row in rows] == [0, 1, 2]
  for row in rows:
    assert row['tokens'] == list(chat.ids)
    config = tiny_model.config(
        'read',
        vectors=vectors,
        texts=str(tmp_path / 'texts.jsonl'),
        layer=row['layer'],
    )
    workdir = tmp_path / f'direct{row["layer"]}'
    read.run(config, workdir)
    ((_, direct),) = files.read_jsonl(workdir / read.NAME)
    np.testing.assert_allclose(row['cosine'], direct['cosine'], atol=2e-5)
    assert row['emotions'] == direct['emotions']


def test_labelled_hidden_states_become_vectors(folder, bring, tmp_path):
  rng = np.random.default_rng(0)
  means, labels, pooled = rng.standard_normal((2, D)), [], {}
  for i, (emotion, topic) in enumerate(
      [(e, t) for e in ('calm', 'sad') for t in ('sea', 'shop')]
  ):
    x = rng.standard_normal((6, 2, D)).astype(np.float32)
    x[:, 0] += means[i // 2]
    write_states(tmp_path / f'states/{i}.safetensors', range(6), x)
    labels.append(
        {'file': f'{i}.safetensors', 'emotion': emotion, 'topic': topic}
    )
    pooled.setdefault(emotion, []).append(x[2:, 0].mean(axis=0))
  tiny_model.write_rows(tmp_path / 'labels.jsonl', labels)
  (arrays, metadata), _ = bring(
      hidden_states=str(tmp_path / 'states'),
      labels=str(tmp_path / 'labels.jsonl'),
      layer_ids=(2, 0),
      start=2,
  )
  assert metadata['imported_layers'] == [1]  # Id 2; id 0 is the embedding.
  assert metadata['stories'] == {'calm': 2, 'sad': 2}
  each = np.stack([np.mean(pooled[e], axis=0) for e in ('calm', 'sad')])
  np.testing.assert_allclose(
      arrays['vectors'][:, 1], each - each.mean(axis=0), atol=1e-5
  )
  np.testing.assert_allclose(arrays['mean'][1], each.mean(axis=0), atol=1e-5)
  assert len(arrays['shuffled']) == 16


# At the command line.


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
  return command_line.Command(tmp_path, monkeypatch, capsys)


def refused(command, config, fields):
  return command.run(
      f'--config={tiny_model.ROOT}/configs/{config}.py',
      f'--workdir={command.folder}/out',
      *tiny_model.flags(fields),
  )


def wrong(**arrays):
  return tensors.to_npz(arrays)


@pytest.mark.parametrize(
    ('name', 'data', 'fields', 'says'),
    [
        ('x.pt', b'', {}, 'runs code'),
        ('x.npz', wrong(**{'1': np.ones(5)}), {}, 'has 32; give the model'),
        ('x.npz', wrong(**{'9': np.ones(D)}), {}, 'has layers 0 to 2'),
        ('x.npz', wrong(**{'1': np.ones(D)}), {'layer': 2}, 'at layers 1;'),
        ('x.npz', wrong(**{'1': np.ones(D)}), {'names': "('a','b')"}, 'give 1'),
        ('random_0.npz', wrong(**{'1': np.ones(D)}), {}, 'names of controls'),
        ('x.npz', wrong(**{'1': np.ones(D)}), {'model': ''}, 'Give --config'),
        ('x.npz', wrong(**{'1': np.ones(D)}), {'source': ''}, 'one of the two'),
        ('x.npz', wrong(**{'1': np.ones(D)}), {'source': 'no'}, 'no such file'),
        ('x.npz', b'PK', {}, 'not an npz'),
    ],
)
def test_what_cannot_be_imported_is_one_line(command, name, data, fields, says):
  path = command.folder / name
  path.write_bytes(data)
  fields = {'source': path, 'model': command.model, **SMALL} | fields
  assert says in refused(command, 'import_vectors', fields)


@pytest.mark.parametrize(
    ('fields', 'says'),
    [
        ({'layer_ids': '()'}, 'distinct layer ids'),
        ({'layer_ids': '1,3'}, 'have vLLM write id 2'),
        ({'layer_ids': '2'}, 'give config.layer_ids'),
        ({'axes': 'DLT'}, 'TLD or LTD'),
        ({'hidden_states': 'no'}, 'no folder with'),
        ({'layers': '3'}, 'out of range'),
        ({'start': '-1'}, 'must be 0 or more'),
    ],
)
def test_hidden_states_that_cannot_be_read_are_one_line(command, fields, says):
  command.write_vectors()
  path = command.folder / 'states' / 'a.safetensors'
  write_states(path, range(4), np.ones((4, 2, D), np.float32))
  given = {
      'vectors': command.folder / 'vectors.safetensors',
      'hidden_states': path.parent,
      'layer_ids': '2,1',
  }
  assert says in refused(command, 'read_states', given | fields)


def test_labels_that_do_not_fit_are_named_by_line(command):
  path = command.folder / 'states' / 'a.safetensors'
  write_states(path, range(4), np.ones((4, 1, D), np.float32))
  labels = command.folder / 'labels.jsonl'
  row = {'file': 'b.safetensors', 'emotion': 'calm', 'topic': 'sea'}
  labels.write_text(json.dumps(row))
  fields = {
      'hidden_states': path.parent,
      'labels': labels,
      'layer_ids': '1,',
      'model': command.model,
  }
  assert 'labels.jsonl:1:' in refused(command, 'import_vectors', fields)
  labels.write_text(json.dumps(row | {'file': 'a.safetensors'}))
  assert 'give two or more' in refused(command, 'import_vectors', fields)
