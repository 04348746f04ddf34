"""What Inspect finds of emojax when it is installed: see its entry points."""

from inspect_ai import model as inspect_models

from emojax.providers import inspect_tasks

__all__ = ['emojax', 'inspect_tasks']


@inspect_models.modelapi(name='emojax')
def emojax() -> type[inspect_models.ModelAPI]:
  # Here, because Inspect loads all entry points, whichever model it is asked
  # for, and JAX takes a while.
  from emojax.providers import inspect_model

  return inspect_model.Emojax
