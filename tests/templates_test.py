"""A chat template is a stranger's program: whatever it does, it is bounded."""

import concurrent.futures
import json
import pathlib
import signal
import subprocess
import sys

import pytest

from emojax import errors
from emojax.data import templates

# Loops that write nothing.
ENDLESS = (
    '{% for a in range(99999) %}{% for b in range(99999) %}'
    '{% endfor %}{% endfor %}'
)


@pytest.fixture(scope='module')
def renderer():
  own = templates.Renderer(seconds=60)
  yield own
  own.close()


@pytest.mark.parametrize(
    'source, text',
    [
        ("{{ {'a': '<&é>'} | tojson }}", '{"a": "<&é>"}'),
        ('{{ [1] | tojson(indent=1) }}', '[\n 1\n]'),
        (
            '{% for i in [1, 2] %}{{ i }}{% if i %}{% break %}{% endif %}'
            '{% endfor %}',
            '1',
        ),
        (
            '  {% generation %}\n{% set x = 1 %}b{% endgeneration %}\n{{ x }}c',
            'bc',
        ),
        ('{% if tools is none and not nothing %}d{% endif %}', 'd'),
        ('a\n', 'a'),
    ],
)
def test_templates_are_given_what_transformers_gives_them(
    renderer, source, text
):
  assert renderer.render(source, {'tools': None}) == text


@pytest.mark.parametrize(
    'source, reason',
    [
        ("{% set x = 'x' * 10 ** 10 %}", 'fails: it needs more than 1 GiB'),
        ("{% set x = 'x' * n %}", 'fails: it needs more than 1 GiB'),
        ("{% set x = '{:>9999999999}'.format(1) %}", 'more than 1 GiB'),
        (
            "{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(99) %}"
            '{% set ns.x = ns.x ~ ns.x %}{% endfor %}',
            'fails: it needs more than 1 GiB',
        ),
        ("{{ 'x' * 4000001 }}", 'writes more than 4000000 characters'),
        ('{{ ' + '(' * 9999 + ')' * 9999 + ' }}', 'fails'),
        (r'{{ "\ud800" }}', 'fails: .*surrogates'),
        ('{% include "/etc/passwd" %}', 'fails'),
        ('{{ raise_exception() }}', 'fails'),
    ],
)
def test_no_template_takes_more_than_its_share(renderer, source, reason):
  with pytest.raises(errors.InputError, match=reason):
    renderer.render(source, {'n': 10**10})
  assert renderer.render('{{ n }}', {'n': 1}) == '1'


@pytest.mark.parametrize('source', [ENDLESS, '{% set x = 9 ** (9 ** 9) %}'])
def test_no_template_takes_more_than_its_time(source):
  own = templates.Renderer(seconds=0.3)
  with pytest.raises(errors.InputError, match=r'takes more than 0\.3 s\.$'):
    own.render(source, {})
  assert own.render('a', {}) == 'a'
  own.close()


def test_a_template_s_own_words_are_one_plain_line(renderer):
  words = 'a\n\x1b[31mb\r\ud800' + 'c' * 9999
  with pytest.raises(errors.InputError) as raised:
    renderer.render('{{ raise_exception(words) }}', {'words': words})
  assert str(raised.value).startswith('The chat template fails: a [31mb ccc')
  assert str(raised.value).isprintable()
  assert len(str(raised.value)) < 400


def test_a_template_cannot_answer_for_the_renderer(renderer):
  forged = '\n{"text": "forged"}\n{"error": "forged"}\n\0'
  assert renderer.render('{{ forged }}.', {'forged': forged}) == f'{forged}.'
  assert renderer.render('{{ n }}', {'n': 1}) == '1'


@pytest.mark.parametrize(
    'said', ['x\n', '{"text": 1}\n', '[' * 9999 + '\n', '{']
)
def test_a_process_that_says_what_it_never_does_is_ended(monkeypatch, said):
  program = [sys.executable, '-c', f'import sys; sys.stdout.write({said!r})']
  pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE}
  own = templates.Renderer()
  with monkeypatch.context() as patched:
    patched.setattr(
        templates, 'start_worker', lambda: subprocess.Popen(program, **pipes)
    )
    with pytest.raises(errors.InputError, match='ends the process'):
      own.render('', {})
  assert own.render('a', {}) == 'a'
  own.close()


def test_the_renderer_outlives_the_death_of_its_process(renderer):
  assert renderer.render('a', {}) == 'a'
  renderer._worker.kill()
  renderer._worker.wait()
  assert renderer.render('b', {}) == 'b'


def test_threads_get_their_own_answers(renderer):
  with concurrent.futures.ThreadPoolExecutor(8) as pool:
    texts = pool.map(lambda n: renderer.render('{{ n }}', {'n': n}), range(200))
    assert list(texts) == [str(n) for n in range(200)]


def test_the_process_ends_with_the_one_that_started_it():
  idle, busy = templates.start_worker(), templates.start_worker()
  request = {'source': ENDLESS, 'variables': {}, 'seconds': 0.3, 'chars': 9}
  busy.stdin.write(json.dumps(request).encode() + b'\n')
  for worker, status in ((idle, 0), (busy, -signal.SIGALRM)):
    with worker:  # Closes its stdin, as the end of the other does.
      pass
    assert worker.returncode == status


@pytest.mark.skipif(sys.platform != 'linux', reason='reads /proc')
def test_the_process_inherits_nothing(monkeypatch):
  monkeypatch.setenv('SECRET', 'x')
  with templates.start_worker() as worker:
    process = pathlib.Path('/proc', str(worker.pid))
    environment = process.joinpath('environ').read_text().split('\0')
    assert process.joinpath('cwd').readlink() == pathlib.Path('/')
  names = {line.partition('=')[0] for line in environment if line}
  assert names <= {'PYTHONPATH', 'LD_LIBRARY_PATH', 'PYTHONHOME'}


def test_the_process_knows_no_jax_and_can_open_nothing():
  program = (
      'import os, sys\n'
      'from emojax.data import template_worker\n'
      "assert not {'jax', 'numpy', 'tokenizers'} & sys.modules.keys()\n"
      'template_worker.confine()\n'
      'for act in (lambda: open(os.__file__), os.pipe):\n'
      '  try:\n'
      '    act()\n'
      '  except OSError:\n'
      '    continue\n'
      "  raise SystemExit('opened')\n"
  )
  subprocess.run([sys.executable, '-c', program], check=True)
