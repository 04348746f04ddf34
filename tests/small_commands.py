"""A checkout in which the commands of the pages run small.

They run as they stand, by an environment that is the tests' own. What follows
from the model (its name, its layers) is exchanged for a tiny one's, and flags
are added that make a run small.
"""

import importlib.util
import json
import os
import pathlib
import re
import shlex
import socket
import subprocess
import sys

import documents
import plan_test
import pytest
import tiny_model

from emojax import files

ROOT = documents.ROOT
EMOTIONS = ('happy', 'sad', 'calm', 'angry', 'desperate')
STORY, SECONDS = 150, 300
# Of each packaged file of scenarios, so many of the first lines.
SCENARIOS = {
    'impossible_code.tasks': ('code_tasks', 2),
    'honeypot.scenarios': ('honeypot', 2),
    'sycophancy.scenarios': ('sycophancy', 2),
    'harshness.scenarios': ('harshness', 2),
}
SMALL_SWEEP = {
    'words': False,  # A program for every length of a word.
    'strengths': '(0.4,)',
    'random_directions': 5,
    'shuffled_directions': 2,
    'new_tokens': 6,
    'sweep_batch': 64,
    'sweep_chunk': 64,
    'prompts': "('How do you feel?', 'Is all well at home?')",
}
SMALL_PAPER = {
    'preferences.activities_per_category': 1,
    'preferences.steer': 1,
    'preferences.controls': 1,
    'implicit.draws': 100,
    'turns.new_tokens': 4,
    'emotion_words.new_tokens': 4,
    'emotion_words.strengths': '(0.5,)',
}
SMALL_BEHAVIOUR = {
    'directions': "('happy',)",
    'strengths': '(0.4,)',
    'opposite': False,
    'random_directions': 2,
    'shuffled_directions': 0,
    'samples': 1,
    'sweep_batch': 16,
    'impossible_code.tries': 1,
    'impossible_code.new_tokens': 4,
    'impossible_code.report_tokens': 3,
    'honeypot.new_tokens': 4,
    'sycophancy.new_tokens': 4,
    'harshness.new_tokens': 4,
}
SMALL_STORIES = {
    'emotions': "('happy','sad')",
    'topics': 3,
    'stories': 1,
    'dialogues': 1,
    'rounds': 1,
    'batch': 16,
    'new_tokens': 8,
}
# By the name of a config: a part of what it asks, all of which has tests.
QUESTIONS = {
    'paper': ('affect', 'contrasts', 'wild'),
    'paper_gemma3_27b': ('implicit',),
}
FAST_QUESTIONS = ('ladders', 'turns', 'post_training')
BEHAVIOURS = {'behaviour_coder': ('sycophancy', 'harshness')}
# What a plan of a large model takes from its config, but for few and narrow
# blocks.
SMALL_PLAN = {
    'mesh.data': -1,
    'mesh.fsdp': 1,
    'mesh.model': 2,
    'batch': 64,
    'sweep_batch': 64,
    'plan.emotions': 8,
}


COMMANDS = documents.all_commands()


def flags_of(words):
  """The flags of a command by their names, without dashes."""
  flags = [word[2:].partition('=') for word in words if word.startswith('--')]
  return {name: value for name, _, value in flags}


def config_of(words):
  """The name of the config that a command runs."""
  return pathlib.Path(flags_of(words)['config']).stem


def workdir_of(words):
  if words[:2] == ('bash', 'launch/quickstart.sh'):
    return 'runs/quickstart'
  return flags_of(words).get('workdir')


MAKERS = {workdir_of(words): words for words in COMMANDS if workdir_of(words)}


def inputs_of(words):
  """The folders of other runs that a command, or a piece of code, names."""
  found = re.findall(r'\b(?:runs|models)/\w+', ' '.join(words))
  return sorted({*found} - {workdir_of(words)})


def write_script(path, text):
  path.write_text(f'#!/usr/bin/env bash\n{text}\n', encoding='utf-8')
  path.chmod(0o755)


class Checkout:
  """A checkout with an environment, a tiny model, and what was run in it."""

  def __init__(self, folder):
    self.folder, self.done = folder, {}
    for name in ('configs', 'emojax', 'launch', 'pyproject.toml', 'tests'):
      (folder / name).symlink_to(ROOT / name)
    self.small = tiny_model.settings(folder)
    stories = [
        row | {'text': row['text'][:STORY]}
        for row in tiny_model.packaged('stories')
        if row['emotion'] in EMOTIONS and row['topic'] in tiny_model.TOPICS
    ]
    tiny_model.write_rows(folder / 'stories.jsonl', stories)
    (folder / 'FOLDER').mkdir()
    # Such as a reply can be asked for, and short.
    path = folder / 'chats.jsonl'
    chats = [row for _, row in files.read_jsonl(path)]
    chats = [x for x in chats if x['messages'][-1]['role'] == 'user']
    tiny_model.write_rows(path, chats)
    tiny_model.write_rows(folder / 'FOLDER' / 'chats.jsonl', chats)
    self._write_environment()
    # What the slice's commands want to be there.
    token = folder / '.cache' / 'huggingface' / 'token'
    token.parent.mkdir(parents=True)
    token.write_text('hf_token')
    token.chmod(0o600)

  def _write_environment(self):
    binaries = self.folder / '.venv' / 'bin'
    binaries.mkdir(parents=True)
    (binaries.parent / 'pyvenv.cfg').touch()
    programs = {
        'python': '',
        'emojax': '-m emojax.main',
        'inspect': '-m inspect_ai',
    }
    for name, module in programs.items():
      write_script(binaries / name, f'exec {sys.executable} {module} "$@"')
    stamp = (
        'source launch/environment.sh;'
        ' mark_current "$root/.venv" requirements.txt'
    )
    subprocess.run(
        ['bash', '-c', stamp], cwd=self.folder, env=self.environment, check=True
    )

  @property
  def environment(self):
    kept = {k: v for k, v in os.environ.items() if k != 'PYTHON'}
    return kept | {
        'HOME': str(self.folder),
        'PATH': f'{self.folder}/.venv/bin:{os.environ["PATH"]}',
        'PYTHONPATH': f'{ROOT}:{ROOT / "tests"}',
    }

  def fields(self, config):
    """What makes a run of a config small: fields that it has, by name."""
    if config == 'convert':
      return {'model': self.small['model']}
    if config == 'write_stories':
      own = {'reference': 'stories', 'neutral_dialogues': 'neutral'}
      paths = {name: self.small[file] for name, file in own.items()}
      return SMALL_STORIES | paths | {'model': self.small['model']}
    if config == 'sweep':
      return SMALL_SWEEP
    out = dict(self.small)
    if config.startswith('paper'):
      out |= SMALL_PAPER
    if config.startswith('behaviour'):
      out |= SMALL_BEHAVIOUR
      for name, (file, count) in SCENARIOS.items():
        path = self.folder / f'{file}.jsonl'
        tiny_model.write_rows(path, tiny_model.packaged(file)[:count])
        out[name] = path
    there = tiny_model.config(config)
    return {k: v for k, v in out.items() if has_field(there, k)}

  def make_inputs(self, words):
    """Runs the commands that make what others of these words read."""
    for folder in inputs_of(words):
      assert folder in MAKERS, f'no command of the pages makes {folder}'
      self.make(MAKERS[folder])

  def make(self, words):
    """Runs what a command reads, and then the command, each once."""
    self.make_inputs(words)
    if words not in self.done:
      self.done[words] = self.run(small(self, words), COMMANDS[words].exports)
    return self.done[words]

  def run_python(self, block):
    """Runs a block of Python, after the commands that make what it reads."""
    self.make_inputs(block.text.split())
    text = block.text
    if "'logs/...eval'" in text:
      # Of the evaluation that also reads, whatever else was run before.
      self.make(next(words for words in COMMANDS if 'TASK' in words))
      (log,) = (self.folder / 'logs').glob('*capitals*.eval')
      text = text.replace('logs/...eval', str(log))
    own = "notebook.quickstart('runs/quickstart'"
    fields = self.fields('quickstart')
    text = text.replace(own, f'{own}, **{fields}')
    return self.run(['python', '-c', text])

  def run(self, words, exports=(), status=0):
    home = lambda value: re.sub('^~', str(self.folder), value)
    done = subprocess.run(
        words,
        cwd=self.folder,
        env=self.environment | {name: home(value) for name, value in exports},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    said = f'{shlex.join(words)}\n{done.stdout}{done.stderr}'
    assert done.returncode == status, said
    return done


def free_port():
  with socket.socket() as listener:
    listener.bind(('127.0.0.1', 0))
    return listener.getsockname()[1]


def need_compiler():
  """Skips where the TPU's compiler is not installed."""
  if importlib.util.find_spec('libtpu') is None:
    pytest.skip('needs libtpu, of jax[tpu]')


def has_field(config, name):
  """Whether a config has a field, perhaps of a section: 'mesh.model'."""
  for part in name.split('.'):
    if part not in config:
      return False
    config = config[part]
  return True


def small(checkout, words):
  """A command that runs here in seconds, and whose words are else the same."""
  if words[0] == 'emojax':
    return small_run(checkout, words)
  if words[:2] == ('bash', 'launch/quickstart.sh'):
    return [*words, *tiny_model.flags(checkout.fields('quickstart'))]
  if words[:3] == ('python', '-m', 'launch.plan'):
    return small_plan(checkout, words)
  if words[:2] == ('inspect', 'eval'):
    return small_eval(checkout, words)
  assert words[1] in ('launch/tpu_vm.sh', 'launch/gke.sh'), words
  return [*words, '--dry-run']


def small_run(checkout, words):
  given, name = flags_of(words), config_of(words)
  fields = {f'config.{k}': v for k, v in checkout.fields(name).items()}
  # What stands there stays, unless no tiny model can have it.
  for flag in fields.keys() & given.keys():
    if not given[flag].startswith('hf:') and given[flag] != 'FILE':
      del fields[flag]
  if 'config.layers' in given:
    fields['config.layers'] = '0,1,2'
  if 'distributed' in given:
    fields |= {'config.mesh.fsdp': 1, 'config.mesh.model': 1}
    fields |= {'coordinator': f'127.0.0.1:{free_port()}'}
    fields |= {'processes': 1, 'process': 0}
    fields |= {'config.folds': 0, 'config.post_training.base': ''}
  if name in QUESTIONS and 'config.questions' not in given:
    some = FAST_QUESTIONS if 'config.fast' in given else QUESTIONS[name]
    fields['config.questions'] = some
  if name in BEHAVIOURS:
    fields['config.behaviours'] = BEHAVIOURS[name]
  kept = [w for w in words if w[2:].partition('=')[0] not in fields]
  return [*kept, *(f'--{k}={v}' for k, v in fields.items())]


def small_plan(checkout, words):
  name = config_of(words)
  size = checkout.folder / 'size.json'
  size.write_text(json.dumps(plan_test.SMALL | {'num_hidden_layers': 2}))
  config = tiny_model.config(name)
  fields = {k: v for k, v in SMALL_PLAN.items() if has_field(config, k)}
  return [*words, f'--model_config={size}', *tiny_model.flags(fields)]


def small_eval(checkout, words):
  exchanged = {
      'TASK': f'{ROOT / "tests" / "inspect_task.py"}@capitals',
      'emojax/quickstart': f'emojax/{checkout.small["model"]}',
      'PROVIDER/MODEL': f'emojax/{checkout.small["model"]}',
      'new_tokens=600': 'new_tokens=6',
  }
  small = ['--limit=1', '--max-tokens=4', '--display=plain']
  if any(word.startswith('vectors=') for word in words):
    small += ['-M', 'read=1']
  return [*(exchanged.get(word, word) for word in words), *small]
