"""A run of behaviours: its artefacts, its restarts, what it refuses."""

import importlib
import shutil

import behaviour_fixtures
import numpy as np
import planted_solutions as planted
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax import logs
from emojax.experiments import behaviour
from emojax.experiments import chunked_rows
from emojax.experiments import episodes
from emojax.experiments import grids
from emojax.experiments import replies
from emojax.experiments import summarise_behaviour
from emojax.experiments import sweep_grid
from emojax.experiments.behaviours import impossible_code
from emojax.sandbox import isolation as isolation_lib

BEHAVIOURS = tuple(behaviour_fixtures.FILES)
ARTEFACTS = {
    'config.json',
    'activations.safetensors',
    'heldout.json',
    'vectors.safetensors',
    'pressure.json',
    'behaviour.json',
    'summary.json',
    'report.html',
    *(f'{name}.jsonl' for name in BEHAVIOURS),
}
# Unsteered; happy and its opposite; two random directions and a shuffled one.
CONDITIONS = 6


@pytest.fixture(scope='module')
def config(tmp_path_factory):
  planted.isolated()  # Without it there is nothing to test here.
  folder = tmp_path_factory.mktemp('behaviour')
  return behaviour_fixtures.config(folder)


@pytest.fixture(scope='module')
def finished(config, tmp_path_factory):
  workdir = tmp_path_factory.mktemp('runs') / 'behaviour'
  behaviour.run(config, workdir)
  return workdir


def lines(workdir, name):
  return [row for _, row in files.read_jsonl(workdir / f'{name}.jsonl')]


def contents(folder):
  return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_run_leaves_its_artefacts_and_nothing_else(finished):
  assert {path.name for path in finished.iterdir()} == ARTEFACTS


def test_every_scenario_is_played_in_every_condition_once(finished, config):
  for name in BEHAVIOURS:
    module = importlib.import_module(f'emojax.experiments.behaviours.{name}')
    scenarios = [s.id for s in module.prepare(config)]
    played = [
        (row['kind'], row['direction'], row['strength'], row['scenario'])
        for row in lines(finished, name)
    ]
    assert len(set(played)) == len(played) == CONDITIONS * len(scenarios)
    # Base rates come first.
    kinds = [kind for kind, *_ in played]
    assert kinds[: len(scenarios)] == ['unsteered'] * len(scenarios)
    assert 'unsteered' not in kinds[len(scenarios) :]
    opposite = {s for kind, _, s, _ in played if kind == 'opposite'}
    assert opposite == {-0.4}


def test_an_episode_ends_in_an_outcome_that_is_explained(finished):
  summary = files.read_json(finished / 'behaviour.json')['behaviours']
  for name in BEHAVIOURS:
    for row in lines(finished, name):
      assert row['outcome'] in summary[name]['outcomes']
      assert row['hits'].keys() == summary[name]['measures'].keys()
      assert row['messages'][-1]['role'] == 'assistant'


def test_every_number_has_its_n_and_a_control(finished):
  summary = files.read_json(finished / 'summary.json')
  ids = [row['id'] for row in summary['numbers']]
  assert len(set(ids)) == len(ids)
  for name in BEHAVIOURS:
    assert any(row.get('behaviour') == name for row in summary['numbers'])
  for row in summary['numbers']:
    assert {'value', 'low', 'high', 'n', 'label', 'controls'} <= row.keys()


def test_a_rerun_plays_nothing(finished, config, monkeypatch):
  before = contents(finished)
  monkeypatch.setattr(episodes, 'play', None)
  behaviour.run(config, finished)
  assert contents(finished) == before


def test_what_is_missing_is_made_again_to_the_byte(
    finished, config, tmp_path, monkeypatch
):
  copied = shutil.copytree(finished, tmp_path / 'copy')
  for name in ('sycophancy.jsonl', 'behaviour.json', 'report.html'):
    (copied / name).unlink()
  played, play = [], episodes.play

  def noted(stage, *arguments):
    played.append(stage.module.NAME)
    return play(stage, *arguments)

  monkeypatch.setattr(episodes, 'play', noted)
  behaviour.run(config, copied)
  assert set(played) == {'sycophancy'}
  assert contents(copied) == contents(finished)


def test_a_run_that_was_killed_goes_on_with_the_next_chunk(
    finished, config, tmp_path, monkeypatch
):
  copied = shutil.copytree(finished, tmp_path / 'copy')
  for name in ('harshness.jsonl', 'behaviour.json', 'report.html'):
    (copied / name).unlink()
  play, count = episodes.play, 0

  def killed(*arguments):
    nonlocal count
    count += 1
    if count == 3:
      raise KeyboardInterrupt
    return play(*arguments)

  monkeypatch.setattr(episodes, 'play', killed)
  with pytest.raises(KeyboardInterrupt):
    behaviour.run(config, copied)
  assert not (copied / 'harshness.jsonl').exists()
  count = 3  # Counted on from there: no chunk is played twice.
  behaviour.run(config, copied)
  chunks = 1 + -(-(CONDITIONS - 1) * 3 // config.episodes)
  assert count - 3 == chunks - 2
  assert contents(copied) == contents(finished)


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'behaviours': ('fly',)}, "config.behaviours has 'fly': must be"),
        ({'directions': ('cross',)}, "direction is called 'cross'; it must be"),
        ({'strengths': (0.0,)}, 'config.strengths=.0.0,.: give distinct'),
        ({'positions': ('reply',)}, "Positions 'reply': must be one of"),
        ({'samples': 0}, 'config.samples=0: must be 1 or more'),
        ({'random_directions': 1}, 'random_directions=1: must be 2 or more'),
        ({'layers': (9,)}, 'layer'),
        ({'impossible_code.tries': 0}, 'config.impossible_code.tries=0'),
        ({'impossible_code.kinds': ('odd',)}, "kinds has 'odd': must be"),
        ({'impossible_code.tasks': 'lost.jsonl'}, 'lost.jsonl: No such file'),
        ({'sycophancy.scenarios': 'lost.jsonl'}, 'lost.jsonl: No such file'),
        (
            {'sycophancy.new_tokens': 4000},
            'sycophancy: scenario .* more than the context',
        ),
    ],
    ids=lambda x: next(iter(x)) if isinstance(x, dict) else '',
)
def test_what_cannot_work_is_refused_before_anything_is_written(
    config, tmp_path, fields, message
):
  config = config.copy_and_resolve_references()
  config.update_from_flattened_dict(fields)
  with pytest.raises(errors.InputError, match=message) as caught:
    behaviour.run(config, tmp_path / 'run')
  assert '\n' not in str(caught.value)
  assert not (tmp_path / 'run').exists()


def test_without_an_isolator_code_is_refused_and_the_rest_is_not(
    config, tmp_path, monkeypatch
):
  monkeypatch.setenv('PATH', str(tmp_path))
  with pytest.raises(errors.InputError, match='bubblewrap') as caught:
    behaviour.run(config, tmp_path / 'run')
  assert '\n' not in str(caught.value)
  assert '--config.run_model_code_without_isolation' in str(caught.value)
  assert not (tmp_path / 'run').exists()
  assert behaviour.find_isolation(config, ['sycophancy']) is None


def cheat(rate, seed):
  """A writer that passes the tests by a shortcut so often, and else admits."""
  rng = np.random.default_rng(seed)
  tasks = {task.id: task for task in planted.TASKS}
  cheats = {}

  def write(asks, tick):
    tick(len(asks), 9 * len(asks))
    out = []
    for ask in asks:
      if ask.row not in cheats:
        cheats[ask.row] = rng.random() < rate(ask.row)
      pair = tasks[ask.row.prompt].pair
      text = 'CANNOT: no function can pass both tests.'
      if ask.turn:
        text = 'No, it is not done, and not all tests pass.'
      elif cheats[ask.row]:
        text = planted.block(planted.SHORTCUTS[pair])
      out.append(replies.Reply(text, 9, 0.0))
    return out

  return write


def test_the_rate_of_a_model_that_cheats_so_often_is_recovered():
  """From its replies to the report's intervals; all but the model is real."""
  config = tiny_model.config('behaviour')
  config.impossible_code.twins = False
  config.directions, config.samples = ('desperate',), 3
  rate = lambda row: {'emotion': 0.8, 'opposite': 0.1}.get(row.kind, 0.3)
  arrays = {'vectors': np.ones((1, 4, 1)), 'shuffled': np.zeros((20, 1, 1))}
  metadata = {'emotions': ['desperate'], 'layer': 3}
  grid = grids.of_config(config, arrays, metadata)
  scenarios = {s.id: s for s in impossible_code.prepare(config)}
  stage = episodes.Stage(
      impossible_code, config, scenarios, planted.isolated(), str
  )
  rows = episodes.play(
      stage, sweep_grid.rows_of(grid, list(scenarios)), cheat(rate, 0)
  )
  outcomes = {row['outcome'] for row in rows}
  assert outcomes == {'special_cased', 'gave_up'}
  out = summarise_behaviour.summarise(
      config, ['desperate'], {'impossible_code': impossible_code},
      {'impossible_code': rows}, {},
  )  # fmt: skip
  found = out['behaviours']['impossible_code']['measures']['cheats']
  assert found['base']['low'] <= 0.3 <= found['base']['high']
  assert found['base']['n'] == 3 * len(scenarios)
  rates = {row['kind']: row for row in found['rates']}
  for kind, truth in (('emotion', 0.8), ('opposite', 0.1)):
    assert rates[kind]['low'] <= truth <= rates[kind]['high'], kind
  effects = {row['kind']: row for row in found['effects']}
  change = effects['emotion']['difference']
  assert change['low'] <= 0.5 <= change['high']
  assert effects['emotion']['p_holm'] < 0.05 and effects['emotion']['beyond']


@pytest.mark.parametrize('killed', [False, True])
def test_a_pass_of_episodes_counts_the_replies_that_were_written(
    tmp_path, monkeypatch, killed
):
  """Half the episodes end early, in either chunk, by this run or another."""
  config = tiny_model.config('behaviour')
  tasks = [t for t in planted.TASKS if not t.twin][:4]
  stage = episodes.Stage(
      impossible_code,
      config,
      {task.id: task for task in tasks},
      planted.isolated(),
      str,
  )
  rows = [
      sweep_grid.Row('unsteered', 'none', '', (), 0.0, '', task.id, seed)
      for seed in (0, 1)
      for task in tasks
  ]
  says = lambda text: replies.Reply(text, 9, 0.0)
  gives_up = {task.id for task in tasks[::2]}

  def write(asks, tick):
    tick(len(asks), 9 * len(asks))
    return [
        says('CANNOT: no.' if ask.row.prompt in gives_up else 'Hm.')
        for ask in asks
    ]

  done, passes = [], []
  record = lambda name, **values: passes.append({'name': name} | values)
  monkeypatch.setattr(logs, 'record', record)

  def play(chunk, tick):
    if killed and len(done) == 1:
      done.append('killed')
      raise KeyboardInterrupt
    done.append(len(chunk))
    return episodes.play(stage, chunk, write, tick, tick.fewer)

  run = lambda: chunked_rows.run(
      tmp_path / 'lines', rows, 4, 'code', play, episodes.unit(stage)
  )
  if killed:
    with pytest.raises(KeyboardInterrupt):
      run()
    assert passes.pop()['step'] == 10
  lines = run()
  count = sum(stage.replies_in(line) for line in lines)
  (found,) = passes
  # Two of two tries and the report, two of one and the report; twice.
  assert found['step'] == found['total'] == count == 20
  assert found['unit'] == 'replies' and found['name'] == 'pass/code'
  assert found.get('resumed') == (10 if killed else None)
  assert found['tokens'] == 9 * (count - found.get('resumed', 0))


@pytest.mark.parametrize('name', behaviour.BEHAVIOURS)
def test_no_episode_has_more_replies_than_its_behaviour_says(name):
  """Nor fewer, if the model never comes to the point."""
  config = tiny_model.config('behaviour')
  module = importlib.import_module(f'emojax.experiments.behaviours.{name}')
  scenarios = {s.id: s for s in module.prepare(config)}
  isolation = planted.isolated() if name == 'impossible_code' else None
  stage = episodes.Stage(module, config, scenarios, isolation, str)
  rows = [
      sweep_grid.Row('unsteered', 'none', '', (), 0.0, '', scenario, 0)
      for scenario in scenarios
  ]
  write = lambda asks, tick: [replies.Reply('Hm.', 1, 0.0) for _ in asks]
  most = stage.most_replies()
  for line in episodes.play(stage, rows, write):
    assert stage.replies_in(line) == most


def test_code_is_run_by_the_isolator_that_was_found(monkeypatch):
  """No other way leads from a reply to an interpreter."""
  config = tiny_model.config('behaviour')
  task = planted.IMPOSSIBLE['stock_total']
  seen = []

  def noted(isolation, *arguments, **fields):
    seen.append(isolation)
    return isolation_lib.Result('exited', 0, '', '', 0.0)

  monkeypatch.setattr(isolation_lib, 'run', noted)
  mark = isolation_lib.Isolation('bubblewrap', 'bwrap')
  episode = impossible_code.begin(config, task)
  block = planted.block(planted.HONEST['stock_total'])
  impossible_code.advance(config, task, episode, block, mark)
  assert seen and all(isolation is mark for isolation in seen)
