"""Programs that JAX compiles while something runs."""

import jax


def compiles(run):
  """How many programs are compiled meanwhile."""
  count = 0

  def listen(event, duration, **kwargs):
    nonlocal count
    count += event == '/jax/core/compile/backend_compile_duration'

  jax.monitoring.register_event_duration_secs_listener(listen)
  try:
    run()
  finally:
    jax.monitoring.unregister_event_duration_listener(listen)
  return count
