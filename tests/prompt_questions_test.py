"""The questions that read prompts, asked of a tiny model."""

import importlib
import json
import math

import jax
import numpy as np
import pytest
import question_fixtures
import tiny_model

from emojax import errors
from emojax.data import prompt_sets
from emojax.experiments import study as study_lib
from emojax.experiments.measures import minimal_pairs
from emojax.experiments.measures import prompt_readings
from emojax.experiments.measures import swap_readings
from emojax.experiments.measures import turn_readings

QUESTIONS = ('implicit', 'ladders', 'turns', 'contrasts')
PROBES = ('happy', 'angry', 'proud')
SETTINGS = {
    'implicit': {'sets': 3, 'draws': 20, 'emotions': PROBES},
    'ladders': {'sets': 3, 'emotions': ('happy', 'bored')},
    'turns': {'sets': 3, 'draws': 20, 'emotions': PROBES, 'new_tokens': 4},
    'contrasts': {'sets': 3, 'parts': 4},
}
# Fields that name files, and the rows that they are given.
FILES = {
    ('implicit', 'prompts'): 'implicit',
    ('ladders', 'ladders'): 'ladders',
    ('turns', 'prompts'): 'turns',
    ('contrasts', 'pairs'): 'contrasts',
    ('contrasts', 'bindings'): 'bindings',
}


def rows_of(name):
  """A few packaged rows, about the emotions of the tiny model."""
  rows = tiny_model.packaged(name)
  if name == 'turns':
    return rows[:5]
  if name == 'bindings':
    pairs = (('happy', 'bored'), ('angry', 'proud'), ('bored', 'angry'))
    return [row | {'emotions': pair} for row, pair in zip(rows, pairs)]
  if name == 'ladders':
    rows = [r for r in rows if 'bored' in r['rises'] + r['falls']]
    cut = [row | {'values': row['values'][:4]} for row in rows[:3]]
    bare = {k: v for k, v in cut[2].items() if k != 'matched'}
    return [*cut[:2], bare | {'paraphrases': []}]
  kept = [r for r in rows if r['emotion'] in tiny_model.EMOTIONS]
  other = next(r for r in rows if r['emotion'] not in tiny_model.EMOTIONS)
  return [*kept, other]


@pytest.fixture(scope='module')
def study(tmp_path_factory):
  folder = tmp_path_factory.mktemp('prompts')
  config = question_fixtures.config(folder, **SETTINGS)
  for (question, field), name in FILES.items():
    tiny_model.write_rows(folder / f'{name}.jsonl', rows_of(name))
    config[question][field] = str(folder / f'{name}.jsonl')
  return question_fixtures.study(folder, config)


def prepare(study, name, emotions=None, **changes):
  config = study.config.copy_and_resolve_references()
  config[name].update(changes)
  question = importlib.import_module(f'emojax.experiments.questions.{name}')
  return question.prepare(config, study.lm, emotions or study.emotions)


@pytest.fixture(scope='module')
def prepared(study):
  return {name: prepare(study, name) for name in QUESTIONS}


@pytest.fixture(scope='module')
def answers(study, prepared):
  out = {}
  for name in QUESTIONS:
    question = importlib.import_module(f'emojax.experiments.questions.{name}')
    found = question.run(study, prepared[name])
    out[name] = json.loads(json.dumps(found, allow_nan=False))
  return out


@pytest.mark.parametrize('name', QUESTIONS)
def test_every_number_has_a_control_and_a_name_of_its_own(answers, name):
  numbers = answers[name]['numbers']
  assert 3 <= len(numbers) <= 8
  assert len({row['id'] for row in numbers}) == len(numbers)
  for row in numbers:
    assert row['id'].startswith(f'{name}_')
    assert row['controls'] and row['n'] > 0
    assert math.isfinite(row['value'])


@pytest.mark.parametrize('name', QUESTIONS)
def test_what_is_published_has_a_number_to_stand_beside(answers, name):
  path = tiny_model.ROOT / 'emojax' / 'data' / 'published' / f'{name}.json'
  published = json.loads(path.read_text())
  assert published.keys() <= {row['id'] for row in answers[name]['numbers']}
  for entry in published.values():
    assert entry.keys() == {'paper', 'replications', 'where'}
    assert entry['paper'] or entry['replications']


@pytest.mark.parametrize('name', QUESTIONS)
def test_a_page_has_a_caption_for_every_figure(answers, name):
  report = importlib.import_module(f'emojax.report.questions.{name}')
  view = report.view(answers[name])
  assert view['figures'].keys() == view['captions'].keys()
  for id_, figure in view['figures'].items():
    assert id_.startswith(f'{name}-')
    assert len(figure.data)
    json.dumps(figure.to_plotly_json(), default=list)
  for key in ('title', 'question', 'shows', 'method'):
    assert view[key].strip()
  assert view['shows'].count('.') <= 4
  for table in view['tables']:
    widths = {len(row) for row in table['rows']}
    assert widths <= {len(table['columns'])}


@pytest.mark.parametrize('name', QUESTIONS)
def test_an_answer_is_the_same_again(study, prepared, answers, name):
  question = importlib.import_module(f'emojax.experiments.questions.{name}')
  again = question.run(study, prepared[name])
  assert json.loads(json.dumps(again)) == answers[name]


def test_rows_about_emotions_without_a_vector_are_counted(answers):
  assert answers['implicit']['left_out'] == 1
  assert answers['contrasts']['left_out'] == {'pairs': 1, 'bindings': 0}
  assert set(answers['implicit']['prompted']) == set(tiny_model.EMOTIONS)


@pytest.mark.parametrize('name', ['implicit', 'ladders', 'contrasts'])
def test_a_question_without_emotions_is_absent(study, name):
  question = importlib.import_module(f'emojax.experiments.questions.{name}')
  nothing = prepare(study, name, emotions=('absent', 'lacking', 'gone'))
  found = question.run(study, nothing)
  assert found.keys() == {'absent'} and ';' in found['absent']


def test_turns_without_probes_are_absent(study, prepared):
  question = importlib.import_module('emojax.experiments.questions.turns')
  config = study.config.copy_and_resolve_references()
  config.turns.emotions = ('absent', 'happy')
  other = study_lib.Study(
      config,
      study.workdir,
      study.lm,
      study.stories,
      study.dialogues,
      study.arrays,
      study.metadata,
  )
  assert question.run(other, prepared['turns']).keys() == {'absent'}


@pytest.mark.parametrize(
    'name, changes',
    [
        ('implicit', {'top': 0}),
        ('implicit', {'draws': 0}),
        ('ladders', {'sets': 0}),
        ('ladders', {'wordings': 0}),
        ('turns', {'new_tokens': 0}),
        ('contrasts', {'parts': 0}),
        ('contrasts', {'affirmed': 'I am fine.'}),
        ('contrasts', {'negated': '{x}, not {x}.'}),
    ],
)
def test_a_setting_that_cannot_work_is_refused(study, name, changes):
  (field,) = changes
  with pytest.raises(errors.InputError, match=rf'config\.{name}\.{field}='):
    prepare(study, name, **changes)


def test_parts_finer_than_the_shared_text_are_refused(study):
  with pytest.raises(errors.InputError, match='lower that'):
    prepare(study, 'contrasts', parts=2000)


@pytest.mark.parametrize('name', ['implicit', 'turns'])
def test_a_line_that_cannot_be_read_is_named(study, tmp_path, name):
  path = tmp_path / 'rows.jsonl'
  tiny_model.write_rows(path, [{'emotion': 'happy', 'text': 3}])
  with pytest.raises(errors.InputError, match=f'{path}:1: '):
    prepare(study, name, prompts=str(path))


def test_a_text_longer_than_the_context_is_refused(study, tmp_path):
  path = tmp_path / 'rows.jsonl'
  text = 'On and on. ' * 200
  tiny_model.write_rows(path, [{'emotion': 'happy', 'text': text}])
  with pytest.raises(errors.InputError, match='more than the context'):
    prepare(study, 'implicit', prompts=str(path))


def test_controls_stand_in_for_vectors_in_sets(study):
  directions = prompt_readings.directions(study, ('proud', 'bored'), 3)
  assert directions.shape == (7 * 2, tiny_model.LAYERS, tiny_model.WIDTH)
  np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1, rtol=1e-5)
  own = study.directions[study.index(('proud', 'bored'))]
  parts = prompt_readings.split(directions.transpose(1, 2, 0), 2)
  np.testing.assert_allclose(parts['emotions'].transpose(2, 0, 1), own)
  for kind in prompt_readings.CONTROLS:
    assert parts[kind].shape == (3, tiny_model.LAYERS, tiny_model.WIDTH, 2)
  flat = directions[:, 0]
  assert len(np.unique(flat.round(5), axis=0)) == len(flat)


def test_shuffled_labels_differ_from_the_emotions_vectors(study):
  names = study.emotions
  parts = prompt_readings.split(
      prompt_readings.directions(study, names, 5).transpose(1, 2, 0), len(names)
  )
  own, shuffled = (
      parts[kind].reshape(*parts[kind].shape[:-3], -1, len(names))
      for kind in ('emotions', 'shuffled')
  )
  same = np.einsum('de,kde->ke', own, shuffled) / tiny_model.LAYERS
  # Of an emotion with itself that would be 1.
  assert abs(same.mean()) < 0.5


def test_tokens_of_a_changed_word_are_the_word(prepared):
  for pair in prepared['contrasts'].pairs:
    words = (pair.contrast.high, pair.contrast.low)
    for chat, pools, word in zip(pair.encoded, pair.pools, words, strict=True):
      inside = pools[minimal_pairs.WORD]
      assert ''.join(p for p, i in zip(chat.pieces, inside) if i) == word


def test_shared_tokens_are_the_same_and_share_their_parts_out(prepared):
  for pair in prepared['contrasts'].pairs:
    high, low = pair.encoded
    for place in ('1', '2', '3', '4', minimal_pairs.SUFFIX):
      ids = [
          [i for i, inside in zip(chat.ids, pools[place]) if inside]
          for chat, pools in zip((high, low), pair.pools, strict=True)
      ]
      assert ids[0] == ids[1]
    for pools in pair.pools:
      parts = np.sum([pools[str(i)] for i in range(1, 5)], axis=0)
      np.testing.assert_array_equal(parts, pools[minimal_pairs.SUFFIX])
    suffix = pair.pools[0][minimal_pairs.SUFFIX]
    text = ''.join(p for p, inside in zip(high.pieces, suffix) if inside)
    after = pair.contrast.template.partition('{x}')[2]
    assert text.strip() == after.strip()


def test_the_embedding_layer_sees_no_change_where_tokens_are_the_same(
    study, prepared
):
  pairs, _, texts, _ = prepared['contrasts']
  changed = swap_readings.of_pairs(study, pairs)
  embedded = changed[minimal_pairs.SUFFIX][swap_readings.EMBEDDING]
  np.testing.assert_allclose(embedded, 0, atol=1e-6)
  assert np.abs(changed[minimal_pairs.SUFFIX]['emotions']).max() > 1e-3
  bound = swap_readings.of_bindings(study, texts)
  np.testing.assert_allclose(
      bound['name'][swap_readings.EMBEDDING], 0, atol=1e-6
  )
  assert np.abs(bound['name']['emotions']).max() > 1e-3


def test_nothing_changes_before_the_changed_word(study, prepared):
  pairs = prepared['contrasts'].pairs
  encoded = [chat for pair in pairs for chat in pair.encoded]
  first = [
      prompt_readings.one(
          len(chat.ids), np.flatnonzero(pools[minimal_pairs.WORD])[0] - 1
      )
      for pair in pairs
      for chat, pools in zip(pair.encoded, pair.pools, strict=True)
  ]
  read = study_lib.read(study, [c.ids for c in encoded], {'at': first}, 'Test')
  np.testing.assert_allclose(read['at'][::2], read['at'][1::2], atol=1e-5)


def test_emotions_and_names_of_two_people_are_found(prepared):
  texts = prepared['contrasts'].texts
  count = len(texts.bindings)
  for i, chat in enumerate(texts.encoded):
    binding = texts.bindings[i % count]
    emotions = binding.emotions if i < count else binding.emotions[::-1]
    written = ''.join(chat.pieces)
    for person in (0, 1):
      word, name = (texts.pools[place][i][person] for place in ('word', 'name'))
      read = ''.join(p for p, inside in zip(chat.pieces, word) if inside)
      assert read == emotions[person]
      (at,) = np.flatnonzero(name)
      before = ''.join(chat.pieces[: at + 1])
      assert before.endswith(binding.names[person])
      assert binding.names[person] not in written[len(before) :]


def test_places_of_a_sentence_are_its_word_its_end_and_the_reply(prepared):
  sentences = prepared['contrasts'].sentences
  size = len(tiny_model.EMOTIONS)
  for i, chat in enumerate(sentences.encoded):
    word, end, response = (
        sentences.pools[place][i] for place in ('word', 'end', 'response')
    )
    read = ''.join(p for p, inside in zip(chat.pieces, word) if inside)
    assert read == tiny_model.EMOTIONS[i % size]
    assert chat.pieces[np.flatnonzero(end)[0]] == '.'
    assert np.flatnonzero(response).tolist() == [chat.response]
    assert ('not' in ''.join(chat.pieces)) == (i >= size)


def test_a_statement_ends_at_its_last_full_stop(prepared):
  question = f' {prompt_sets.QUESTION}'
  for row, chat, stop in zip(*prepared['turns'], strict=True):
    until = ''.join(chat.pieces[: stop + 1])
    assert until.endswith(row.text.removesuffix(question))


def test_a_reply_is_read_after_its_chat_and_nowhere_else(study, prepared):
  _, encoded, stops = prepared['turns']
  replies = turn_readings.write(study.lm, encoded, 4, 16)
  for chat, stop, reply in zip(encoded, stops, replies, strict=True):
    pools = turn_readings.pools_of(chat, stop, reply)
    first = len(chat.ids)
    assert np.flatnonzero(pools['reply']).tolist() == [
        *range(first, first + len(reply))
    ]
    assert not set(reply) & set(study.lm.tokenizer.stop)
    for place, at in (('response', chat.response), ('statement', stop)):
      assert np.flatnonzero(pools[place]).tolist() == [at]
    (user,) = np.flatnonzero(pools['user'])
    assert chat.pieces[user] == '?' and chat.message[user + 1] == -1


def test_a_greedy_reply_is_the_likeliest_token_each_time(study, prepared):
  chat = prepared['turns'].encoded[0]
  (reply,) = turn_readings.write(study.lm, [chat], 3, 16)
  ids = np.array([chat.ids + reply])
  logits, _ = jax.jit(study.lm.model.apply)(study.lm.params, ids)
  likeliest = np.argmax(np.asarray(logits[0]), axis=-1)
  assert likeliest[len(chat.ids) - 1 : -1].tolist() == list(reply)


def test_a_fast_run_has_fewer_wordings_of_the_same_ladders(study, prepared):
  few = prepare(study, 'ladders', wordings=1)
  assert [len(each.meant) for each in few.ladders] == [1, 1, 1]
  for one, all_ in zip(few.ladders, prepared['ladders'].ladders, strict=True):
    first, again = (
        [found.encoded[i].ids for i in each.meant[0]]
        for found, each in ((few, one), (prepared['ladders'], all_))
    )
    assert first == again


def test_ladders_with_and_without_matched_numbers_go_together(answers):
  ladders = answers['ladders']['ladders']
  assert [row['matched'] is None for row in ladders] == [False, False, True]
  assert [row['wordings'] for row in ladders] == [3, 3, 1]
  numbers = {row['id']: row for row in answers['ladders']['numbers']}
  # The excess can be had for two ladders of three.
  assert numbers['ladders_excess']['n'] < numbers['ladders_rho']['n']
