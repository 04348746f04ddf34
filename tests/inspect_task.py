"""A task that is not ours, written against Inspect's public API alone."""

from inspect_ai import Task
from inspect_ai import task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
from inspect_ai.solver import system_message

CAPITALS = {
    'Brazil': 'Brasilia',
    'France': 'Paris',
    'Greece': 'Athens',
    'Mexico': 'Mexico City',
    'Norway': 'Oslo',
    'Poland': 'Warsaw',
    'Sweden': 'Stockholm',
    'Turkey': 'Ankara',
}


@task
def capitals(count: int = len(CAPITALS)) -> Task:
  """Countries, as plain questions with a system message."""
  pairs = list(CAPITALS.items())
  return Task(
      dataset=[
          Sample(
              input=f'What is the capital of {country}? ({i})', target=capital
          )
          for i in range(count)
          for country, capital in [pairs[i % len(pairs)]]
      ],
      solver=[system_message('Answer in one word.'), generate()],
      scorer=includes(),
  )
