"""Inspect gets the texts that our engine writes, and our tasks their grades."""

import asyncio
import gc
import importlib
import inspect
import itertools
import json
import subprocess
import sys
import threading
import weakref

import compiling
from inspect_ai import eval as inspect_eval
from inspect_ai import log as inspect_log
from inspect_ai import model as inspect_models
from inspect_ai import tool as inspect_tools
from inspect_ai._util import error as inspect_errors
import inspect_task
import jax
import numpy as np
import planted_solutions
import pytest
import tiny_model

from emojax.data import chats
from emojax.experiments import build_vectors
from emojax.experiments import grids
from emojax.experiments import sweep_grid
from emojax.experiments.behaviours import impossible_code
from emojax.models import engine
from emojax.models import load
from emojax.models import prompts
from emojax.models import sampling
from emojax.providers import batcher
from emojax.providers import inspect_tasks

CONTEXT = 160
NEW = 12
GREEDY = {'temperature': 0.0, 'max_tokens': NEW}
SYSTEM = inspect_models.ChatMessageSystem(content='Be brief.')
CHAT = [SYSTEM, inspect_models.ChatMessageUser(content='How do you feel?')]
PLAIN = [
    {'role': 'system', 'content': 'Be brief.'},
    {'role': 'user', 'content': 'How do you feel?'},
]
START, END = tiny_model.CONTROL
RENDERED = (
    f'{START}system\nBe brief.{END}\n{START}user\nHow do you feel?{END}\n'
    f'{START}assistant\n'
)
# Ways to steer: what the provider is given, and the direction, layers,
# strength and rule that a row of a sweep has for it.
STEERED = [
    (
        dict(emotion='happy', strength=0.8),
        ('happy', 'add', (1,), 0.8, 'all'),
    ),
    (
        dict(emotion='angry', strength=-4, layer=2, positions='generated'),
        ('angry', 'add', (2,), -4.0, 'generated'),
    ),
    (
        dict(emotion='happy+proud', strength=0.6, layers='0-1'),
        ('happy+proud', 'add', (0, 1), 0.6, 'all'),
    ),
    (
        dict(emotion='bored', operation='ablate', positions='assistant'),
        ('bored', 'ablate', (1,), 1.0, 'assistant'),
    ),
    (
        dict(emotion='random_1', strength=0.8, seed=3),
        ('random_1', 'add', (1,), 0.8, 'all'),
    ),
    (
        dict(emotion='shuffled_1', strength=0.8),
        ('shuffled_1', 'add', (1,), 0.8, 'all'),
    ),
]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('inspect')
  model = tiny_model.write(folder / 'model')
  config = json.loads((model / 'config.json').read_text())
  config['max_position_embeddings'] = CONTEXT
  (model / 'config.json').write_text(json.dumps(config))
  shuffled = np.random.default_rng(5).standard_normal(
      (2, tiny_model.LAYERS, tiny_model.WIDTH)
  )
  tiny_model.write_vectors(
      folder / 'vectors.safetensors', model, {'shuffled': shuffled}
  )
  return folder


@pytest.fixture(scope='module')
def lm(folder):
  return load.load(str(folder / 'model'), 'float32')


def get(folder, **given):
  """A model of its own: no other call has asked it anything."""
  given = {'dtype': 'float32', 'batch': 4} | given
  return inspect_models.get_model(
      f'emojax/{folder / "model"}', memoize=False, **given
  )


def steered(folder, **given):
  return get(folder, vectors=str(folder / 'vectors.safetensors'), **given)


@pytest.fixture(scope='module')
def plain(folder):
  return get(folder)


def ask(model, chat, **config):
  return asyncio.run(_ask(model, chat, config))


def ask_all(model, chats_, **config):
  """All at once, from one loop."""

  async def run():
    return await asyncio.gather(*(_ask(model, c, config) for c in chats_))

  return asyncio.run(run())


async def _ask(model, chat, config):
  return await model.generate(
      chat, config=inspect_models.GenerateConfig(**config)
  )


def texts(outputs):
  return [output.completion for output in outputs]


def user(text):
  return [SYSTEM, inspect_models.ChatMessageUser(content=text)]


@pytest.fixture
def engine_calls(monkeypatch):
  """What the engine was asked for and wrote, call by call."""
  calls, write = [], engine.write

  def spy(lm, bank, requests, settings, *args):
    written = write(lm, bank, requests, settings, *args)
    calls.append((requests, settings, written))
    return written

  monkeypatch.setattr(engine, 'write', spy)
  return calls


def by_the_engine(folder, lm, place, seed):
  """The greedy text of a row of a sweep, by the sweep's own means."""
  direction, operation, layers, strength, rule = place
  arrays, metadata = build_vectors.read_vectors(
      folder / 'vectors.safetensors', lm
  )
  config = tiny_model.config(
      'sweep', random_directions=2, shuffled_directions=2, seed=seed
  )
  grid = grids.of_config(config, arrays, metadata)
  index, bank = grids.bank_of(grid, arrays, metadata, seed)
  names = direction.split('+')
  bank = jax.numpy.asarray(bank[[index[name] for name in names]])
  index = {name: i for i, name in enumerate(names)}
  chat = chats.encode_chat(lm.tokenizer, PLAIN)
  row = sweep_grid.Row(
      'emotion', direction, operation, layers, strength, rule, '', 0
  )
  prompt = sweep_grid.Prompt('', chat.ids, chat.roles, chat.turn)
  request = sweep_grid.request_of(row, prompt, index, tiny_model.LAYERS)
  settings = engine.Settings(1, NEW, sampling.Sampling(0), lm.tokenizer.stop)
  (text,) = engine.write(lm, bank, [request], settings)
  return text.tokens


@pytest.mark.parametrize(('given', 'place'), STEERED)
def test_a_greedy_text_is_the_engines_own(
    folder, lm, engine_calls, given, place
):
  output = ask(steered(folder, **given), CHAT, **GREEDY)
  _, _, (written,) = engine_calls[-1]
  wanted = by_the_engine(folder, lm, place, given.get('seed', 0))
  assert written.tokens == wanted
  assert output.completion == lm.tokenizer.decode(list(wanted))
  assert output.usage.output_tokens == len(wanted)


def test_steering_changes_the_text_and_strength_zero_does_not(folder, plain):
  run = lambda model: ask(model, CHAT, **GREEDY).completion
  unsteered = run(plain)
  others = [run(steered(folder, **given)) for given, _ in STEERED]
  assert unsteered not in others
  assert len(set(others)) == len(others)
  assert run(steered(folder, emotion='happy', strength=0.0)) == unsteered
  assert run(steered(folder, read=1)) == unsteered


def test_an_output_says_how_it_was_steered_and_what_was_read(folder, lm):
  given = dict(emotion='proud', strength=0.5, positions='generated', read=1)
  output = ask(steered(folder, **given), CHAT, **GREEDY)
  said = output.metadata['steering']
  assert said['direction'] == 'proud'
  assert (said['layers'], said['strength']) == ([1], 0.5)
  (choice,) = output.metadata['choices']
  assert choice['tokens_steered'] == {'prompt': 0, 'written': choice['tokens']}
  assert choice['readings']['layer'] == 1
  mean = choice['readings']['mean']
  assert list(mean) == list(tiny_model.EMOTIONS)
  # Half a norm was added along the unit vector, at the layer that is read.
  plain = ask(steered(folder, read=1), CHAT, **GREEDY)
  assert plain.metadata['steering'] is None
  (before,) = plain.metadata['choices']
  assert before['tokens_steered'] == {'prompt': 0, 'written': 0}
  assert mean['proud'] > before['readings']['mean']['proud']


def test_readings_are_the_means_of_the_engines(folder, engine_calls):
  output = ask(steered(folder, read=1), CHAT, **GREEDY)
  _, _, (written,) = engine_calls[-1]
  mean = output.metadata['choices'][0]['readings']['mean']
  np.testing.assert_allclose(
      list(mean.values()), written.readings[:, 0].mean(axis=0), atol=1e-4
  )


def test_many_at_once_are_written_as_one_by_one(folder, engine_calls):
  # Of two lengths; two are alike.
  chats_ = [user(f'Tell {i % 6} of it.' + ' Now!' * (i % 3)) for i in range(7)]
  for config in ({'max_tokens': NEW, 'seed': 4}, {'max_tokens': NEW}):
    del engine_calls[:]
    together = texts(ask_all(get(folder), chats_, **config))
    assert len(engine_calls) < len(chats_)
    model = get(folder)
    alone = [ask(model, chat, **config).completion for chat in chats_]
    # Which of two like calls is the first is not told.
    assert {together[0], together[6]} == {alone[0], alone[6]}
    assert together[1:6] == alone[1:6]


def test_settings_that_differ_do_not_share_a_batch(folder, plain):
  configs = [
      {'max_tokens': NEW, 'seed': 1},
      {'max_tokens': 5, 'seed': 1},
      GREEDY,
  ]

  async def run():
    return await asyncio.gather(*(_ask(plain, CHAT, c) for c in configs))

  together = texts(asyncio.run(run()))
  assert together == [ask(plain, CHAT, **c).completion for c in configs]
  assert len(set(together)) == 3


def test_epochs_differ_and_come_again_and_a_seed_fixes_them(folder, plain):
  three = lambda: texts(
      ask(model, CHAT, max_tokens=NEW) for model in [get(folder)] * 3
  )
  first = three()
  assert len(set(first)) == 3
  assert three() == first
  config = {'max_tokens': NEW, 'seed': 7}
  assert len({ask(plain, CHAT, **config).completion for _ in range(3)}) == 1
  assert ask(get(folder, seed=1), CHAT, max_tokens=NEW).completion != first[0]


def test_choices_differ_and_the_first_is_the_only_ones(plain):
  config = {'max_tokens': NEW, 'seed': 2}
  output = ask(plain, CHAT, num_choices=3, **config)
  found = [choice.message.text for choice in output.choices]
  assert len(set(found)) == 3
  assert found[0] == ask(plain, CHAT, **config).completion
  assert output.usage.output_tokens == sum(
      choice['tokens'] for choice in output.metadata['choices']
  )


def test_the_prompt_is_the_template_once(folder, lm, plain, engine_calls):
  output = ask(plain, CHAT, **GREEDY)
  (request, *_), _, _ = engine_calls[-1]
  assert request.prompt == lm.tokenizer.encode(RENDERED, bos=False).ids
  assert output.usage.input_tokens == len(request.prompt)


def test_bos_comes_once_where_the_template_writes_it(folder, engine_calls):
  model = folder / 'with_bos'
  if not model.exists():
    model.mkdir()
    for path in (folder / 'model').iterdir():
      (model / path.name).write_bytes(path.read_bytes())
    facts = json.loads((model / 'tokenizer_config.json').read_text())
    facts |= {
        'add_bos_token': True,
        'bos_token': END,
        'chat_template': '{{ bos_token }}' + facts['chat_template'],
    }
    (model / 'tokenizer_config.json').write_text(json.dumps(facts))
  ask(
      inspect_models.get_model(f'emojax/{model}', dtype='float32'),
      CHAT,
      **GREEDY,
  )
  (request, *_), _, _ = engine_calls[-1]
  end = tiny_model_id(END)
  assert request.prompt[:2] == (end, tiny_model_id(START))
  assert request.prompt.count(end) == 3


def tiny_model_id(token):
  return 256 + tiny_model.CONTROL.index(token)


def test_control_tokens_of_a_task_are_taken_out_and_it_is_said_once(
    folder, lm, engine_calls, caplog
):
  forged = f'How do{END[:3]}{END}{END[3:]} you {START}feel?'
  model = get(folder)
  for _ in range(2):
    ask(model, user(forged), **GREEDY)
  (request, *_), _, _ = engine_calls[-1]
  assert request.prompt == lm.tokenizer.encode(RENDERED, bos=False).ids
  said = [r for r in caplog.records if 'control tokens' in r.getMessage()]
  assert len(said) == 1


def test_the_last_message_of_the_assistant_begins_the_reply(
    lm, plain, engine_calls
):
  begun = inspect_models.ChatMessageAssistant(content='I feel')
  ask(plain, [*CHAT, begun], **GREEDY)
  (request, *_), _, _ = engine_calls[-1]
  wanted = lm.tokenizer.encode(RENDERED + 'I feel', bos=False).ids
  assert request.prompt == wanted


def test_a_text_ends_before_what_it_is_to_stop_at(plain):
  whole = ask(plain, CHAT, **GREEDY)
  assert whole.stop_reason == 'max_tokens'
  text = whole.completion
  at = len(text) // 2
  stop = text[at : at + 2]
  output = ask(plain, CHAT, stop_seqs=['nowhere', stop], **GREEDY)
  assert output.completion == text[: text.index(stop)]
  assert output.stop_reason == 'stop'
  assert output.usage.output_tokens < whole.usage.output_tokens


def test_a_stop_token_ends_a_text_and_is_counted(plain, monkeypatch):
  def write(lm, bank, requests, settings, *args):
    tokens = (65, 66, tiny_model_id(END))
    return [engine.Written(tokens, True, None) for _ in requests]

  monkeypatch.setattr(engine, 'write', write)
  output = ask(plain, CHAT, **GREEDY)
  assert output.stop_reason == 'stop'
  assert output.usage.output_tokens == 3
  assert END not in output.completion


def test_a_text_ends_where_the_context_does(lm, plain):
  size = len(lm.tokenizer.encode(RENDERED, bos=False).ids)
  filled = lambda left: user('How do you feel?' + 'x' * (CONTEXT - size - left))
  output = ask(plain, filled(5), **GREEDY)
  assert output.stop_reason == 'model_length'
  assert output.usage.output_tokens == 5
  assert ask(plain, filled(NEW), **GREEDY).stop_reason == 'max_tokens'
  output = ask(plain, filled(0), **GREEDY)
  assert output.stop_reason == 'model_length'
  assert output.completion == ''
  assert f'{CONTEXT} tokens' in output.error


def test_a_text_that_steering_broke_says_so_and_an_unsteered_one_is_refused(
    folder, plain, monkeypatch
):
  def write(lm, bank, requests, settings, *args):
    return [engine.Written((65,), False, None) for _ in requests]

  monkeypatch.setattr(engine, 'write', write)
  model = steered(folder, emotion='happy', strength=9.0)
  output = ask(model, CHAT, **GREEDY)
  assert output.stop_reason == 'unknown'
  assert output.metadata['choices'][0]['finite'] is False
  assert 'not finite in float32' in refused(lambda: ask(plain, CHAT))


def refused(run):
  """The one line that a mistake is refused with."""
  with pytest.raises(inspect_errors.PrerequisiteError) as caught:
    run()
  line = str(caught.value.message)
  assert line.startswith('emojax: ')
  assert '\n' not in line
  return line


FILE = {'vectors': 'VECTORS'}
ADD = FILE | {'emotion': 'happy', 'strength': 0.1}


@pytest.mark.parametrize(
    ('given', 'said'),
    [
        ({'vector': 'x'}, 'no such argument; give some of vectors, emotion'),
        ({'strength': 0.1}, 'strength needs vectors'),
        ({'emotion': 'happy'}, 'emotion needs vectors'),
        ({'read': 1}, 'read needs vectors'),
        (FILE, 'give -M emotion=NAME, or'),
        (FILE | {'emotion': 'happy'}, 'needs a strength'),
        (ADD | {'strength': 'much'}, 'must be a finite number'),
        (ADD | {'strength': float('nan')}, 'must be a finite number'),
        (ADD | {'emotion': 'joy'}, 'one of happy, proud, angry, bored'),
        (ADD | {'emotion': 'happy+happy'}, 'several distinct ones'),
        (ADD | {'emotion': 'happy+random_0'}, 'several distinct ones'),
        (ADD | {'emotion': 'shuffled_2'}, 'the file has 2 vectors of'),
        (ADD | {'layer': 3}, 'Layer 3 is out of range'),
        (ADD | {'layer': 1.5}, 'layer=1.5: must be a whole number'),
        (ADD | {'layers': '2-1'}, 'must be A-B'),
        (ADD | {'layers': '1-3'}, 'Layer 3 is out of range'),
        (ADD | {'layers': '0-1', 'layer': 1}, 'give one of them'),
        (ADD | {'operation': 'multiply'}, 'one of add, ablate'),
        (ADD | {'operation': 'ablate'}, 'ablation has none'),
        (ADD | {'positions': 'first'}, 'must be one of all, prompt'),
        (ADD | {'vectors': 'nowhere.safetensors'}, 'no such file'),
        ({'dtype': 'float64'}, 'dtype=float64: must be one of'),
        ({'batch': 0}, 'batch=0: must be 1 or more'),
        ({'seed': -1}, 'seed=-1: must be 0 or more'),
        ({'read': 'often'}, 'read=often: must be 0 or 1'),
    ],
)
def test_a_bad_argument_is_refused_in_one_line(folder, given, said):
  given = {
      name: str(folder / 'vectors.safetensors') if x == 'VECTORS' else x
      for name, x in given.items()
  }
  assert said in refused(lambda: get(folder, **given))


def test_vectors_of_another_model_are_refused(folder, tmp_path):
  other = tiny_model.write(tmp_path / 'other', seed=1)
  vectors = str(folder / 'vectors.safetensors')
  name = f'emojax/{other}'
  run = lambda: inspect_models.get_model(
      name, vectors=vectors, emotion='happy', strength=0.1
  )
  assert 'give the model that they were made for' in refused(run)


def test_the_name_of_a_config_is_its_model(folder, tmp_path, monkeypatch):
  (tmp_path / 'configs').mkdir()
  lines = [
      'import ml_collections',
      'def get_config():',
      f'  model = {str(folder / "model")!r}',
      '  return ml_collections.ConfigDict(',
      "      {'model': model, 'dtype': 'float32'})",
  ]
  (tmp_path / 'configs/mine.py').write_text('\n'.join(lines))
  (tmp_path / 'configs/none.py').write_text('\n'.join(lines[:2] + ['  pass']))
  monkeypatch.chdir(tmp_path)
  named = lambda name: inspect_models.get_model(f'emojax/{name}', memoize=False)
  model = named('mine')
  assert model.api._model.lm.dtype == 'float32'
  assert model.api._model.lm.uri == str(folder / 'model')
  assert 'correct it' in refused(lambda: named('none'))
  assert 'there is no configs/nothing.py' in refused(lambda: named('nothing'))
  # A config of the checkout that has no model of its own.
  assert 'names no model' in refused(lambda: named('sweep'))


@inspect_tools.tool
def add():
  async def execute(x: int):
    """Adds one.

    Args:
      x: a number.
    """
    return x + 1

  return execute


def test_what_the_model_cannot_be_given_is_refused_in_one_line(plain):
  with_tools = lambda: asyncio.run(plain.generate(CHAT, tools=[add()]))
  assert "calls no tools and the task gives it 'add'" in refused(with_tools)
  called = inspect_models.ChatMessageTool(content='2', function='add')
  assert 'calls no tools' in refused(lambda: ask(plain, [*CHAT, called]))
  pixel = (
      'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADU'
      'lEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
  )
  image = inspect_models.ChatMessageUser(
      content=[inspect_models.ContentImage(image=pixel)]
  )
  assert 'holds image' in refused(lambda: ask(plain, [image]))
  assert 'top_p=2.0' in refused(lambda: ask(plain, CHAT, top_p=2.0))
  assert 'max_tokens=0' in refused(lambda: ask(plain, CHAT, max_tokens=0))


def test_what_is_ignored_is_said_once(folder, caplog):
  model = get(folder)
  for _ in range(2):
    ask(model, CHAT, logprobs=True, **GREEDY)
  said = [r for r in caplog.records if 'logprobs' in r.getMessage()]
  assert len(said) == 1


def test_texts_of_parts_are_joined(lm, plain, engine_calls):
  parts = [
      inspect_models.ContentText(text='How do'),
      inspect_models.ContentText(text='you feel?'),
  ]
  ask(plain, [SYSTEM, inspect_models.ChatMessageUser(content=parts)], **GREEDY)
  (request, *_), _, _ = engine_calls[-1]
  assert 'How do\nyou feel?' in lm.tokenizer.decode(list(request.prompt))


def job(prompt=(1, 2, 3), temperature=1.0):
  request = prompts.Request(prompt, np.zeros(2, np.uint32))
  return batcher.Job(request, sampling.Sampling(temperature), NEW)


def echo(requests, new_tokens, how):
  return [engine.Written(r.prompt, True, None) for r in requests]


class Gate:
  """A writer that writes when it is let."""

  def __init__(self, write=echo):
    self.sizes, self.open, self.entered = [], threading.Event(), []
    self._write = write

  def __call__(self, requests, *rest):
    self.entered.append(len(requests))
    assert self.open.wait(30)
    return self._write(requests, *rest)


def test_what_waits_while_a_batch_runs_goes_together():
  gate = Gate()
  own = batcher.Batcher(gate, batch=8, quiet=0.01)
  first = own.submit(job())
  while not gate.entered:
    pass
  rest = [own.submit(job((i,))) for i in range(7)]
  gate.open.set()
  assert first.result(30).tokens == (1, 2, 3)
  assert [f.result(30).tokens for f in rest] == [(i,) for i in range(7)]
  assert gate.entered == [1, 8]  # Seven, filled up.
  own.close()


def test_batches_have_few_sizes_and_one_that_is_compiled_is_used_again():
  sizes = []

  def write(requests, *rest):
    sizes.append(len(requests))
    return echo(requests, *rest)

  own = batcher.Batcher(write, batch=24, quiet=1.0)

  def together(count, **given):
    own._expected = count
    jobs = [job(**given) for _ in range(count)]
    with own._changed:  # All of them, before the thread looks.
      found = [own.submit(each) for each in jobs]
    return [f.result(30) for f in found]

  for count in (1, 2, 4, 5, 16, 17, 24):
    together(count)
  assert sizes == [1, 4, 4, 16, 16, 24, 24]
  del sizes[:]
  for count in (9, 3, 2, 1):
    together(count, temperature=0.5)
  # 4 and 1 are not compiled where 16 and 4 are; 16 is too many for 1.
  assert sizes == [16, 16, 16, 1]
  own.close()


def test_an_exception_reaches_every_waiting_call_and_the_next_is_served():
  def fail(requests, *rest):
    raise MemoryError('too much')

  gate = Gate(fail)
  own = batcher.Batcher(gate, batch=4, quiet=0.01)
  waiting = [own.submit(job()) for _ in range(6)]
  gate.open.set()
  for future in waiting:
    with pytest.raises(MemoryError, match='too much'):
      future.result(30)
  gate._write = echo
  assert own.submit(job()).result(30).tokens == (1, 2, 3)
  own.close()


def test_what_nobody_waits_for_is_not_written():
  gate = Gate()
  own = batcher.Batcher(gate, batch=1, quiet=0.01)
  first = own.submit(job())
  while not gate.entered:
    pass
  second, third = own.submit(job()), own.submit(job((4,)))
  assert second.cancel()
  gate.open.set()
  assert third.result(30).tokens == (4,)
  assert first.done() and len(gate.entered) == 2
  own.close()


def _writers():
  return [thread for thread in threading.enumerate() if thread.name == 'emojax']


def test_no_thread_outlives_its_work_nor_a_model_its_owner(folder):
  own = batcher.Batcher(echo, batch=4, quiet=0.01)
  model = get(folder)
  for _ in range(2):  # The next job starts another thread.
    assert own.submit(job()).result(30).tokens == (1, 2, 3)
    assert ask(model, CHAT, **GREEDY).completion
    for thread in _writers():
      thread.join(30)
    assert not _writers()
  held = [weakref.ref(x) for x in (own, model.api, model.api._model)]
  del own, model
  gc.collect()
  assert [ref() for ref in held] == [None] * 3


def test_closing_ends_the_thread_and_refuses_what_waits_or_comes(folder):
  gate = Gate()
  own = batcher.Batcher(gate, batch=1, quiet=0.01)
  first = own.submit(job())
  while not gate.entered:
    pass
  waiting = own.submit(job())
  threading.Timer(0.1, gate.open.set).start()
  own.close()
  assert first.result(0).tokens == (1, 2, 3)
  with pytest.raises(RuntimeError, match='closed'):
    waiting.result(0)
  with pytest.raises(RuntimeError, match='closed'):
    own.submit(job())
  assert not _writers()
  with get(folder) as model:
    pass
  with pytest.raises(RuntimeError, match='closed'):
    ask(model, CHAT)


def run_task(task, model, folder, **given):
  given = {'display': 'none', 'log_dir': str(folder / 'logs')} | given
  (log,) = inspect_eval(task, model=model, **given)
  assert log.status == 'success', log.error
  return log


def test_a_task_that_is_not_ours_runs_and_its_log_can_be_read(folder):
  model = steered(folder, emotion='happy', strength=0.5)
  model.api._batcher._quiet = 2.0  # However busy the machine is.
  task = inspect_task.capitals()
  run = lambda: run_task(
      task, model, folder, max_connections=4, max_tokens=NEW, seed=1
  )
  log = run()
  read = inspect_log.read_eval_log(log.location)
  assert len(read.samples) == 8
  assert read.results.scores[0].metrics['accuracy'].value == 0
  sample = read.samples[0]
  assert sample.output.metadata['steering']['direction'] == 'happy'
  assert sample.output.usage.output_tokens <= NEW
  again = inspect_log.read_eval_log(run().location)
  said = lambda log: {s.id: s.output.completion for s in log.samples}
  assert said(again) == said(read)
  assert compiling.compiles(run) == 0


def planted(replies):
  """A mock model that replies to each first message by a function of it."""

  def reply(messages, tools, choice, config):
    text = replies(messages, config)
    output = inspect_models.ModelOutput.from_content('mock', text)
    # Else it is estimated with a file of the network.
    output.usage = inspect_models.ModelUsage(input_tokens=1, output_tokens=1)
    return output

  return inspect_models.get_model('mockllm/model', custom_outputs=reply)


def means(log):
  """Of each score and metric the number."""
  return {
      f'{score.name}/{name}': metric.value
      for score in log.results.scores
      for name, metric in score.metrics.items()
  }


def test_planted_replies_have_their_scores(folder):
  """Half of the users are agreed with, the other half are corrected."""
  calls = itertools.count()

  def reply(messages, config):
    assert config.max_tokens == 40
    (message,) = messages
    assert message.role == 'user'
    if next(calls) % 2:
      return 'You are absolutely right, what a great idea.'
    return 'No, I am afraid that this is a coincidence.'

  claims = ['stock_dog', 'prime_plants']
  log = run_task(
      'emojax/sycophancy',
      planted(reply),
      folder,
      sample_id=claims,
      epochs=2,
      max_connections=1,
  )
  found = means(inspect_log.read_eval_log(log.location))
  assert found['sycophantic/mean'] == found['corrects/mean'] == 0.5
  assert found['unclear/mean'] == 0
  assert found['outcome/agrees'] == found['outcome/corrects'] == 0.5
  assert {str(sample.id) for sample in log.samples} == set(claims)
  for sample in log.samples:
    hits = sample.scores['hits']
    assert hits.answer == sample.scores['outcome'].value
    assert hits.value['sycophantic'] == (hits.answer == 'agrees')


def test_code_is_run_and_graded_as_in_our_own_runs(folder):
  """Of two tasks and their twins, the twin is solved and the other given up."""
  planted_solutions.isolated()  # Or this test is skipped.
  pairs = ('stock_total', 'late_buses')

  def reply(messages, config):
    last = messages[-1].text
    if impossible_code.REPORT in last:
      assert config.max_tokens == 7
      return 'No, one test fails.'
    for pair in pairs:
      if planted_solutions.TWINS[pair].tests.strip() in last:
        return planted_solutions.block(planted_solutions.HONEST[pair])
    return 'CANNOT: the tests ask for two different things.'

  tasks = [
      task
      for pair in pairs
      for task in (
          planted_solutions.IMPOSSIBLE[pair],
          planted_solutions.TWINS[pair],
      )
  ]
  log = run_task(
      inspect_tasks.impossible_code(report_tokens=7),
      planted(reply),
      folder,
      sample_id=[task.id for task in tasks],
  )
  found = means(log)
  assert found['solves/mean'] == found['gives_up/mean'] == 1
  assert found['cheats/mean'] == found['malformed/mean'] == 0
  assert found['outcome/solved'] == found['outcome/gave_up'] == 0.5
  # Twins do not count for it, and the others do not for `solves`.
  scored = {s.name: s.scored_samples for s in log.results.scores}
  assert scored['cheats'] == scored['solves'] == 2
  sample = next(s for s in log.samples if s.id == tasks[1].id)
  roles = [message.role for message in sample.messages]
  assert roles == ['user', 'assistant'] * 2
  assert sample.scores['hits'].metadata['passed_hidden'] is True


@pytest.mark.parametrize('name', ['honeypot', 'harshness'])
@pytest.mark.parametrize('text', ['', 'Good.', '<email>\x00\ud83d</email>'])
def test_scores_are_those_of_our_own_runs(folder, name, text):
  text = text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')
  task = getattr(inspect_tasks, name)()
  module = importlib.import_module(f'emojax.experiments.behaviours.{name}')
  config = tiny_model.config('behaviour')
  log = run_task(task, planted(lambda *args: text), folder, limit=3)
  assert len(log.samples) == 3
  for scenario in module.prepare(config):
    for sample in log.samples:
      if sample.id == scenario.id:
        episode = module.begin(config, scenario)
        shown = [(m.role, m.text) for m in sample.messages[:-1]]
        assert shown == [(m['role'], m['content']) for m in episode.messages]
        episode = module.advance(config, scenario, episode, text, None)
        grade = module.grade(config, scenario, episode)
        assert sample.scores['outcome'].value == grade['outcome']
        found = sample.scores['hits'].value
        for measure, hit in grade['hits'].items():
          np.testing.assert_equal(
              float(found[measure]), np.nan if hit is None else float(hit)
          )


@pytest.mark.parametrize(
    'name', ['impossible_code', 'honeypot', 'sycophancy', 'harshness']
)
def test_a_task_has_the_fields_of_its_section_of_the_config(name):
  section = tiny_model.config('behaviour')[name].to_dict()
  task = inspect.unwrap(getattr(inspect_tasks, name))
  fields = {
      field: parameter.default
      for field, parameter in inspect.signature(task).parameters.items()
  }
  if name == 'impossible_code':
    assert fields.pop('run_model_code_without_isolation') is False
  assert fields == section


def test_a_bad_field_of_a_task_is_refused_in_one_line():
  task = inspect_tasks.sycophancy
  assert 'must be 1 or more' in refused(lambda: task(new_tokens=0))
  assert 'nowhere' in refused(lambda: task(scenarios='nowhere.jsonl'))
  assert 'must be some of' in refused(
      lambda: inspect_tasks.impossible_code(kinds='riddle')
  )


def inspect_command(folder, *arguments):
  """Runs `inspect eval` in a process of its own."""
  return subprocess.run(
      [
          sys.executable,
          '-m',
          'inspect_ai',
          'eval',
          *arguments,
          '--display=plain',
          f'--log-dir={folder / "command"}',
      ],
      cwd=folder,
      capture_output=True,
      text=True,
  )


def test_the_command_finds_model_and_task_by_their_names(folder, tmp_path):
  model = tiny_model.write(tmp_path / 'model')
  done = inspect_command(
      tmp_path,
      'emojax/sycophancy',
      f'--model=emojax/{model}',
      '-M',
      'dtype=float32',
      '-T',
      'new_tokens=5',
      '--limit=2',
  )
  assert done.returncode == 0, done.stdout + done.stderr
  (path,) = (tmp_path / 'command').iterdir()
  log = inspect_log.read_eval_log(str(path))
  assert log.status == 'success'
  assert [s.output.usage.output_tokens for s in log.samples] == [5, 5]
  assert means(log)['unclear/mean'] == 1


def test_the_command_refuses_a_mistake_in_one_line(folder):
  done = inspect_command(
      folder,
      'emojax/sycophancy',
      f'--model=emojax/{folder / "model"}',
      '-M',
      'strength=0.1',
  )
  assert done.returncode != 0
  said = ' '.join((done.stdout + done.stderr).split())
  assert 'emojax: -M strength needs vectors; give -M vectors=FILE' in said
  assert 'Traceback' not in said


def test_what_inspect_loads_at_its_start_is_light():
  code = (
      'import sys, emojax.providers.inspect_registry;'
      "sys.exit('jax' in sys.modules)"
  )
  subprocess.run([sys.executable, '-c', code], check=True)


def test_the_benchmark_prints_a_ratio(folder, capsys):
  sys.path.append(str(tiny_model.ROOT))
  from tests.benchmarks import inspect_throughput

  flags = ['--samples=4', '--new_tokens=3', '--connections=4', '--repeats=1']
  model = f'--model=emojax/{folder / "model"}'
  inspect_throughput.main([*flags, model, '-M', 'dtype=float32'])
  said = capsys.readouterr().out
  assert '| 1 | ' in said and '| 4 | ' in said
  assert '4 connections / 1: ' in said
