"""What each process is told; what several do is in meshes_test.py."""

import os
import signal

import jax
import numpy as np
import pytest

from emojax import errors
from emojax import hosts


@pytest.fixture
def watching(monkeypatch):
  monkeypatch.setattr(hosts, '_stop_asked', False)
  before = signal.getsignal(signal.SIGTERM)
  hosts.watch_for_stop()
  yield
  signal.signal(signal.SIGTERM, before)


def test_nobody_stops_who_was_not_told_to(watching):
  hosts.stop_if_asked()


def test_sigterm_stops_the_run_where_it_asks_and_not_before(watching):
  os.kill(os.getpid(), signal.SIGTERM)
  with pytest.raises(errors.Stopped, match='SIGTERM.*same command goes on'):
    hosts.stop_if_asked()


def test_a_single_process_works_in_the_workdir_itself(tmp_path):
  with hosts.folder(tmp_path / 'not there yet') as own:
    assert own == tmp_path / 'not there yet'
    assert not own.exists()
  assert hosts.is_first()


def test_fetched_trees_are_numpy():
  got = hosts.fetch({'a': jax.numpy.arange(3), 'b': [np.ones(2)]})
  assert isinstance(got['a'], np.ndarray) and got['a'].tolist() == [0, 1, 2]
  assert got['b'][0].tolist() == [1, 1]
