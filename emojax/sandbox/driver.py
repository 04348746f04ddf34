"""Tests a solution, or calls its function, and says what came of it.

`trials` runs this file as text, inside of the isolation, and so it imports
nothing of emojax:

  python -I -S -B -c TEXT_OF_THIS_FILE < REQUEST

REQUEST is a JSON object: `token`, `modules` (of the task, imported first) and
either `tests`, the module of tests, or `function`, `calls` and `counted`. One
line is written: the token and a JSON object of `rows`, one a test or call, and
of what was `touched`. What the solution writes goes nowhere, and it does not
get the token, so that it cannot write that line.

The solution runs in this very interpreter, as with any runner of tests, and can
reach for all that is in it. What it has no business to change is compared
before and after; what it has none to look at is told by an audit hook.
"""

import builtins
import importlib
import json
import os
import sys
import time

# What is said of a test or a call; `error` is empty where there was none.
_ROW = {'name': '', 'error': '', 'line': 0, 'at': ''}
_ROW |= {'value': '', 'seconds': 0.0, 'reads': 0}
_SYS = ('displayhook', 'excepthook', 'meta_path', 'modules', 'path_hooks')
# Events of the interpreter's audit: looking at one's caller, or at all memory.
_PEEKS = (
    *('sys._getframe', 'sys._current_frames', 'sys.settrace', 'sys.setprofile'),
    *('gc.get_objects', 'gc.get_referrers', 'gc.get_referents'),
)
_FRAMES = ('tb_frame', 'gi_frame', 'f_code')
_LOOKERS = ('inspect.py', 'traceback.py')  # They look on behalf of others.
_MAX_TEXT = 200  # Characters of an error.
_MAX_VALUE = 1000  # Characters of a value, as JSON.
_MAX_TOUCHED = 20  # Names that are told.
_DEPTH = 20  # Of lists in lists.


def main() -> None:
  request = json.loads(sys.stdin.read())
  token, out = request.pop('token'), os.dup(1)
  # Taken now: later they may not be what they were.
  write, leave, dumps = os.write, os._exit, json.dumps
  null = os.open(os.devnull, os.O_RDWR)
  for stream in (0, 1, 2):
    os.dup2(null, stream)
  # Whoever imports the program's module gets an empty one, not this.
  own, sys.modules['__main__'] = sys.modules['__main__'], type(sys)('__main__')
  folder, touched = os.getcwd(), {}
  sys.path.insert(0, folder)
  sys.addaudithook(_auditor(folder, touched))
  run = own._test if 'tests' in request else own._call
  rows = run(request, folder, touched)
  told = {'rows': rows, 'touched': [*touched][:_MAX_TOUCHED]}
  write(out, f'{token} {dumps(told)}\n'.encode())
  leave(0)


def _auditor(folder, touched):
  """The hook that notes where code of the folder looks at its caller."""
  inside, peeks, frame_of, own = [], _PEEKS, sys._getframe, globals()

  def on_behalf(frame):
    file = frame.f_code.co_filename
    made_of_text = file[:1] == '<' and frame.f_globals is not own
    return made_of_text or file.endswith(_LOOKERS)

  def hook(event, arguments):
    attribute = event == 'object.__getattr__' and arguments[1] in _FRAMES
    if inside or not (attribute or event in peeks):
      return
    inside.append(1)
    try:
      frame = frame_of(1)
      # A library may look into an exception, but not into its caller's caller.
      while frame and on_behalf(frame) and not attribute:
        frame = frame.f_back
      if frame and frame.f_code.co_filename.startswith(folder):
        touched['the interpreter'] = 1
    finally:
      inside.pop()

  return hook


class _Guard:
  """Notices what of the interpreter, the tests or the files has changed."""

  def __init__(self, touched):
    self._touched = touched
    self._builtins = vars(builtins)
    self._saved = dict(self._builtins)
    self._modules = {}
    self._before = _hooks()

  def watch(self, *names):
    """Takes modules, as they are now, for what they should be."""
    for name in names:
      if name in sys.modules:
        self._modules[name] = sys.modules[name]
        self._before |= _members(name, sys.modules[name])

  def check(self):
    """Notes what has changed, and puts the builtins back."""
    # Without any builtin: they may be what has changed.
    for name in self._saved:
      if self._builtins.get(name) is not self._saved[name]:
        self._touched['builtins.' + name] = 1
    self._builtins.update(self._saved)
    after = _hooks()
    for name, module in self._modules.items():
      after |= _members(name, module)
    for name, value in self._before.items():
      if name not in after or after[name] is not value:
        self._touched[name] = 1
    for name in after:
      # Whatever is new in a class is used by it; in a module, by nobody.
      # Python itself may keep annotations there.
      new = name not in self._before and '.__annot' not in name
      if new and name.count('.') > 1:
        self._touched[name] = 1


def _hooks():
  """What the interpreter calls on its own account, by name."""
  found = {f'sys.{name}': getattr(sys, name) for name in _SYS}
  found |= {'sys.settrace': sys.gettrace(), 'sys.setprofile': sys.getprofile()}
  return found | {f'sys.meta_path[{i}]': x for i, x in enumerate(sys.meta_path)}


def _members(name, module):
  """What is in a module and in its own classes and functions, by name."""
  found = {f'sys.modules[{name}]': sys.modules.get(name)}
  for key, member in list(vars(module).items()):
    found[f'{name}.{key}'] = member
    # Others', such as the solution's, may well change.
    own = getattr(member, '__module__', '') == name
    if own and isinstance(member, type):
      found |= {f'{name}.{key}.{part}': x for part, x in vars(member).items()}
    elif own and hasattr(member, '__code__'):
      found[f'{name}.{key}.__code__'] = member.__code__
  return found


def _guarded(request, touched):
  guard = _Guard(touched)
  for name in request['modules']:
    try:
      importlib.import_module(name)
    except BaseException:
      pass  # A file that the solution has broken; it will see for itself.
  guard.watch('time', *request['modules'])
  return guard


def _test(request, folder, touched):
  """Runs every test of a module, in the order of the file."""
  name, guard, ends = request['tests'], _guarded(request, touched), []
  try:
    module = importlib.import_module(name)
    guard.watch(name)
    found = [x for x in vars(module).items() if x[0].startswith('test_')]
  except BaseException as error:
    ends, found = [('', error)], []
  for test, function in found:
    try:
      function()
      ends.append((test, None))
    except BaseException as error:
      ends.append((test, error))
  guard.check()
  rows = []
  for test, error in ends:
    if isinstance(error, SystemExit):
      touched['exit'] = 1
    said = {} if error is None else _describe(error, folder, name)
    rows.append({**_ROW, 'name': test, **said})
  return rows


def _call(request, folder, touched):
  """Calls a function: what it returned, in how many seconds and reads."""
  guard, clock, rows = _guarded(request, touched), time.perf_counter, []
  base = sys.modules['counted'].Counted if request['counted'] else None
  try:
    function = getattr(importlib.import_module('solution'), request['function'])
  except BaseException as error:
    guard.check()
    return [{**_ROW, **_describe(error, folder)} for _ in request['calls']]
  for call in request['calls']:
    reads = [0]
    arguments = [_argument(x, base, reads, touched) for x in call]
    start = clock()
    try:
      value, error = function(*arguments), None
    except BaseException as caught:
      value, error = None, caught
    seconds = clock() - start
    guard.check()
    failed = error is not None
    told = _describe(error, folder) if failed else _told(value, touched)
    rows.append({**_ROW, 'seconds': seconds, 'reads': reads[0], **told})
  return rows


def _argument(x, base, reads, touched):
  """Writes out a list of {"series": [first, step, count], "changed": {}}."""
  if type(x) is dict and 'series' in x:
    first, step, count = x['series']
    changed, x = x['changed'], [first + step * i for i in range(count)]
    for i, value in changed.items():
      x[int(i)] = value
  return _watched(base, x, reads, touched) if base and type(x) is list else x


def _watched(base, values, reads, touched):
  """A sequence of the task's class whose values are nowhere in it."""

  class Watched(base):

    def __init__(self):
      pass

    def __len__(self):
      return len(values)

    def __getitem__(self, index):
      found = values[index]
      reads[0] += len(found) if type(index) is slice else 1
      return found

    def __getattribute__(self, name):
      if name == 'reads':
        return reads[0]
      if name == '__dict__' or (name[:1] == '_' and name[:2] != '__'):
        touched[f'counted.{name}'] = 1
      return super().__getattribute__(name)

    def __setattr__(self, name, value):
      touched[f'counted.{name}'] = 1

  Watched.__name__ = base.__name__
  return Watched()


def _told(value, touched):
  """A value as JSON, or why it is none."""
  if not _is_plain(value, touched, _DEPTH):
    return {'error': f'{type(value).__name__[:40]!r} is not a plain value'}
  try:
    text = json.dumps(value)
  except ValueError:  # Numbers of thousands of digits.
    text = ''
  short = 0 < len(text) <= _MAX_VALUE
  return {'value': text} if short else {'error': 'the value is too long'}


def _is_plain(value, touched, depth):
  """Whether a value is of JSON's own types all through."""
  kind = type(value)
  if kind in (type(None), bool, int, float, str):
    return True
  if kind is dict and all([type(key) is str for key in value]):
    value = list(value.values())
    kind = list
  if kind is list and depth:
    return all([_is_plain(x, touched, depth - 1) for x in value])
  try:
    if (value == object()) is True:  # What equals that, equals anything.
      touched['equality'] = 1
  except BaseException:
    pass
  return False


def _describe(error, folder, tests=''):
  """What an exception says, and the last lines of the tests and of others."""
  found = {'error': type(error).__name__[:40] or '?', 'line': 0, 'at': ''}
  try:
    text = str(error).replace(folder + os.sep, '')[:_MAX_TEXT]
    found['error'] += f': {text}' if text else ''
  except BaseException:
    pass
  trace = error.__traceback__
  while trace is not None:
    file = trace.tb_frame.f_code.co_filename
    if file == os.path.join(folder, f'{tests}.py'):
      found['line'], found['at'] = trace.tb_lineno, ''
    elif file.startswith(folder + os.sep):
      found['at'] = f'{os.path.basename(file)}, line {trace.tb_lineno}'
    trace = trace.tb_next
  return found


if __name__ == '__main__':
  main()
