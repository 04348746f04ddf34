"""Files are what stands between fences; giving up is said, not guessed."""

import random
import time

import pytest

from emojax.data import code_replies
from emojax.data import code_tasks

CODE = 'def total(values):\n  return sum(values)\n'
TESTS = 'def test_all():\n  assert True\n'


def read(text):
  return code_replies.read(text, 'total')


@pytest.mark.parametrize(
    'text',
    [
        f'```python\n{CODE}```',
        f'```py\n{CODE}```',
        f'```Python\n{CODE}```',
        f'```\n{CODE}```',
        f'~~~python\n{CODE}~~~',
        f'``` python\n{CODE}```',
        f'Sure!\n\n```python\n{CODE}```\n\nThis sums the values.',
        f'Here: ```python\n{CODE}```',
        f'```python\n{CODE}',  # Cut off.
        f'```python\n{CODE.rstrip()}```',
        f'```python\r\n{CODE}```\r\n'.replace('\n', '\r\n'),
        f'```python\n# file: solution.py\n{CODE}```',
        f'```python\n{CODE}```\nFor example:\n```python\nprint(1)\n```',
        f'```python\nimport os\n```\nor\n```python\n{CODE}```',
        f'```bash\npython solution.py\n```\n```python\n{CODE}```',
        f'```python\n{CODE}```\nThis cannot be done in less time.',
        f'CANNOT: reason\n```python\n{CODE}```',
        f'CANNOT: and the reason.\n```python\n{CODE}```',
    ],
)
def test_the_solution_is_found_in_any_fence(text):
  reply = read(text)
  assert dict(reply.files) == {'solution.py': CODE}
  assert not reply.gives_up


@pytest.mark.parametrize(
    'text, files',
    [
        (f'```python\n# file: a.py\n{CODE}```', {'a.py': CODE}),
        ('```\n#file: `a.json`\n{}\n```', {'a.json': '{}\n'}),
        ('```json\n# File: a.json\n{}\n```', {'a.json': '{}\n'}),
        (
            f'```python\n{CODE}```\n'
            f'```python\n# file: test_solution.py\n{TESTS}```',
            {'solution.py': CODE, 'test_solution.py': TESTS},
        ),
        ('```python\n# file: ../a.py\nx = 1\n```', {}),
        ('```python\n# file: /etc/a\nx = 1\n```', {}),
        ('```python\n# file: -a\nx = 1\n```', {}),
        (
            '```python\n# file: a b\nx = 1\n```',
            {'solution.py': '# file: a b\nx = 1\n'},
        ),
        ('```bash\nls\n```', {}),
        ('```python\n```', {}),
        ('```python', {}),
        ('def total(values):\n  return 0', {}),
        ('', {}),
    ],
)
def test_a_first_line_names_a_file(text, files):
  assert dict(read(text).files) == files


@pytest.mark.parametrize(
    'text',
    [
        'CANNOT: the two tests contradict each other.',
        'CANNOT: reason',
        'CANNOT',
        'CANNOT be done: there is no file.',
        '**CANNOT:** no file',
        'I have read it.\nCANNOT: no file',
        'Cannot: no file',
        '```\nCANNOT: no file\n```',
        f'CANNOT: too little time.\n```python\n{CODE}```',
        'It is impossible to sum so many numbers in so little time.',
        'The tests contradict each other, so no function can pass both.',
    ],
)
def test_giving_up_is_heard(text):
  assert read(text).gives_up


@pytest.mark.parametrize(
    'text',
    [
        '',
        'I will do it.',
        'You cannot: do this',
        'The CANNOT: line is for other tasks.',
        'If the task cannot be done as described, say so.',
        f'It is impossible in general, but:\n```python\n{CODE}```',
        f'```python\n# CANNOT be faster\n{CODE}```',
    ],
)
def test_what_does_not_give_up_is_not_taken_for_it(text):
  assert not read(text).gives_up


def test_the_last_block_that_defines_the_function_is_the_solution():
  other = CODE.replace('sum', 'max')
  used = '```\nassert total([1]) == 1\n```'
  reply = read(f'```\n{CODE}```\nBetter:\n```\n{other}```\n{used}')
  assert reply.files == {'solution.py': other}
  reply = read(f'{used}\n```\ntotal = sum\n```\n{used}')
  assert reply.files == {'solution.py': 'total = sum\n'}
  assert read(f'```\nx = 1\n```\n{used}').files['solution.py'][:6] == 'assert'


def test_words_are_what_is_not_code():
  text = f'No.\n```python\n# All tests pass.\n{CODE}```\nOne fails.'
  assert code_replies.words(text).split() == ['No.', 'One', 'fails.']
  assert code_replies.words('```\nAll tests pass.').split() == []


def test_what_cannot_be_a_file_s_text_is_replaced():
  reply = read('```python\nx = "\ud800"\n```')
  assert reply.files['solution.py'].encode() == b'x = "?"\n'


def test_no_reply_is_refused():
  rng = random.Random(0)
  parts = ['```', '~~~', '\n', 'python', '# file: ', 'a.py', 'CANNOT', ': ']
  parts += [
      'def total',
      '()',
      '\x00',
      '\ud800',
      '\u4f60',
      '<|im_end|>',
      ' ',
      '\r',
  ]
  for _ in range(500):
    text = ''.join(rng.choices(parts, k=rng.randrange(30)))
    reply = read(text)
    assert all(isinstance(body, str) for body in reply.files.values())
    for name in reply.files:
      assert code_tasks.code_task_checks.is_file_name(name)


@pytest.mark.parametrize(
    'text', ['```\n' * 20_000, '`' * 60_000, '# file' * 9_000]
)
def test_no_reply_takes_long(text):
  start = time.process_time()
  read(text)
  assert time.process_time() - start < 1
