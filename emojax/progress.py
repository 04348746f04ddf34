"""How far a pass is: a bar on a terminal, else a log line now and then.

The first process alone shows it. What a pass did goes to `logs.record`.
"""

from collections.abc import Iterable, Iterator
import contextlib
import functools
import sys
import time
from typing import Any

from absl import logging
import rich.console
import rich.progress

from emojax import hosts
from emojax import logs

EVERY = 30.0  # Seconds between two lines.
# Of the whole pass: a batch of a large model takes longer than rich looks back.
_LOOK_BACK = float('inf')
_COLUMNS = (
    '{task.description:<9}',
    rich.progress.BarColumn(),
    '{task.fields[done]}',
    '{task.fields[rate]}',
    rich.progress.TimeRemainingColumn(compact=True),
    'left',
)


class Pass:
  """A pass that is under way; it is called when more of it is done.

  Attributes:
    done: units that are done.
    tokens: of those, as far as is known.
  """

  def __init__(
      self,
      bars: rich.progress.Progress,
      label: str,
      unit: str,
      total: int | None,
      tokens: int | None,
  ):
    self.done, self.tokens, self.skipped = 0, 0, 0
    self._label, self._unit, self._total = label, unit, total
    self._by_tokens = bool(tokens)
    self._start = self._said = time.monotonic()
    self._bars = bars
    self._task = bars.add_task(
        label, total=tokens or total, done=self._of(), rate=''
    )

  def __call__(self, done: int = 1, tokens: int = 0) -> None:
    """Notes that `done` more units, with so many tokens, are done."""
    self.done += done
    self.tokens += tokens
    self._bars.advance(self._task, tokens if self._by_tokens else done)
    self._bars.update(self._task, done=self._of(), rate=self._rate())
    now = time.monotonic()
    if now - self._said >= EVERY and self.done != self._total:
      self._said = now
      self.record()
      if self._bars.disable:
        logging.info('%s', self.line())

  def skip(self, done: int) -> None:
    """Notes that units were done by an earlier run, which tell no speed."""
    self.done += done
    self.skipped += done
    task = self._bars.tasks[0]
    task.completed += done
    task.fields['done'] = self._of()

  def fewer(self, count: int) -> None:
    """Notes that so many units of the total will not come."""
    self._total -= count
    task = self._bars.tasks[0]
    if not self._by_tokens:
      task.total -= count  # By `update` it would forget its speed.
    task.fields['done'] = self._of()

  def line(self) -> str:
    """'Stories: 4 of 18 batches, 900 tokens/s, 2 min left'."""
    left = self._bars.tasks[0].time_remaining  # None until a speed is known.
    parts = [self._of(), self._rate(), _left(left) if left else '']
    return f'{self._label}: {", ".join(part for part in parts if part)}'

  def record(self) -> None:
    """Adds what is done so far to the metrics of the run."""
    seconds = time.monotonic() - self._start
    done = self.done - self.skipped
    values = {'step': self.done, 'total': self._total, 'unit': self._unit}
    values |= {'seconds': seconds, 'per_s': done / max(seconds, 1e-9)}
    if self.skipped:
      values['resumed'] = self.skipped
    if self.tokens:
      values['tokens'] = self.tokens
      values['tokens_per_s'] = self.tokens / max(seconds, 1e-9)
    logs.record(f'pass/{self._label}', **values)

  def _of(self) -> str:
    of = '' if self._total is None else f' of {self._total:,}'
    return f'{self.done:,}{of} {self._unit}'

  def _rate(self) -> str:
    speed, unit = self._bars.tasks[0].speed, self._unit
    if self._by_tokens:
      unit = 'tokens'
    elif self.tokens and speed:  # Those of the average unit.
      speed *= self.tokens / (self.done - self.skipped)
      unit = 'tokens'
    return f'{speed:,.{0 if speed >= 10 else 1}f} {unit}/s' if speed else ''


@contextlib.contextmanager
def begun(
    label: str, unit: str, total: int | None = None, tokens: int | None = None
) -> Iterator[Pass]:
  """Shows how far a pass is while the body runs.

  Args:
    label: of the pass; at most nine letters look best.
    unit: of what it counts, in the plural.
    total: how many there are, if that is known.
    tokens: of all of them, if known: then they tell how much is left.

  Yields:
    What is called as units get done.
  """
  shown = _on_terminal()
  bars = rich.progress.Progress(
      *_COLUMNS,
      console=_console(),
      transient=True,
      redirect_stdout=False,
      disable=not shown,
      speed_estimate_period=_LOOK_BACK,
      get_time=time.monotonic,
  )
  work = Pass(bars, label, unit, total, tokens)
  try:
    with bars:
      yield work
  finally:
    work.record()


def over(
    items: Iterable[Any], label: str, unit: str, total: int | None = None
) -> Iterator[Any]:
  """Yields items, and shows how many have been used."""
  if total is None and hasattr(items, '__len__'):
    total = len(items)
  with begun(label, unit, total) as tick:
    for item in items:
      yield item
      tick()


def _left(seconds: float) -> str:
  """A time that is a guess: '40 s left', '2 min left', '3.5 h left'."""
  if seconds < 90:
    return f'{seconds:.0f} s left'
  if seconds < 90 * 60:
    return f'{seconds / 60:.0f} min left'
  return f'{seconds / 3600:.1f} h left'


@functools.cache
def _console() -> rich.console.Console:
  """One for all, so that a pass within a pass is a second line."""
  return rich.console.Console(stderr=True)


def _on_terminal() -> bool:
  """Whether bars are shown; log lines then go above them."""
  shown = bool(
      sys.stderr
      and sys.stderr.isatty()
      and not _console().is_dumb_terminal
      and hosts.is_first()
  )
  handler = logging.get_absl_handler().python_handler
  if shown and handler.stream is sys.__stderr__:
    handler.setStream(_AboveBars())
  return shown


class _AboveBars:
  """Standard error, as a stream of log lines."""

  def write(self, text: str) -> None:
    _console().out(text, end='', highlight=False)

  def flush(self) -> None:
    pass

  def isatty(self) -> bool:
    return True
