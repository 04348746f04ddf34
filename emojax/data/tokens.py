"""The tokenizer of a checkpoint: text -> ids, pieces and control tokens."""

from collections.abc import Mapping
import dataclasses
import hashlib
import pathlib
from typing import Any

import tokenizers

from emojax import errors
from emojax import files

# How a GGUF names its pre-tokenizer -> the same in `tokenizers`.
_PRE_TOKENIZERS = {
    'smollm': tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Digits(individual_digits=True),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    ),
}
_CONTROL = 3  # GGUF's token type for `<|im_start|>` and its like.


@dataclasses.dataclass(frozen=True)
class Encoding:
  """A tokenised text.

  Attributes:
    ids: T token ids.
    pieces: the text of each token; joined they are the text. A character split
      over several tokens belongs to the first of them, the others are ''.
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
    pieces = []
    for start, end in out.offsets:
      pieces.append(text[max(start, ends[-1]) : end])
      ends.append(max(end, ends[-1]))
    ids, starts = list(out.ids), ends[:-1]
    if bos and self.bos is not None and ids[:1] != [self.bos]:
      ids, pieces, starts = [self.bos] + ids, [''] + pieces, [0] + starts
    return Encoding(tuple(ids), tuple(pieces), tuple(starts))

  def decode(self, ids: list[int]) -> str:
    """Returns the text of `ids`, without control tokens."""
    return self.backend.decode(ids, skip_special_tokens=True)

  def control_token_in(self, text: str) -> str | None:
    """Returns a control token that is written out in `text`, if there is."""
    for token in self.backend.get_added_tokens_decoder().values():
      if token.special and token.content in text:
        return token.content
    return None


def from_gguf(metadata: Mapping[str, Any]) -> Tokenizer:
  """Builds the tokenizer that a GGUF file describes.

  Raises:
    InputError: a kind of tokenizer that is not supported.
  """

  def get(key: str, default: Any = None) -> Any:
    return metadata.get(f'tokenizer.ggml.{key}', default)

  kind, pre = get('model'), get('pre')
  if kind != 'gpt2' or pre not in _PRE_TOKENIZERS:
    raise errors.InputError(
        f'The tokenizer of this GGUF ({kind!r}, {pre!r}) is not supported'
        f' (gpt2 with {", ".join(sorted(_PRE_TOKENIZERS))} is); use the Hugging'
        ' Face folder of the model instead.'
    )
  tokens = get('tokens')
  backend = tokenizers.Tokenizer(
      tokenizers.models.BPE(
          vocab={token: i for i, token in enumerate(tokens)},
          merges=[tuple(merge.split(' ')) for merge in get('merges')],
      )
  )
  backend.pre_tokenizer = _PRE_TOKENIZERS[pre]
  backend.decoder = tokenizers.decoders.ByteLevel()
  backend.add_special_tokens(
      [
          tokenizers.AddedToken(token, special=True, normalized=False)
          for token, kind in zip(tokens, get('token_type'), strict=False)
          if kind == _CONTROL
      ]
  )
  special = {
      f'{name}_token': tokens[get(f'{name}_token_id')]
      for name in ('bos', 'eos')
      if get(f'{name}_token_id') is not None
  }
  return Tokenizer(
      backend=backend,
      bos=get('bos_token_id') if get('add_bos_token', False) else None,
      stop=(get('eos_token_id'),),
      template=metadata.get('tokenizer.chat_template'),
      special=special,
  )


def from_folder(path: pathlib.Path) -> Tokenizer:
  """Reads `tokenizer.json` and its neighbours in a Hugging Face folder.

  Raises:
    InputError: there is none, or it is damaged.
  """
  file = path / 'tokenizer.json'
  if not file.is_file():
    raise errors.InputError(
        f'{path}: no tokenizer.json; save the tokenizer beside the model.'
    )
  try:
    backend = tokenizers.Tokenizer.from_file(str(file))
  except Exception as error:  # The library raises bare Exceptions.
    raise errors.InputError(f'{file}: not a tokenizer ({error}).') from error
  raw = _optional_json(path / 'tokenizer_config.json')
  special = {
      name: value['content'] if isinstance(value, dict) else value
      for name, value in raw.items()
      if name in ('bos_token', 'eos_token', 'unk_token', 'pad_token') and value
  }
  template = raw.get('chat_template')
  if (path / 'chat_template.jinja').is_file():
    template = (path / 'chat_template.jinja').read_text(encoding='utf-8')
  generation = _optional_json(path / 'generation_config.json')
  stop = generation.get('eos_token_id', special.get('eos_token'))
  stop = stop if isinstance(stop, list) else [stop]
  ids = [backend.token_to_id(s) if isinstance(s, str) else s for s in stop]
  # What the checkpoint's own post-processor puts before raw text.
  first = backend.encode('a').ids[:1]
  bos = backend.token_to_id(special.get('bos_token', ''))
  return Tokenizer(
      backend=backend,
      bos=bos if first == [bos] else None,
      stop=tuple(i for i in ids if i is not None),
      template=template if isinstance(template, str) else None,
      special=special,
  )


def _optional_json(path: pathlib.Path) -> dict[str, Any]:
  raw = files.read_json(path) if path.is_file() else {}
  if not isinstance(raw, dict):
    raise errors.InputError(f'{path}: not a JSON object.')
  return raw
