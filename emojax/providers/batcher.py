"""Single requests, from many callers -> batches, one at a time."""

from collections.abc import Callable, Sequence
from concurrent import futures
import dataclasses
import threading

from emojax.models import engine
from emojax.models import prompts
from emojax.models import sampling as sampling_lib

# Sizes that batches are filled up to go up by this factor, and a larger one
# that was compiled before is used rather than compiling one this much smaller.
_STEP = 4


@dataclasses.dataclass(frozen=True)
class Job:
  """A text that someone waits for.

  Attributes:
    request: to the engine.
    sampling: how tokens are drawn.
    new_tokens: of the longest text.
  """

  request: prompts.Request
  sampling: sampling_lib.Sampling
  new_tokens: int


Future = futures.Future[engine.Written]
# Writes texts of B requests, with a limit of tokens, drawn in one way.
Write = Callable[
    [Sequence[prompts.Request], int, sampling_lib.Sampling],
    Sequence[engine.Written],
]


class Batcher:
  """Collects what callers ask for at about one time and writes it together.

  A text depends on its own request only, so it does not matter what comes
  together. Batches are filled up to one of a few sizes, since every other shape
  is another program to compile.

  The thread that writes ends when nothing waits: it would keep the model in
  memory, and Inspect leaves its models to whoever made them to close.
  """

  def __init__(self, write: Write, batch: int, quiet: float = 0.05):
    """Takes no job yet.

    Args:
      write: is called by one thread at a time.
      batch: jobs that are written at once.
      quiet: seconds without a new job after which no other is waited for.
    """
    self._write = write
    self._batch = batch
    self._quiet = quiet
    self._sizes = _sizes(batch)
    self._compiled: set[tuple] = set()
    self._changed = threading.Condition()
    self._waiting: list[tuple[Job, Future]] = []
    self._expected = batch  # Until more is known.
    self._closed = False
    self._thread: threading.Thread | None = None

  def submit(self, job: Job) -> Future:
    """Returns the text to come; whoever needs it no more cancels it.

    Raises:
      RuntimeError: this was closed.
    """
    future = Future()
    with self._changed:
      if self._closed:
        raise RuntimeError('This model was closed; get it anew.')
      if self._thread is None:
        thread = threading.Thread(
            target=self._serve, name='emojax', daemon=True
        )
        thread.start()  # It begins when the lock is let go.
        self._thread = thread
      self._waiting.append((job, future))
      self._changed.notify()
    return future

  def close(self) -> None:
    """Returns after the batch of now; whoever else waits gets an error."""
    with self._changed:
      self._closed = True
      waiting, self._waiting = self._waiting, []
      thread = self._thread
      self._changed.notify()
    for _, future in waiting:
      if future.set_running_or_notify_cancel():
        future.set_exception(RuntimeError('This model was closed.'))
    if thread is not None:
      thread.join()

  def _serve(self) -> None:
    """Writes batches until nothing waits."""
    while True:
      with self._changed:
        if self._waiting:
          self._gather()
        if not self._waiting:  # Or no more, for this was closed.
          self._thread = None
          return
        chosen = self._take()
      if chosen:
        self._run(chosen)

  def _gather(self) -> None:
    """Waits for the jobs of callers that are about to come.

    Those of the last batch mostly come back, each with its next job; a single
    caller is waited for no longer.
    """
    while len(self._waiting) < min(self._batch, self._expected):
      count = len(self._waiting)
      came = self._changed.wait_for(
          lambda count=count: len(self._waiting) > count or self._closed,
          self._quiet,
      )
      if self._closed or not came:
        return

  def _take(self) -> list[tuple[Job, Future]]:
    """Takes the jobs that are like the first one, at most a batch of them."""
    first, _ = self._waiting[0]
    chosen, left = [], []
    for job, future in self._waiting:
      like = (job.sampling, job.new_tokens) == (
          first.sampling,
          first.new_tokens,
      )
      if not like or len(chosen) == self._batch:
        left.append((job, future))
      elif future.set_running_or_notify_cancel():
        chosen.append((job, future))
    self._waiting = left
    return chosen

  def _run(self, chosen: list[tuple[Job, Future]]) -> None:
    requests = [job.request for job, _ in chosen]
    job, _ = chosen[0]
    try:
      size = self._size(requests, job)
      # A copy of a request ends when it does: it costs no step.
      filled = requests + requests[:1] * (size - len(requests))
      texts = self._write(filled, job.new_tokens, job.sampling)
    except BaseException as error:  # Whatever it is, someone waits for it.
      for _, future in chosen:
        future.set_exception(error)
      return
    with self._changed:
      self._expected = len(chosen) + len(self._waiting)
    for (_, future), text in zip(chosen, texts):
      future.set_result(text)

  def _size(self, requests: Sequence[prompts.Request], job: Job) -> int:
    """Returns how many rows a batch of these requests is filled up to."""
    shapes = tuple(
        prompts.width(max(size))
        for size in zip(*((r.cut, len(r.prompt) - r.cut) for r in requests))
    )
    program = lambda size: (size, *shapes, job.sampling, job.new_tokens)
    fitting = [size for size in self._sizes if size >= len(requests)]
    size = next(
        (
            size
            for size in fitting
            if size <= _STEP * fitting[0] and program(size) in self._compiled
        ),
        fitting[0],
    )
    self._compiled.add(program(size))
    return size


def _sizes(batch: int) -> list[int]:
  """The sizes that batches are filled up to: 1, 4, 16, ..., the largest."""
  sizes = []
  size = 1
  while size < batch:
    sizes.append(size)
    size *= _STEP
  return [*sizes, batch]
