r"""Our behaviours as tasks of Inspect, for any of its models.

  inspect eval emojax/sycophancy --model emojax/quickstart

Every sample is a scenario, played to its end as `emojax` itself plays it, and
graded by the same rules. Those rules and all of our texts come with the task;
nothing of it needs one of our models.
"""

from collections.abc import Callable, Sequence
import dataclasses
import importlib
import math
from typing import Any

import anyio
import inspect_ai
from inspect_ai import dataset as inspect_data
from inspect_ai import model as inspect_models
from inspect_ai import scorer as inspect_scorers
from inspect_ai import solver as inspect_solvers

from emojax.experiments import episode as episode_lib
from emojax.providers import refusals

_EPISODE = 'episode'
_MESSAGES: dict[str, Callable[..., inspect_models.ChatMessage]] = {
    'system': inspect_models.ChatMessageSystem,
    'user': inspect_models.ChatMessageUser,
    'assistant': inspect_models.ChatMessageAssistant,
}


@inspect_ai.task
def impossible_code(
    tasks: str = '',
    kinds: str | Sequence[str] = (),
    twins: bool = True,
    tries: int = 2,
    new_tokens: int = 96,
    report_tokens: int = 32,
    run_model_code_without_isolation: bool = False,
) -> inspect_ai.Task:
  """Programming tasks whose tests cannot be passed, and what is done then.

  Args:
    tasks: a file of JSON lines; the packaged one if empty.
    kinds: of tasks; empty: all.
    twins: whether each task's solvable twin is run, too.
    tries: solutions that are tested before the report is asked for.
    new_tokens: of a solution, at most.
    report_tokens: of the report.
    run_model_code_without_isolation: runs the model's code with all the rights
      of whoever starts this, if there is no bubblewrap.
  """
  section = {
      'tasks': tasks,
      'kinds': [kinds] if isinstance(kinds, str) else list(kinds),
      'twins': twins,
      'tries': tries,
      'new_tokens': new_tokens,
      'report_tokens': report_tokens,
  }
  return _task('impossible_code', section, run_model_code_without_isolation)


@inspect_ai.task
def honeypot(scenarios: str = '', new_tokens: int = 96) -> inspect_ai.Task:
  """A mailbox that is about to lose its assistant, and a secret in the mail.

  Args:
    scenarios: a file of JSON lines; the packaged one if empty.
    new_tokens: of the reply, at most.
  """
  section = {'scenarios': scenarios, 'new_tokens': new_tokens}
  return _task('honeypot', section)


@inspect_ai.task
def sycophancy(scenarios: str = '', new_tokens: int = 40) -> inspect_ai.Task:
  """Users who claim what is very unlikely, or deny a right answer.

  Args:
    scenarios: a file of JSON lines; the packaged one if empty.
    new_tokens: of the reply, at most.
  """
  section = {'scenarios': scenarios, 'new_tokens': new_tokens}
  return _task('sycophancy', section)


@inspect_ai.task
def harshness(scenarios: str = '', new_tokens: int = 40) -> inspect_ai.Task:
  """Users who show something modest, or a mistake, and ask what one thinks.

  Args:
    scenarios: a file of JSON lines; the packaged one if empty.
    new_tokens: of the reply, at most.
  """
  section = {'scenarios': scenarios, 'new_tokens': new_tokens}
  return _task('harshness', section)


@dataclasses.dataclass(frozen=True)
class _Behaviour:
  """A module of `behaviours`, its config and its scenarios by id."""

  module: Any
  config: Any
  scenarios: dict[str, Any]


def _prepare(behaviour: str, section: dict[str, Any]) -> _Behaviour:
  """Loads the scenarios; whatever is wrong with them is one line."""
  # Here, because Inspect loads all entry points, whatever it is asked for, and
  # the behaviours import JAX.
  import ml_collections

  module = importlib.import_module(f'emojax.experiments.behaviours.{behaviour}')
  tuples = {
      name: tuple(x) if isinstance(x, list) else x
      for name, x in section.items()
  }
  config = ml_collections.ConfigDict({behaviour: tuples})
  with refusals.in_one_line():
    scenarios = {each.id: each for each in module.prepare(config)}
  return _Behaviour(module, config, scenarios)


def _task(
    behaviour: str, section: dict[str, Any], unprotected: bool = False
) -> inspect_ai.Task:
  prepared = _prepare(behaviour, section)
  module = prepared.module
  samples = [
      inspect_data.Sample(
          id=name,
          input=_shown(module.begin(prepared.config, scenario).messages),
      )
      for name, scenario in prepared.scenarios.items()
  ]
  return inspect_ai.Task(
      dataset=inspect_data.MemoryDataset(samples, name=behaviour),
      solver=play(behaviour, section, unprotected),
      scorer=[hits(behaviour, section), outcome(behaviour, section)],
      metadata={
          'outcomes': dict(module.OUTCOMES),
          'measures': dict(module.MEASURES),
      },
  )


def _shown(
    messages: Sequence[episode_lib.Message],
) -> list[inspect_models.ChatMessage]:
  return [_MESSAGES[m['role']](content=m['content']) for m in messages]


@inspect_solvers.solver
def play(
    behaviour: str, section: dict[str, Any], unprotected: bool = False
) -> inspect_solvers.Solver:
  """Plays an episode, reply after reply; each is as long as it says."""
  prepared = _prepare(behaviour, section)
  config, module = prepared.config, prepared.module
  isolation = None
  if behaviour == 'impossible_code':
    from emojax.sandbox import isolation as isolation_lib

    with refusals.in_one_line():
      isolation = isolation_lib.find(unprotected)

  async def solve(
      state: inspect_solvers.TaskState, generate: inspect_solvers.Generate
  ) -> inspect_solvers.TaskState:
    scenario = prepared.scenarios[str(state.sample_id)]
    episode = module.begin(config, scenario)
    shown = _shown(episode.messages)
    while not episode.ended and not state.completed:
      begun = [{'role': 'assistant', 'content': episode.prefix}]
      state.messages = [*shown, *_shown(begun if episode.prefix else [])]
      state = await generate(
          state, tool_calls='none', max_tokens=episode.new_tokens
      )
      reply = episode.prefix + state.output.completion
      before = len(episode.messages)
      # In a thread: it may run code, and others wait for their replies.
      episode = await anyio.to_thread.run_sync(
          module.advance, config, scenario, episode, reply, isolation
      )
      shown += _shown(episode.messages[before:])
    state.messages = shown
    state.store.set(_EPISODE, dataclasses.asdict(episode))
    return state

  return solve


def _grade(
    prepared: _Behaviour, state: inspect_solvers.TaskState
) -> dict[str, Any] | None:
  """What the rules say of an episode; None if it was cut off."""
  raw = state.store.get(_EPISODE)
  if raw is None or not raw['ended']:
    return None
  lists = {name: tuple(raw[name]) for name in ('messages', 'events')}
  episode = episode_lib.Episode(**raw | lists)
  scenario = prepared.scenarios[str(state.sample_id)]
  return prepared.module.grade(prepared.config, scenario, episode)


@inspect_scorers.scorer(
    metrics={'*': [inspect_scorers.mean(), inspect_scorers.stderr()]}
)
def hits(behaviour: str, section: dict[str, Any]) -> inspect_scorers.Scorer:
  """1 or 0 by measure; NaN, which no mean counts, where one does not apply."""
  prepared = _prepare(behaviour, section)

  async def score(
      state: inspect_solvers.TaskState, target: inspect_scorers.Target
  ) -> inspect_scorers.Score:
    grade = _grade(prepared, state)
    if grade is None:
      return inspect_scorers.Score.unscored(reason='The episode was cut off.')
    return inspect_scorers.Score(
        value={
            name: math.nan if hit is None else float(hit)
            for name, hit in grade['hits'].items()
        },
        answer=grade['outcome'],
        metadata=grade['facts'],
    )

  return score


@inspect_scorers.scorer(metrics=[inspect_scorers.frequency()])
def outcome(behaviour: str, section: dict[str, Any]) -> inspect_scorers.Scorer:
  """How the episode ended, as a label."""
  prepared = _prepare(behaviour, section)

  async def score(
      state: inspect_solvers.TaskState, target: inspect_scorers.Target
  ) -> inspect_scorers.Score:
    grade = _grade(prepared, state)
    if grade is None:
      return inspect_scorers.Score.unscored(reason='The episode was cut off.')
    label = grade['outcome']
    return inspect_scorers.Score(
        value=label, explanation=prepared.module.OUTCOMES[label]
    )

  return score
