"""A Hugging Face folder gives the tokenizer that its files state."""

import json

import pytest
import tokenizers

from emojax import errors
from emojax.data import tokens

CONFIG, GENERATION = 'tokenizer_config.json', 'generation_config.json'
# The last two are added tokens, the last alone is no control token.
WORDS = ('<s>', '</s>', 'a', 'b', 'ab', '<|im_end|>', '<b>')


@pytest.fixture
def folder(tmp_path):
  backend = tokenizers.Tokenizer(
      tokenizers.models.BPE(
          vocab={word: i for i, word in enumerate(WORDS)}, merges=[('a', 'b')]
      )
  )
  backend.add_special_tokens(['<s>', '</s>', '<|im_end|>'])
  backend.add_tokens(['<b>'])
  return Folder(tmp_path, backend)


class Folder:
  """A folder that can be changed and read."""

  def __init__(self, path, backend):
    self.path, self.backend = path, backend
    self.config = {'bos_token': '<s>', 'eos_token': {'content': '</s>'}}

  def read(self, generation=None, **config):
    self.backend.save(str(self.path / 'tokenizer.json'))
    whole = json.dumps(self.config | config)
    (self.path / CONFIG).write_text(whole)
    if generation is not None:
      (self.path / GENERATION).write_text(json.dumps(generation))
    return tokens.from_folder(self.path)

  def refusal(self, generation=None, **config):
    with pytest.raises(errors.InputError) as caught:
      self.read(generation, **config)
    message = str(caught.value)
    assert '\n' not in message and str(self.path) in message
    return message


def test_special_tokens_are_texts_or_descriptions_of_texts(folder):
  special = {'bos_token': '<s>', 'eos_token': '</s>', 'unk_token': 'a'}
  tokenizer = folder.read(unk_token={'content': 'a'}, pad_token=None)
  assert tokenizer.special == special


@pytest.mark.parametrize(
    ('generation', 'stop'),
    [
        (None, (1, 5)),
        ({}, (1, 5)),
        ({'eos_token_id': None}, (1, 5)),
        ({'eos_token_id': 1}, (1, 5)),
        ({'eos_token_id': [6, 5]}, (6, 5, 1)),
        ({'eos_token_id': []}, (1, 5)),
    ],
)
def test_a_reply_stops_at_stated_ends_and_at_those_of_a_turn(
    folder, generation, stop
):
  assert folder.read(generation).stop == stop


def test_a_tokenizer_without_an_end_still_stops_at_those_of_a_turn(folder):
  assert folder.read(eos_token=None).stop == (5,)
  assert folder.read(eos_token='nowhere').stop == (5,)


def test_bos_is_as_stated_or_as_the_post_processor_does(folder):
  assert folder.read().bos is None
  assert folder.read(add_bos_token=True).bos == 0
  folder.backend.post_processor = tokenizers.processors.TemplateProcessing(
      single=['<s>', '$A'], special_tokens=[('<s>', 0)]
  )
  assert folder.read().bos == 0
  assert folder.read(add_bos_token=False).bos is None
  assert folder.read(bos_token=None).bos is None


def test_a_text_is_never_cut_or_padded(folder):
  folder.backend.enable_truncation(2)
  folder.backend.enable_padding(length=50)
  assert folder.read().encode('ababab', bos=False).ids == (4, 4, 4)


@pytest.mark.parametrize(
    ('template', 'expected'),
    [
        (None, None),
        ('one', 'one'),
        (
            [
                {'name': 'tool_use', 'template': 'two'},
                {'name': 'default', 'template': 'one'},
            ],
            'one',
        ),
        ([{'name': 'tool_use', 'template': 'two'}], None),
        ([{'name': ['default'], 'template': 'two'}, 'three'], None),
        ([], None),
    ],
)
def test_of_several_templates_the_default_is_taken(folder, template, expected):
  assert folder.read(chat_template=template).template == expected


def test_a_template_file_goes_before_the_config(folder):
  more = folder.path / 'additional_chat_templates'
  more.mkdir()
  (more / 'tool_use.jinja').write_text('two')
  assert folder.read(chat_template='one').template == 'one'
  (folder.path / 'chat_template.jinja').write_text('three')
  assert folder.read(chat_template='one').template == 'three'


def test_tokens_that_only_the_config_knows_are_added(folder):
  added = {
      '8': {'content': '<y>', 'special': True},
      '7': {'content': '<x>'},
      '6': {'content': '<b>'},
  }
  tokenizer = folder.read(added_tokens_decoder=added)
  assert tokenizer.encode('a<x><y><b>', bos=False).ids == (2, 7, 8, 6)
  assert tokenizer.control_token_in('<x>') is None
  assert tokenizer.control_token_in('<y>') == '<y>'


@pytest.mark.parametrize(
    'eos', [-1, 7, 10**30, True, 0.5, '</s>', [1, None, -1]]
)
def test_an_end_that_is_no_token_is_refused(folder, eos):
  assert 'do not belong together' in folder.refusal({'eos_token_id': eos})


@pytest.mark.parametrize(
    ('config', 'part'),
    [
        ({'bos_token': 5}, 'bos_token is not a token'),
        ({'eos_token': {'content': 5}}, 'eos_token is not a token'),
        ({'eos_token': ['</s>']}, 'eos_token is not a token'),
        ({'chat_template': 5}, 'chat_template is no template'),
        (
            {'chat_template': [{'name': 'default', 'template': 5}]},
            'chat_template is no template',
        ),
        ({'added_tokens_decoder': ['x']}, 'added_tokens_decoder is damaged'),
        (
            {'added_tokens_decoder': {'x': {}}},
            'added_tokens_decoder is damaged',
        ),
        (
            {'added_tokens_decoder': {'7': {}}},
            'added_tokens_decoder is damaged',
        ),
        (
            {'added_tokens_decoder': {'7': {'content': 5}}},
            'added_tokens_decoder is damaged',
        ),
        (
            {'added_tokens_decoder': {'9': {'content': '<x>'}}},
            'cannot have the id 9',
        ),
    ],
)
def test_a_damaged_config_is_refused(folder, config, part):
  assert part in folder.refusal(**config)


def test_a_damaged_file_is_refused_by_name(folder):
  folder.read({})
  for name in ('tokenizer.json', CONFIG, GENERATION, 'chat_template.jinja'):
    file = folder.path / name
    before = file.read_bytes() if file.exists() else None
    file.write_bytes(b'\xff["')
    with pytest.raises(errors.InputError, match=name):
      tokens.from_folder(folder.path)
    file.write_bytes(before or b'')
  (folder.path / CONFIG).write_text('[]')
  with pytest.raises(errors.InputError, match='not a JSON object'):
    tokens.from_folder(folder.path)


def test_a_folder_without_a_tokenizer_is_told_how_to_save_one(tmp_path):
  with pytest.raises(errors.InputError, match='no tokenizer.json;.*save'):
    tokens.from_folder(tmp_path)
  (tmp_path / 'tokenizer.model').write_bytes(b'')
  with pytest.raises(errors.InputError, match='tokenizer.model alone'):
    tokens.from_folder(tmp_path)
