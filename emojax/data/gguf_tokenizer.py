"""What a GGUF file states about its tokenizer, and that tokenizer's backend."""

from collections.abc import Mapping
import dataclasses
import math
from typing import Any

import tokenizers

from emojax import errors

# The tokens that end a reply, whatever else a checkpoint states: llama.cpp's
# list, as far as the supported families have them. Not its '</s>': in Gemma's
# vocabulary that is HTML, and where it does end a text it is the stated EOS.
ENDS = frozenset({
    '<eos>', '<end_of_turn>',
    '<|endoftext|>', '<|end_of_text|>', '<|end|>',
    '<|eot_id|>', '<|eom_id|>', '<|im_end|>',
    '<|fim_pad|>', '<|repo_name|>', '<|file_sep|>', '<reponame>',
})  # fmt: skip

# GGUF's token types.
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4
# Our names for the tokens that metadata name by their ids -> GGUF's.
_SPECIAL = {
    'bos': 'bos',
    'eos': 'eos',
    'unk': 'unknown',
    'pad': 'padding',
    'eot': 'eot',
    'eom': 'eom',
}
_SPACE = '\u2581'  # SentencePiece's space.
# The splits of a token into two are quadratic in its length.
_MAX_CHARS = 1000


def _split(pattern: str) -> tokenizers.pre_tokenizers.PreTokenizer:
  return tokenizers.pre_tokenizers.Sequence(
      [
          tokenizers.pre_tokenizers.Split(
              tokenizers.Regex(pattern), behavior='isolated'
          ),
          tokenizers.pre_tokenizers.ByteLevel(
              add_prefix_space=False, use_regex=False
          ),
      ]
  )


# Llama 3's and Qwen's words differ in how many digits go together.
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
    r'|[^\r\n\p{L}\p{N}]?\p{L}+'
    r'|\p{N}{1,DIGITS}'
    r'| ?[^\s\p{L}\p{N}]+[\r\n]*'
    r'|\s*[\r\n]+'
    r'|\s+(?!\S)'
    r'|\s+'
)
_GPT2 = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
_LLAMA3 = _split(_WORDS.replace('DIGITS', '3'))
_QWEN2 = _split(_WORDS.replace('DIGITS', '1'))
# How a GGUF names its pre-tokenizer -> the same in `tokenizers`.
_PRE_TOKENIZERS = {
    'gpt-2': _GPT2,
    'llama-bpe': _LLAMA3,
    'llama-v3': _LLAMA3,
    'llama3': _LLAMA3,
    'qwen2': _QWEN2,
    'smollm': tokenizers.pre_tokenizers.Sequence(
        [tokenizers.pre_tokenizers.Digits(individual_digits=True), _GPT2]
    ),
}


@dataclasses.dataclass(frozen=True)
class Vocabulary:
  """A tokenizer as a GGUF file states it, checked.

  Attributes:
    pre: a key of `_PRE_TOKENIZERS`, or None for SentencePiece.
    tokens: V texts, no two the same.
    types: GGUF's type of each.
    merges: pairs of tokens to join, the first of them first.
    space_prefix: whether texts begin with a space that is not in them.
    bos: the id that raw text begins with, or None.
    stop: the ids that are stated to end a text or a turn.
    special: texts of the template's variables `bos_token`, `eos_token`, ...
    template: the Jinja source of the chat template, or None.
  """

  pre: str | None
  tokens: list[str]
  types: list[int]
  merges: list[tuple[str, str]]
  space_prefix: bool
  bos: int | None
  stop: list[int]
  special: dict[str, str]
  template: str | None


def read(metadata: Mapping[str, Any]) -> Vocabulary:
  """Checks the metadata of a GGUF file.

  Raises:
    InputError: a kind of tokenizer that is not supported, or damaged metadata.
  """
  kind = metadata.get('tokenizer.ggml.model')
  pre = metadata.get('tokenizer.ggml.pre')
  known = kind == 'gpt2' and isinstance(pre, str) and pre in _PRE_TOKENIZERS
  if kind != 'llama' and not known:
    raise errors.InputError(
        f'The tokenizer of this GGUF ({kind!r:.40}, {pre!r:.40}) is not'
        f' supported (llama is, and gpt2 with {", ".join(_PRE_TOKENIZERS)});'
        ' use the Hugging Face folder of the model instead.'
    )
  tokens = _list(metadata, 'tokens', str)
  types = _list(metadata, 'token_type', int, len(tokens))
  _require(len(set(tokens)) == len(tokens), 'tokens', 'has a token twice')
  _require(max(map(len, tokens)) <= _MAX_CHARS, 'tokens', 'has a huge token')
  if known:
    merges = _split_merges(_list(metadata, 'merges', str))
    # Llama 3 wants a BOS; its early files do not say so.
    wants_bos, space_prefix = _PRE_TOKENIZERS[pre] is _LLAMA3, False
  else:
    scores = _list(metadata, 'scores', float, len(tokens))
    merges = _merges_by_score(tokens, scores)
    wants_bos = True
    space_prefix = _flag(metadata, 'add_space_prefix', True)
  ids = {
      name: _token_id(metadata, key, len(tokens))
      for name, key in _SPECIAL.items()
  }
  template = metadata.get('tokenizer.chat_template')
  if not isinstance(template, str | None):
    raise errors.InputError('tokenizer.chat_template of this GGUF is no text.')
  return Vocabulary(
      pre=pre if known else None,
      tokens=tokens,
      types=types,
      merges=merges,
      space_prefix=space_prefix,
      bos=ids['bos'] if _flag(metadata, 'add_bos_token', wants_bos) else None,
      stop=[ids[x] for x in ('eos', 'eot', 'eom') if ids[x] is not None],
      special={
          f'{name}_token': tokens[ids[name]]
          for name in ('bos', 'eos', 'unk', 'pad')
          if ids[name] is not None
      },
      template=template,
  )


def build(vocabulary: Vocabulary) -> tokenizers.Tokenizer:
  """Builds the tokenizer that a vocabulary describes.

  Raises:
    InputError: merges of tokens that the vocabulary lacks.
  """
  v = vocabulary
  try:
    backend = tokenizers.Tokenizer(
        tokenizers.models.BPE(
            vocab={token: i for i, token in enumerate(v.tokens)},
            merges=v.merges,
            byte_fallback=v.pre is None,
            ignore_merges=_PRE_TOKENIZERS.get(v.pre) is _LLAMA3,
        )
    )
  except Exception as error:  # The library raises bare Exceptions.
    reason = str(error).partition('\n')[0]
    raise errors.InputError(
        f'The tokenizer of this GGUF is damaged ({reason}); fetch it again.'
    ) from error
  if v.pre is None:
    _speak_sentence_piece(backend, v.space_prefix)
  else:
    backend.pre_tokenizer = _PRE_TOKENIZERS[v.pre]
    backend.decoder = tokenizers.decoders.ByteLevel()
  if v.pre == 'qwen2':  # As Qwen's own tokenizer has it; llama.cpp leaves it.
    backend.normalizer = tokenizers.normalizers.NFC()
  # Matched in the raw text, before all else.
  control = {
      token: token in ENDS or kind in (_UNKNOWN, _CONTROL)
      for token, kind in zip(v.tokens, v.types, strict=True)
      if token in ENDS or kind in (_UNKNOWN, _CONTROL, _USER_DEFINED)
  }
  backend.add_tokens(
      [
          tokenizers.AddedToken(token, special=special, normalized=False)
          for token, special in control.items()
      ]
  )
  if v.bos is not None:
    bos = v.tokens[v.bos]
    backend.post_processor = tokenizers.processors.TemplateProcessing(
        single=[bos, '$A'], special_tokens=[(bos, v.bos)]
    )
  return backend


def _speak_sentence_piece(
    backend: tokenizers.Tokenizer, space_prefix: bool
) -> None:
  missing = [
      byte
      for byte in (f'<0x{i:02X}>' for i in range(256))
      if backend.token_to_id(byte) is None
  ]
  _require(not missing, 'tokens', f'lacks {missing[:1]}')
  before = [tokenizers.normalizers.Prepend(_SPACE)] if space_prefix else []
  after = [tokenizers.decoders.Strip(' ', 1, 0)] if space_prefix else []
  backend.normalizer = tokenizers.normalizers.Sequence(
      before + [tokenizers.normalizers.Replace(' ', _SPACE)]
  )
  backend.decoder = tokenizers.decoders.Sequence(
      [
          tokenizers.decoders.Replace(_SPACE, ' '),
          tokenizers.decoders.ByteFallback(),
          tokenizers.decoders.Fuse(),
          *after,
      ]
  )


def _merges_by_score(
    tokens: list[str], scores: list[float]
) -> list[tuple[str, str]]:
  """Returns every split of a token into two tokens, the best score first.

  SentencePiece joins any two neighbours that make a token, the leftmost of the
  best. `tokenizers` ranks pairs, so that two splits of one token cannot tie:
  the longer left part goes first, as runs (`====`) are joined from the left.
  """
  known = set(tokens)
  splits = [
      (-score, -i, token[:i], token[i:])
      for token, score in zip(tokens, scores, strict=True)
      for i in range(1, len(token))
      if token[:i] in known and token[i:] in known
  ]
  return [(left, right) for *_, left, right in sorted(splits)]


def _split_merges(lines: list[str]) -> list[tuple[str, str]]:
  merges = [tuple(line.split(' ')) for line in lines]
  whole = all(len(merge) == 2 and all(merge) for merge in merges)
  _require(whole, 'merges', 'has a line that is not two tokens')
  return merges


def _list(
    metadata: Mapping[str, Any], key: str, kind: type, size: int | None = None
) -> list[Any]:
  """Returns a list that is there, of one kind and, if given, of one size."""
  values = metadata.get(f'tokenizer.ggml.{key}')
  _require(values is not None, key, 'is missing')
  _require(isinstance(values, list) and values != [], key, 'is no list')
  _require(
      all(type(x) is kind for x in values)
      and (kind is not float or all(map(math.isfinite, values))),
      key,
      f'has values that are no {kind.__name__}',
  )
  _require(
      size in (None, len(values)),
      key,
      f'has {len(values)} values for {size} tokens',
  )
  return values


def _token_id(metadata: Mapping[str, Any], name: str, size: int) -> int | None:
  key = f'{name}_token_id'
  value = metadata.get(f'tokenizer.ggml.{key}')
  if value is not None:
    whole = type(value) is int and 0 <= value < size
    _require(whole, key, f'is {value!r:.40}, not one of {size} tokens')
  return value


def _flag(metadata: Mapping[str, Any], key: str, default: bool) -> bool:
  value = metadata.get(f'tokenizer.ggml.{key}', default)
  _require(isinstance(value, bool), key, f'is {value!r:.40}, not true or false')
  return value


def _require(holds: bool, key: str, what: str) -> None:
  if not holds:
    raise errors.InputError(
        f'The tokenizer of this GGUF is damaged: tokenizer.ggml.{key} {what};'
        ' fetch it again.'
    )
