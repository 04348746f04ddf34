"""A folder is a whole model of this folder's own files, or is refused."""

import json
import pathlib

import huggingface_hub
import pytest
import safetensors

from emojax import errors
from emojax.models import sources

Path = pathlib.Path
PICKLES = (b'\x80\x02}q\x00.', b'PK\x03\x04' + bytes(30), b'\x80', b'PK')


def make_folder(path: Path) -> Path:
  path.mkdir()
  (path / 'config.json').write_text('{}')
  (path / 'model.safetensors').write_bytes(b'')
  return path


def refusal(uri: str) -> str:
  """Returns the one line with which a URI is refused."""
  with pytest.raises(errors.InputError) as caught:
    sources.locate(uri)
  message = str(caught.value)
  assert '\n' not in message
  return message


@pytest.mark.parametrize('name', ['config.json', 'model.safetensors'])
def test_a_folder_that_lacks_a_file_is_refused(tmp_path, monkeypatch, name):
  path = make_folder(tmp_path / 'model')
  (path / name).rename(path / 'pytorch_model.bin')
  monkeypatch.setattr(
      huggingface_hub, 'snapshot_download', lambda *a, **b: str(path)
  )
  for uri in str(path), 'hf:org/name':
    assert name.removeprefix('model') in refusal(uri)


@pytest.mark.parametrize(
    ('index', 'part'),
    [
        (
            {'weight_map': {'a': 'model.safetensors', 'b': 'x.safetensors'}},
            '1 of 2 shards',
        ),
        ({'weight_map': {'a': '../model.safetensors'}}, 'files beside it'),
        ({'weight_map': {'a': 1}}, 'files beside it'),
        ({'weight_map': []}, 'files beside it'),
        ({'weight_map': {'a': 'model.bin'}}, 'names model.bin'),
    ],
)
def test_an_index_must_name_shards_that_are_there(tmp_path, index, part):
  path = make_folder(tmp_path / 'model')
  (path / 'model.safetensors.index.json').write_text(json.dumps(index))
  assert part in refusal(str(path))


@pytest.mark.parametrize('start', PICKLES)
def test_a_pickle_under_another_name_is_refused(tmp_path, start):
  path = make_folder(tmp_path / 'model')
  (path / 'more.safetensors').write_bytes(start)
  message = refusal(str(path))
  assert 'more.safetensors is a pickle' in message and 'run code' in message


@pytest.mark.parametrize('size', [0x80, 0x280, 0x4B50])
def test_weights_that_begin_like_a_pickle_are_read(tmp_path, size):
  path = make_folder(tmp_path / 'model')
  # Eight bytes for the header's length, and the header.
  start = size.to_bytes(8, 'little') + b'{}'.ljust(size)
  assert start.startswith((b'\x80', b'PK'))
  (path / 'model.safetensors').write_bytes(start)
  with safetensors.safe_open(path / 'model.safetensors', 'numpy') as file:
    assert not file.keys()
  assert sources.locate(str(path)).path == path


@pytest.mark.parametrize(
    'name',
    [
        'config.json',
        'model.safetensors',
        'model.safetensors.index.json',
        'tokenizer.json',
        'tokenizer.model',
        'chat_template.jinja',
    ],
)
@pytest.mark.parametrize('target', ['outside', '/etc/passwd', 'lost', 'loop'])
def test_a_link_out_of_the_folder_is_refused(tmp_path, name, target):
  path = make_folder(tmp_path / 'model')
  (tmp_path / 'outside').write_bytes(b'{}')
  (tmp_path / 'loop').symlink_to(tmp_path / 'loop')
  (path / name).unlink(missing_ok=True)
  (path / name).symlink_to(tmp_path / target)
  message = refusal(str(path))
  assert f'{name} is a link to' in message and 'outside the folder' in message


def test_links_that_stay_inside_or_are_not_read_are_allowed(tmp_path):
  path = make_folder(tmp_path / 'model')
  (path / 'model.safetensors').rename(path / 'weights')
  (path / 'model.safetensors').symlink_to('weights')
  (path / 'README.md').symlink_to('/etc/passwd')
  (tmp_path / 'link').symlink_to(path)
  for folder in path, tmp_path / 'link':
    assert sources.locate(str(folder)).path == folder
  (path / 'weights').unlink()
  assert 'No such file' in refusal(str(path))


def test_links_of_the_hubs_cache_lead_to_its_blobs_only(tmp_path):
  model = tmp_path / 'models--org--name'
  folder = model / 'snapshots' / 'a1b2'
  folder.parent.mkdir(parents=True)
  make_folder(folder)
  (model / 'blobs').mkdir()
  (folder / 'config.json').rename(model / 'blobs' / 'aa')
  (folder / 'config.json').symlink_to('../../blobs/aa')
  # Blobs that several models share lie one folder up.
  (tmp_path / 'blobs' / 'cc').mkdir(parents=True)
  (folder / 'model.safetensors').rename(tmp_path / 'blobs' / 'cc' / 'cc')
  (model / 'blobs' / 'bb').symlink_to('../../blobs/cc/cc')
  (folder / 'model.safetensors').symlink_to('../../blobs/bb')
  assert sources.locate(str(folder)).path == folder
  (model / 'refs').write_text('main')
  (folder / 'tokenizer.json').symlink_to('../../refs')
  assert 'tokenizer.json is a link to' in refusal(str(folder))
  (folder / 'tokenizer.json').unlink()
  # Elsewhere the same links mean nothing.
  model.rename(tmp_path / 'name')
  moved = tmp_path / 'name' / 'snapshots' / 'a1b2'
  assert 'config.json is a link to' in refusal(str(moved))
