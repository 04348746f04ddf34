"""Readings of texts: what they are means of, and what they depend on."""

import numpy as np
import pytest
import tiny_model

from emojax import files
from emojax.experiments import read


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tiny')
  model = tiny_model.write(folder / 'model')
  tiny_model.write_vectors(folder / 'vectors.safetensors', model)
  tiny_model.write_rows(folder / 'texts.jsonl', tiny_model.TEXTS)
  return folder


@pytest.fixture
def readings(folder, tmp_path):
  def run(name, **fields):
    config = tiny_model.config(
        'read',
        vectors=str(folder / 'vectors.safetensors'),
        texts=str(folder / 'texts.jsonl'),
        **fields,
    )
    read.run(config, tmp_path / name)
    rows = files.read_jsonl(tmp_path / name / 'readings.jsonl')
    return [row for _, row in rows]

  return run


def test_a_mean_is_over_the_tokens_of_messages_alone(readings):
  for row in readings('out'):
    own = np.array(row['roles']) != 'template'
    mean = np.array(row['cosine'])[own].mean(axis=0)
    # All are rounded to five decimals.
    np.testing.assert_allclose(list(row['mean'].values()), mean, atol=1.1e-5)


def test_the_response_is_at_the_last_template_token(readings):
  for row in readings('out'):
    at = row['response_index']
    assert list(row['response'].values()) == row['cosine'][at]
    assert row['roles'][at] == 'template'
    assert row['tokens'][at] == '\n'
    if row['messages'][-1]['role'] == 'assistant':
      assert row['roles'][at + 1] == 'assistant'
    else:
      assert at == len(row['tokens']) - 1


def test_a_reading_depends_on_no_other_text(readings):
  one, many = readings('one', batch=1), readings('many', batch=8)
  for a, b in zip(one, many, strict=True):
    assert a['tokens'] == b['tokens']
    # Both are rounded to five decimals.
    np.testing.assert_allclose(a['cosine'], b['cosine'], atol=1.1e-5)


def test_a_bare_text_is_a_message_of_the_user(readings):
  bare, message = readings('out')[:2]
  for name in ('tokens', 'roles', 'cosine', 'mean', 'response', 'score'):
    assert bare[name] == message[name]


def test_another_layer_gives_other_readings(readings):
  ends = (0, tiny_model.LAYERS - 1)
  first, last = (readings(f'layer_{i}', layer=i)[0] for i in ends)
  assert (first['layer'], last['layer']) == ends
  assert first['tokens'] == last['tokens']
  assert not np.allclose(first['cosine'], last['cosine'], atol=1e-3)
