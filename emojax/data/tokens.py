"""The tokenizer of a checkpoint: text -> ids, pieces and control tokens."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import hashlib
import itertools
import pathlib
from typing import Any

import tokenizers

from emojax import errors
from emojax import files
from emojax.data import gguf_tokenizer

_CONFIG = 'tokenizer_config.json'
_GENERATION = 'generation_config.json'
# The variables of a chat template that are texts of tokens.
_SPECIAL = ('bos_token', 'eos_token', 'unk_token', 'pad_token')


@dataclasses.dataclass(frozen=True)
class Encoding:
  """A tokenised text.

  Attributes:
    ids: T token ids.
    pieces: the text of each token; joined they are the text. A character split
      over several tokens belongs to the first of them, the others are ''; one
      that the vocabulary lacks belongs to the token beside it.
    starts: where each piece begins in the text; a BOS that is not in the text
      has piece '' and start 0.
  """

  ids: tuple[int, ...]
  pieces: tuple[str, ...]
  starts: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Tokenizer:
  """A tokenizer and the facts about it that the checkpoint states.

  Attributes:
    bos: the id that raw text begins with, or None if this model wants none.
    stop: ids that end a reply.
    template: the Jinja source of the chat template, or None.
    special: texts of the template's variables `bos_token`, `eos_token`, ...
  """

  backend: tokenizers.Tokenizer
  bos: int | None
  stop: tuple[int, ...]
  template: str | None
  special: Mapping[str, str]

  @property
  def template_sha256(self) -> str:
    return hashlib.sha256((self.template or '').encode()).hexdigest()

  def encode(self, text: str, *, bos: bool) -> Encoding:
    """Tokenises `text`; control tokens written in it count as such.

    Args:
      text: any string.
      bos: whether to begin with BOS, if the model wants one. False for the
        output of a chat template, which writes its own.
    """
    out = self.backend.encode(text, add_special_tokens=False)
    # A character in several tokens is the span of each: it counts once.
    ends = [0]
    for _, end in out.offsets:
      ends.append(max(end, ends[-1]))
    if out.ids:  # What no token stands for belongs to the token beside it.
      ends[-1] = len(text)
    ids, starts = list(out.ids), ends[:-1]
    pieces = [text[i:j] for i, j in itertools.pairwise(ends)]
    if bos and self.bos is not None and ids[:1] != [self.bos]:
      ids, pieces, starts = [self.bos] + ids, [''] + pieces, [0] + starts
    return Encoding(tuple(ids), tuple(pieces), tuple(starts))

  def decode(self, ids: list[int]) -> str:
    """Returns the text of `ids`, without control tokens."""
    return self.backend.decode(ids, skip_special_tokens=True)

  def encode_word(self, word: str) -> tuple[int, ...]:
    """Returns the ids of a word inside a text, after a space.

    Not those of ' word' alone: some tokenizers put a space before every text.
    """
    before = self.encode('a', bos=False).ids
    return self.encode(f'a {word}', bos=False).ids[len(before) :]

  def control_token_in(self, text: str) -> str | None:
    """Returns a control token that is written out in `text`, if there is."""
    return next((token for token in self._control if token in text), None)

  def without_control(self, text: str) -> str:
    """Returns the text without the control tokens that are written out in it.

    For what a model or its program wrote and a chat quotes: else it could forge
    a turn.
    """
    while (token := self.control_token_in(text)) is not None:
      text = text.replace(token, '')
    return text

  @functools.cached_property
  def _control(self) -> tuple[str, ...]:
    # Gemma has six thousand, and asking the backend for them takes a while.
    added = self.backend.get_added_tokens_decoder().values()
    return tuple(token.content for token in added if token.special)


def from_gguf(metadata: Mapping[str, Any]) -> Tokenizer:
  """Builds the tokenizer that a GGUF file describes.

  Raises:
    InputError: a kind of tokenizer that is not supported, or damaged metadata.
  """
  vocabulary = gguf_tokenizer.read(metadata)
  backend = gguf_tokenizer.build(vocabulary)
  return Tokenizer(
      backend=backend,
      bos=vocabulary.bos,
      stop=_stop(backend, vocabulary.stop),
      template=vocabulary.template,
      special=vocabulary.special,
  )


def from_folder(path: pathlib.Path) -> Tokenizer:
  """Reads `tokenizer.json` and its neighbours in a Hugging Face folder.

  Raises:
    InputError: there is none, or it is damaged.
  """
  config = _optional_json(path / _CONFIG)
  backend = _read_backend(path, config)
  special = {name: _token_text(path, config, name) for name in _SPECIAL}
  special = {name: text for name, text in special.items() if text is not None}
  stated = _optional_json(path / _GENERATION).get('eos_token_id')
  stated = stated if isinstance(stated, list) else [stated]
  stated = [i for i in stated if i is not None]
  for i in stated:
    if type(i) is not int or not 0 <= i < backend.get_vocab_size():
      raise errors.InputError(
          f'{path / _GENERATION}: eos_token_id {i!r:.40} is no token of the'
          ' tokenizer beside it; they do not belong together.'
      )
  eos = backend.token_to_id(special.get('eos_token', ''))
  bos = backend.token_to_id(special.get('bos_token', ''))
  wants_bos = config.get('add_bos_token')
  if not isinstance(wants_bos, bool):
    # What the checkpoint's own post-processor puts before raw text.
    wants_bos = backend.encode('a').ids[:1] == [bos]
  return Tokenizer(
      backend=backend,
      bos=bos if wants_bos else None,
      stop=_stop(backend, stated if eos is None else [*stated, eos]),
      template=_read_template(path, config),
      special=special,
  )


def save(tokenizer: Tokenizer, folder: pathlib.Path) -> None:
  """Writes the three files from which `from_folder` reads an equal tokenizer.

  Hugging Face's libraries read them as well.
  """
  special = dict(tokenizer.special)
  if tokenizer.bos is not None:
    special['bos_token'] = tokenizer.backend.id_to_token(tokenizer.bos)
  config = special | {
      'add_bos_token': tokenizer.bos is not None,
      'chat_template': tokenizer.template,
      'clean_up_tokenization_spaces': False,
      'tokenizer_class': 'PreTrainedTokenizerFast',
  }
  files.write_text(folder / 'tokenizer.json', tokenizer.backend.to_str())
  files.write_json(folder / _CONFIG, config)
  stop = {'eos_token_id': list(tokenizer.stop)}
  files.write_json(folder / _GENERATION, stop)


def _stop(
    backend: tokenizers.Tokenizer, stated: Sequence[int]
) -> tuple[int, ...]:
  """Returns the stated ids, then those of tokens that always end a reply."""
  added = backend.get_added_tokens_decoder()
  ends = [
      i
      for i, token in sorted(added.items())
      if token.content in gguf_tokenizer.ENDS
  ]
  return tuple(dict.fromkeys([*stated, *ends]))


def _read_backend(
    path: pathlib.Path, config: dict[str, Any]
) -> tokenizers.Tokenizer:
  file = path / 'tokenizer.json'
  if not file.is_file():
    found = (path / 'tokenizer.model').is_file()
    raise errors.InputError(
        f'{path}: no tokenizer.json'
        + (' (tokenizer.model alone is not read)' if found else '')
        + "; save the tokenizer beside the model, with transformers' fast"
        ' tokenizer and save_pretrained.'
    )
  try:
    backend = tokenizers.Tokenizer.from_file(str(file))
  except Exception as error:  # The library raises bare Exceptions.
    reason = str(error).partition('\n')[0]
    raise errors.InputError(f'{file}: not a tokenizer ({reason}).') from error
  # Whoever saved it may have trained on shorter texts; ours come whole.
  backend.no_truncation()
  backend.no_padding()
  _add_tokens(backend, config, path / _CONFIG)
  return backend


def _add_tokens(
    backend: tokenizers.Tokenizer, config: dict[str, Any], file: pathlib.Path
) -> None:
  """Adds the tokens that only `tokenizer_config.json` knows, as others do."""
  added = config.get('added_tokens_decoder') or {}
  known = {x.content for x in backend.get_added_tokens_decoder().values()}
  try:
    new = {
        int(i): tokenizers.AddedToken(
            token['content'],
            special=token.get('special', False),
            normalized=token.get('normalized', False),
        )
        for i, token in sorted(added.items(), key=lambda item: int(item[0]))
        if token['content'] not in known
    }
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise errors.InputError(
        f'{file}: added_tokens_decoder is damaged ({error}).'
    ) from error
  backend.add_tokens(list(new.values()))
  for i, token in new.items():
    if backend.token_to_id(token.content) != i:
      raise errors.InputError(
          f'{file}: token {token.content!r:.40} cannot have the id {i} in the'
          ' tokenizer.json beside it; they do not belong together.'
      )


def _token_text(
    path: pathlib.Path, config: dict[str, Any], name: str
) -> str | None:
  value = config.get(name)
  text = value.get('content') if isinstance(value, dict) else value
  if not isinstance(text, str | None):
    raise errors.InputError(f'{path / _CONFIG}: {name} is not a token.')
  return text


def _read_template(path: pathlib.Path, config: dict[str, Any]) -> str | None:
  """Returns the default template; the other, named ones are for tools."""
  file = path / 'chat_template.jinja'
  if file.is_file():
    try:
      return file.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
      raise errors.InputError(f'{file}: not UTF-8 text ({error}).') from error
  template = config.get('chat_template')
  if isinstance(template, list):  # Of {"name": ..., "template": ...}.
    named = [x for x in template if isinstance(x, dict)]
    default = [x.get('template') for x in named if x.get('name') == 'default']
    template = default[0] if default else None
  if not isinstance(template, str | None):
    raise errors.InputError(f'{path / _CONFIG}: chat_template is no template.')
  return template


def _optional_json(path: pathlib.Path) -> dict[str, Any]:
  raw = files.read_json(path) if path.is_file() else {}
  if not isinstance(raw, dict):
    raise errors.InputError(f'{path}: not a JSON object.')
  return raw
