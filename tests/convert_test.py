"""A converted model is the model: the same numbers, from either form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax.experiments import convert
from emojax.models import load


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  return tiny_model.write(tmp_path_factory.mktemp('source') / 'model')


def run(source, workdir, **fields):
  convert.run(
      tiny_model.config('convert', model=str(source), **fields), workdir
  )
  return workdir


def same(a, b):
  equal = lambda x, y: x.dtype == y.dtype and np.array_equal(x, y)
  return jax.tree.all(jax.tree.map(equal, a, b))


@pytest.mark.parametrize('form', convert.FORMS)
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_a_converted_model_equals_its_source(source, tmp_path, form, dtype):
  folder = run(source, tmp_path / 'out', form=form, dtype=dtype)
  ours, theirs = (load.load(str(x), dtype) for x in (folder, source))
  assert same(ours.params, theirs.params)
  assert ours.config == theirs.config
  assert ours.tokenizer.stop == theirs.tokenizer.stop
  assert ours.tokenizer.template == theirs.tokenizer.template
  text = 'Is it late? <|im_end|>'
  assert ours.tokenizer.encode(text, bos=True) == theirs.tokenizer.encode(
      text, bos=True
  )


def test_products_are_written_in_float32_on_a_cpu(source):
  assert load.load(str(source), 'bfloat16').config.wide_sums


def test_vectors_of_the_source_fit_the_converted_model(source, tmp_path):
  folder = run(source, tmp_path / 'out')
  ours, theirs = (load.load(str(x), 'bfloat16') for x in (folder, source))
  same_but = lambda x: x.identity() | {'model': ''}
  assert same_but(ours) == same_but(theirs)


def test_float32_can_be_restored_as_bfloat16_and_back(source, tmp_path):
  folder = run(source, tmp_path / 'out', dtype='float32')
  half = load.load(str(folder), 'bfloat16')
  assert same(half.params, load.load(str(source), 'bfloat16').params)
  assert half.params['params']['norm']['scale'].dtype == jnp.float32


def test_int8_is_restored_as_it_was_rounded(source, tmp_path):
  folder = run(source, tmp_path / 'out', dtype='int8')
  ours, theirs = (load.load(str(x), 'int8') for x in (folder, source))
  assert same(ours.params, theirs.params)
  assert ours.params['params']['layers']['attn']['q']['w'].dtype == jnp.int8
  with pytest.raises(errors.InputError, match='give --config.dtype=int8'):
    load.load(str(folder), 'bfloat16')


def test_floats_are_not_rounded_by_surprise(source, tmp_path):
  folder = run(source, tmp_path / 'out', dtype='bfloat16')
  with pytest.raises(errors.InputError, match='convert the model to int8'):
    load.load(str(folder), 'int8')


@pytest.mark.parametrize(
    'fields, reason',
    [
        ({'form': 'onnx'}, "config.form='onnx'"),
        ({'form': 'huggingface', 'dtype': 'int8'}, 'form=orbax'),
        ({'dtype': 'int4'}, "config.dtype='int4'"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(
    source, tmp_path, fields, reason
):
  with pytest.raises(errors.InputError, match=reason):
    run(source, tmp_path / 'out', **fields)
  assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('form', convert.FORMS)
def test_a_folder_that_holds_something_is_left_alone(source, tmp_path, form):
  folder = run(source, tmp_path / 'out', form=form)
  before = sorted(path.name for path in folder.iterdir())
  with pytest.raises(errors.InputError, match='already|other files'):
    run(source, folder, form='huggingface')
  assert sorted(path.name for path in folder.iterdir()) == before


def test_a_conversion_that_was_cut_off_is_no_model(source, tmp_path):
  folder = run(source, tmp_path / 'out')
  (folder / 'model.json').unlink()
  (folder / '.converting').touch()
  with pytest.raises(errors.InputError, match='was cut off; run it again'):
    load.load(str(folder), 'bfloat16')
  again = load.load(str(run(source, folder)), 'bfloat16')
  assert same(again.params, load.load(str(source), 'bfloat16').params)
