"""A run of several questions: which are asked, resumed, refused, summed up."""

import importlib
import pathlib
import shutil

import ml_collections
import pytest
import question_fixtures
import tiny_model

from emojax import errors
from emojax import files
from emojax.experiments import numbers
from emojax.experiments import paper

QUESTIONS = question_fixtures.QUESTIONS
ARTEFACTS = {
    'config.json',
    'activations.safetensors',
    'heldout.json',
    'vectors.safetensors',
    'post_training.json',
    'wild.json',
    'summary.json',
    'report.html',
}


@pytest.fixture(scope='module')
def config(tmp_path_factory):
  folder = tmp_path_factory.mktemp('paper')
  base = tiny_model.write(folder / 'base', seed=1)
  return question_fixtures.two_questions(folder, str(base))


@pytest.fixture(scope='module')
def finished(config, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('runs') / 'paper'
  paper.run(config, workdir)
  return workdir


def state(folder):
  return {
      path.name: (path.stat().st_mtime_ns, path.read_bytes())
      for path in folder.iterdir()
  }


def test_a_run_leaves_an_artefact_a_question_and_nothing_else(finished):
  assert {path.name for path in finished.iterdir()} == ARTEFACTS


def test_the_summary_has_every_number_of_every_question(finished):
  summary = files.read_json(finished / 'summary.json')
  rows = [row for row in summary['numbers'] if 'question' in row]
  expected = []
  for name in QUESTIONS:
    found = files.read_json(finished / f'{name}.json')
    assert found['numbers'], name
    expected += [row | {'question': name} for row in found['numbers']]
  assert rows == expected
  ids = [row['id'] for row in summary['numbers']]
  assert len(set(ids)) == len(ids) and 'heldout_top1' in ids
  assert summary['absent'] == {}
  assert summary['counts']['emotions'] == len(tiny_model.EMOTIONS)


def test_every_number_has_a_control_and_all_that_json_needs(finished):
  summary = files.read_json(finished / 'summary.json')
  for row in summary['numbers']:
    assert row['controls'], row['id']
    for each in (row, *row['controls']):
      assert {'value', 'low', 'high', 'n', 'label'} <= set(each)
    assert row['beyond'] in (True, False, None)


def test_what_was_published_was_measured_and_stands_beside_it(finished):
  for name in QUESTIONS:
    rows = files.read_json(finished / f'{name}.json')['numbers']
    beside = {row['id']: row['published'] for row in rows if 'published' in row}
    assert beside == numbers.published(name) != {}


def test_the_wild_is_held_against_as_many_directions_as_vectors(finished):
  rows = files.read_json(finished / 'wild.json')['numbers']
  rows = [row for row in rows if 'structural' in row['id']]
  assert len(rows) == 2
  for row in rows:
    assert row['n'] == row['controls'][0]['n'] == len(tiny_model.EMOTIONS)


def test_a_rerun_computes_nothing(finished, config, monkeypatch):
  before = state(finished)
  for name in QUESTIONS:
    module = importlib.import_module(f'emojax.experiments.questions.{name}')
    monkeypatch.setattr(module, 'run', None)
  paper.run(config, finished)
  assert state(finished) == before


def test_what_is_missing_is_computed_and_nothing_else(
    finished, config, tmp_path, monkeypatch
):
  copied = shutil.copytree(finished, tmp_path / 'copy')
  for name in ('wild.json', 'summary.json', 'report.html'):
    (copied / name).unlink()
  kept = state(copied)
  module = importlib.import_module('emojax.experiments.questions.post_training')
  monkeypatch.setattr(module, 'run', None)
  paper.run(config, copied)
  after = state(copied)
  assert {name: after[name] for name in kept} == kept
  for name in ARTEFACTS:
    assert (copied / name).read_bytes() == (finished / name).read_bytes(), name


@pytest.mark.parametrize(
    ('field', 'named'),
    [
        (('wild', 'transcripts'), 'corpus.wild.transcripts was'),
        (('post_training', 'prompts'), 'corpus.post_training.prompts was'),
        (('neutral',), 'corpus.neutral was'),
    ],
)
def test_a_file_that_has_changed_is_refused(finished, config, field, named):
  path = config
  for name in field:
    path = path[name]
  before = state(finished)
  path = pathlib.Path(path)
  whole = path.read_text()
  path.write_text(whole + '\n')
  try:
    with pytest.raises(errors.InputError, match=named) as caught:
      paper.run(config, finished)
  finally:
    path.write_text(whole)
  assert '--workdir' in str(caught.value)
  assert state(finished) == before


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'questions': ('wild', 'fly')}, "config.questions has 'fly': must be"),
        ({'seed': -1}, 'config.seed=-1: must be 0 or more'),
        ({'random_directions': 4}, 'random_directions=4: must be 5 or more'),
        ({'sweep_batch': 0}, 'config.sweep_batch=0: must be 1 or more'),
        ({'wild.window': 0}, 'config.wild.window=0: must be 1 or more'),
        ({'wild.transcripts': 'lost.jsonl'}, 'lost.jsonl: No such file'),
        ({'post_training.prompts': 'lost.jsonl'}, 'lost.jsonl: No such file'),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else '',
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    config, tmp_path, fields, message
):
  config = config.copy_and_resolve_references()
  config.update_from_flattened_dict(fields)
  with pytest.raises(errors.InputError, match=message) as caught:
    paper.run(config, tmp_path / 'run')
  assert '\n' not in str(caught.value)
  assert not (tmp_path / 'run').exists()


def test_all_questions_are_asked_unless_some_are_named():
  config = tiny_model.config('paper')
  assert tuple(paper.chosen(config)) == paper.QUESTIONS
  # In the order of the report, whatever that of their names.
  config.questions = QUESTIONS[::-1]
  assert tuple(paper.chosen(config)) == QUESTIONS


def test_every_question_has_its_section_and_its_files_are_fields_of_it():
  config = tiny_model.config('paper')
  for name, question in paper.chosen(config).items():
    assert question.NAME == name
    for field, packaged in question.FILES.items():
      assert config[name][field] == '', f'{name}.{field}'
      assert packaged is None or tiny_model.packaged(packaged), name


def leaves(config, prefix=''):
  """The fields of a config, at any depth: name -> value."""
  out = {}
  for name, value in config.items():
    if isinstance(value, ml_collections.ConfigDict):
      out |= leaves(value, f'{prefix}{name}.')
    else:
      out[prefix + name] = value
  return out


def test_the_fast_values_are_put_in_place_only_if_asked_for():
  config = tiny_model.config('paper')
  fast, plain = leaves(config.fast_values), leaves(config)
  assert fast and set(fast) <= set(plain)
  assert leaves(paper.settled(config)) == plain
  config.fast = True
  settled = leaves(paper.settled(config))
  for name, value in settled.items():
    expected = fast.get(name, plain[name]) if name != 'fast' else True
    assert value == expected, name
  # The caller's own is left as it was.
  assert leaves(config) == plain | {'fast': True}
