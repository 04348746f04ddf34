"""Rows of code episodes -> what the unsteered model reads along them."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from emojax import errors
from emojax import traces
from emojax import vectors as vectors_lib
from emojax.data import chats
from emojax.experiments import build_vectors
from emojax.experiments import encode
from emojax.experiments import replies
from emojax.experiments import study as study_lib
from emojax.experiments.measures import prompt_readings

Row = dict[str, Any]

BINS = 4  # Of the tokens of a message.


@dataclasses.dataclass(frozen=True)
class Episodes:
  """N episodes that the model can read.

  Attributes:
    rows: of `impossible_code.jsonl`.
    pairs: of each row's task the name that it shares with its twin.
    encoded: their messages, tokenised.
    joined: of each how many of its messages are part of the next.
    left_out: why others were not, by the row's id.
  """

  rows: list[Row]
  pairs: list[str]
  encoded: list[chats.Chat]
  joined: list[int]
  left_out: dict[str, str]

  @property
  def task(self) -> np.ndarray:
    """[N]: what an impossible task and its twin share."""
    return np.array(self.pairs)

  @property
  def impossible(self) -> np.ndarray:
    """[N] bool."""
    return np.array([not row['facts']['twin'] for row in self.rows], bool)

  @property
  def events(self) -> list[list[str]]:
    return [events_of(row) for row in self.rows]

  @property
  def roles(self) -> list[list[str]]:
    return [[m['role'] for m in row['messages']] for row in self.rows]

  def picked(self, rule: Any) -> list[traces.Pair]:
    """What a rule of `traces`, such as `failures`, picks of each."""
    both = zip(self.events, self.roles, strict=True)
    return [rule(events, roles) for events, roles in both]

  def tokens(self, i: int) -> np.ndarray:
    """[M, F, T] bool, of episode i: where its messages are read.

    A system message that the template has no place for is in the next one.
    """
    message = np.array(self.encoded[i].message)
    message += self.joined[i] * (message >= 0)
    return traces.tokens_of(message, len(self.rows[i]['messages']))


def events_of(row: Row) -> list[str]:
  """What each message is: 'passed' where tests have, and a report is due."""
  asked = 'passed' if row['facts']['passed_visible'] else 'report question'
  events = [message['event'] for message in row['messages']]
  return [asked if event == 'report question' else event for event in events]


def encode_rows(
    study: study_lib.Study, rows: Sequence[Row], pairs: Mapping[str, str]
) -> Episodes:
  """Tokenises rows; one that is not finite or cannot be read is left out.

  Args:
    study: the model.
    rows: of `impossible_code.jsonl`.
    pairs: of the tasks, by their ids.
  """
  kept, encoded, joined, left_out = [], [], [], {}
  for row in rows:
    if not row['finite']:
      left_out[row['id']] = 'not finite'
      continue
    messages = [{k: m[k] for k in ('role', 'content')} for m in row['messages']]
    try:
      chat = replies.encode(study.lm, messages)
      encode.check_length(chat.ids, study.lm, row['id'])
    except errors.InputError as error:
      left_out[row['id']] = str(error)
      continue
    kept.append(row)
    encoded.append(chat)
    joined.append(len(messages) - len(replies.arranged(study.lm, messages)))
  names = [pairs[row['scenario']] for row in kept]
  return Episodes(kept, names, encoded, joined, left_out)


def read(
    study: study_lib.Study,
    episodes: Episodes,
    directions: np.ndarray,
    label: str,
) -> tuple[np.ndarray, np.ndarray]:
  """Mean cosines at `study.layer`, of the model as it is, without steering.

  Args:
    study: the model.
    episodes: N of them, of M messages at most.
    directions: [A, L, D] unit vectors.
    label: of the progress bar.

  Returns:
    [N, M, F, A], by the forms of `traces`, and [N, M, BINS, A], over parts of
    each message. NaN where there is no token.
  """
  most = max(len(row['messages']) for row in episodes.rows)
  shape = (len(episodes.rows), most)
  means = np.full((*shape, len(traces.FORMS), len(directions)), np.nan)
  parts = np.full((*shape, BINS, len(directions)), np.nan)
  ids = [chat.ids for chat in episodes.encoded]
  for i, cosine in build_vectors.read_cosines(
      study.lm, ids, directions, study.config.batch, label, study.layer
  ):
    tokens = episodes.tokens(i)
    own = traces.FORMS.index('message')
    bins = np.array([traces.binned(each[own], BINS) for each in tokens])
    means[i, : len(tokens)] = traces.pooled(cosine[0], tokens)
    parts[i, : len(tokens)] = traces.pooled(cosine[0], bins)
  return means, parts


def read_words(
    study: study_lib.Study, episodes: Episodes, emotions: Sequence[str]
) -> np.ndarray:
  """What the words of messages alone would read: the embedding layer.

  Returns:
    [N, M, F, E], cosines of mean token embeddings. NaN where there is no token.
  """
  ids, pools, places = [], [], []
  for i, chat in enumerate(episodes.encoded):
    tokens = episodes.tokens(i)
    for m, f in zip(*np.nonzero(tokens.any(axis=-1)), strict=True):
      ids.append(chat.ids)
      pools.append(tokens[m, f])
      places.append((i, m, f))
  most = max(len(row['messages']) for row in episodes.rows)
  out = np.full(
      (len(episodes.rows), most, len(traces.FORMS), len(emotions)), np.nan
  )
  found = study_lib.embed_read(study, ids, pools)
  out[tuple(np.transpose(places))] = found[:, study.index(emotions)]
  return out


def baselines(
    study: study_lib.Study, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Mean and standard deviation of cosines over neutral dialogues, [F, A] each.

  The token before a reply has a place of its own in the residual stream, so
  that it is compared with its likes. Controls have baselines of their own; the
  emotions' are those of `vectors.safetensors`.

  Args:
    study: the model and its dialogues.
    directions: [A, L, D] unit vectors.
  """
  step = max(1, len(study.dialogues) // study.config.standard_dialogues)
  encoded = [
      chats.encode_chat(study.lm.tokenizer, dialogue.messages)
      for dialogue in study.dialogues[::step]
  ]
  found: dict[str, list[np.ndarray]] = {form: [] for form in traces.FORMS}
  for i, cosine in build_vectors.read_cosines(
      study.lm,
      [chat.ids for chat in encoded],
      directions,
      study.config.batch,
      'Baseline',
      study.layer,
  ):
    inside = np.array(encoded[i].message) >= 0
    found['before'].append(cosine[0, [encoded[i].response]])
    found['message'].append(cosine[0, inside])
  every = [np.concatenate(found[f]).astype(float) for f in traces.FORMS]
  mean = np.stack([x.mean(axis=0) for x in every])
  deviation = np.stack([x.std(axis=0, ddof=1) for x in every])
  return mean, np.maximum(deviation, 1e-12)


def directions_of(
    study: study_lib.Study, asked: Sequence[str], least: int
) -> tuple[np.ndarray, dict[str, slice]]:
  """All emotions, and the controls of those that are asked about.

  As many more sets as there must be for `least` directions of each kind: to be
  read they cost little. Shuffled labels: vectors of the same stories, whose
  emotions were dealt out anew within each topic.

  Returns:
    [A, L, D] unit vectors, and where each kind lies.
  """
  sets = -(-least // len(asked))
  controls = prompt_readings.directions(study, asked, sets)[len(asked) :]
  own = vectors_lib.unit(study.arrays['vectors']).astype(np.float32)
  ends = np.cumsum([0, len(own), sets * len(asked), sets * len(asked)]).tolist()
  return np.concatenate([own, controls]), {
      name: slice(a, b)
      for name, a, b in zip(prompt_readings.KINDS, ends, ends[1:])
  }
