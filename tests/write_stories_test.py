"""A corpus that a model writes: nothing lost, doubled, or asked for in vain."""

import collections
import random

import author as author_lib
import numpy as np
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax import hosts
from emojax import vectors
from emojax.data import piece_filters
from emojax.data import stories as stories_lib
from emojax.data import story_prompts
from emojax.experiments import corpus_cells
from emojax.experiments import corpus_rows
from emojax.experiments import transfer
from emojax.experiments import write_stories
from emojax.models import engine
from emojax.models import load

EMOTIONS = tiny_model.EMOTIONS
TOPICS = 4  # The reference has three of them.
# Of four texts one is bad, whichever the emotion.
SOME = lambda emotions, number: number % 4 == 0


@pytest.fixture(scope='module')
def fields(tmp_path_factory):
  folder = tmp_path_factory.mktemp('tiny')
  corpus = tiny_model.write_corpus(folder)
  return {
      'model': str(tiny_model.write(folder / 'model')),
      'dtype': 'float32',
      'emotions': EMOTIONS,
      'topics': TOPICS,
      'dialogues': 3,
      'chunk': 5,
      'least_words': 40,
      'reference': corpus['stories'],
      'neutral_dialogues': corpus['neutral'],
      'start': tiny_model.START,
      'shuffles': 3,
  }


@pytest.fixture(scope='module')
def lm(fields):
  return load.load(fields['model'], fields['dtype'])


@pytest.fixture
def run(fields, monkeypatch):
  """Runs the experiment with an author in the model's place."""

  def run(workdir, author=None, **others):
    author = author or author_lib.Author(SOME)
    monkeypatch.setattr(engine, 'write', author.write)
    config = tiny_model.config('write_stories', **fields | others)
    write_stories.run(config, workdir)
    return rows(workdir / write_stories.NAME)

  return run


@pytest.fixture(scope='module')
def finished(fields, tmp_path_factory):
  """The workdir of a run that nobody disturbs, with a comparison."""
  workdir = tmp_path_factory.mktemp('finished') / 'run'
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(engine, 'write', author_lib.Author(SOME).write)
    write_stories.run(tiny_model.config('write_stories', **fields), workdir)
  return workdir


@pytest.fixture
def write(fields, lm, monkeypatch, tmp_path):
  """Writes completions alone: (author, settings) -> completions, cells."""

  def write(author, **others):
    monkeypatch.setattr(engine, 'write', author.write)
    config = tiny_model.config('write_stories', **fields | others)
    cells = corpus_cells.plan(config, None)
    path = tmp_path / str(len(list(tmp_path.iterdir()))) / write_stories.NAME
    written = write_stories.write(config, path, lm, cells)
    return written, cells, corpus_rows.judge(config, written)

  return write


def rows(path):
  return [row for _, row in files.read_jsonl(path)]


def whole(workdir):
  return {
      str(path.relative_to(workdir)): path.read_bytes()
      for path in sorted(workdir.rglob('*'))
      if path.is_file()
  }


def cell_of(row):
  return row['kind'], tuple(row['emotions']), row['topic']


def test_a_cell_that_has_what_it_wants_is_asked_no_more(write):
  before, lacking = [], set()
  for rounds in (1, 2, 3, 4):
    written, cells, judged = write(author_lib.Author(SOME), rounds=rounds)
    assert written[: len(before)] == before  # A round only adds.
    if before:
      new = {corpus_cells.key_of(w.request) for w in written[len(before) :]}
      assert new == lacking
    kept = corpus_rows.kept(judged)
    lacking = {c.key for c in cells if kept.get(c.key, 0) < c.wanted}
    before = written
  assert not lacking


def test_a_model_that_only_writes_well_is_asked_once_for_each_piece(write):
  written, cells, _ = write(author_lib.Author())
  asked = collections.Counter(corpus_cells.key_of(w.request) for w in written)
  assert asked == {cell.key: cell.wanted for cell in cells}
  assert sum(cell.wanted for cell in cells) == TOPICS * (4 * 2 + 1 + 3)


def test_what_is_never_written_well_is_asked_for_until_the_rounds_are_over(
    write,
):
  spoil = lambda emotions, number: emotions == ['proud']
  written, _, judged = write(author_lib.Author(spoil), rounds=5, neutral=0)
  asked = collections.Counter(w.request.emotions for w in written)
  # Two pieces; once, twice, four, eight and again eight times as many.
  assert asked['proud',] == TOPICS * 2 * (1 + 2 + 4 + 8 + 8)
  assert asked['happy',] == TOPICS * 2
  kept = corpus_rows.kept(judged)
  assert {key for key, count in kept.items() if not count} == {
      key for key in kept if key[1] == ('proud',)
  }


def test_every_wording_is_asked_and_none_belongs_to_an_emotion_or_topic(
    fields, write
):
  written, _, _ = write(author_lib.Author())
  asked = collections.defaultdict(set)
  for each in written:
    request = each.request
    asked[request.kind].add(request.prompt_id)
    if request.kind == 'story':
      asked[request.emotions].add(request.prompt_id)
      asked[request.topic].add(request.prompt_id)
  for kind in story_prompts.KINDS:
    assert asked[kind] == set(corpus_cells.wordings_of(kind))
  for name in [*((e,) for e in EMOTIONS), *story_prompts.topics()[:TOPICS]]:
    assert asked[name] == asked['story'], name


def test_no_two_completions_are_drawn_alike(fields, lm, write, monkeypatch):
  keys = []
  author = author_lib.Author(SOME)

  def noting(lm, bank, requests, *rest, **others):
    keys.extend((r.prompt, tuple(r.key.tolist())) for r in requests)
    return author_lib.Author.write(author, lm, bank, requests, *rest, **others)

  author.write = noting
  written, _, _ = write(author)
  assert len(set(keys)) == len(keys) == len(written)
  assert len({key for _, key in keys}) == len(keys)
  again, keys[:] = list(keys), []
  write(author, seed=1)
  assert not {key for _, key in again} & {key for _, key in keys}


def test_a_run_killed_at_any_moment_loses_and_doubles_nothing(
    finished, fields, run, tmp_path, monkeypatch
):
  expected = whole(finished)
  moments, stops = random.Random(0), 0
  workdir, author = tmp_path / 'run', author_lib.Author(SOME)
  compared = {name for name in expected if 'activations' in name}
  while True:
    in_order = stops % 2  # Between chunks, or in the middle of one.
    author.stop_after = len(author.asked) + moments.randrange(1, 16)
    if in_order:
      limit, author.stop_after = author.stop_after, None

      def stop(limit=limit):
        if len(author.asked) >= limit:
          raise errors.Stopped('Told to stop.')

      monkeypatch.setattr(hosts, 'stop_if_asked', stop)
    try:
      run(workdir, author)
      break
    except errors.Stopped:
      monkeypatch.setattr(hosts, 'stop_if_asked', lambda: None)
      stops += 1
  assert stops > 4 and compared
  assert whole(workdir) == expected
  count = len(rows(workdir / write_stories.NAME))
  # What is lost is the rest of a chunk that was never whole.
  assert count <= len(author.asked) < count + stops * fields['chunk']


def test_a_finished_run_is_left_alone(finished, fields, monkeypatch):
  monkeypatch.setattr(engine, 'write', None)
  stamps = {path: path.stat().st_mtime_ns for path in finished.rglob('*')}
  write_stories.run(tiny_model.config('write_stories', **fields), finished)
  assert {p: p.stat().st_mtime_ns for p in finished.rglob('*')} == stamps


def test_a_corpus_that_is_written_loads_and_says_where_each_row_is_from(
    finished, fields
):
  stories = stories_lib.load_stories(finished / 'stories.jsonl')
  assert set(stories.emotions) == set(EMOTIONS)
  assert set(stories.topics) == set(story_prompts.topics()[:TOPICS])
  assert len(stories.stories) == len(EMOTIONS) * TOPICS * 2
  assert len(stories_lib.load_dialogues(finished / 'neutral.jsonl')) == TOPICS
  texts = stories_lib.load_texts(finished / 'dialogues.jsonl')
  assert len(texts) == TOPICS * 3
  completions = {
      (row['prompt_id'], *row['emotions'], row['topic'], row['attempt']): row
      for row in rows(finished / write_stories.NAME)
  }
  seen = set()
  for row in rows(finished / 'stories.jsonl'):
    assert (
        row['model'] == fields['model'] and row['seed'] == 0 and row['source']
    )
    place = row['prompt_id'], row['emotion'], row['topic'], row['index']
    seen.add(place)
    assert completions[place]['text'] == row['text']
  assert len(seen) == len(stories.stories)


def test_a_corpus_has_no_more_than_is_wanted_of_a_cell(write, lm, tmp_path):
  # After the first texts all at once: more are good than were lacking.
  spoil = lambda emotions, number: number % 4 != 0
  written, cells, judged = write(author_lib.Author(spoil), rounds=6)
  kept = corpus_rows.kept(judged)
  assert any(kept[cell.key] > cell.wanted for cell in cells)
  config = tiny_model.config('write_stories')
  counts = corpus_rows.write_corpora(
      config, tmp_path, lm, cells, written, judged
  )
  for name in ('stories', 'neutral', 'dialogues'):
    kind = {'stories': 'story'}.get(name, name.rstrip('s'))
    most = sum(
        min(cell.wanted, kept[cell.key]) for cell in cells if cell.kind == kind
    )
    rest = counts[corpus_rows.REST]['rows'] if name == 'stories' else 0
    assert counts[f'{name}.jsonl']['rows'] + rest == most


def test_several_pieces_in_one_completion_are_each_a_row_of_their_own(
    run, tmp_path
):
  written = run(
      tmp_path / 'run', pieces=3, stories=6, reply_prefix=True, reference=''
  )
  stories = rows(tmp_path / 'run/stories.jsonl')
  assert len(stories) == len(EMOTIONS) * TOPICS * 6
  places = {
      (r['emotion'], r['topic'], r['prompt_id'], r['index']) for r in stories
  }
  assert len(places) == len(stories) == len({r['text'] for r in stories})
  starts = {'story': '[story]\n', 'neutral': '[dialogue]\n'}
  for row in written:
    assert row['text'].startswith(starts.get(row['kind'], 'Person:'))
    assert row['count'] == (1 if row['kind'] == 'dialogue' else 3)


def test_stories_of_emotions_that_lack_a_topic_lie_apart(run, tmp_path):
  spoil = lambda emotions, number: emotions == ['proud'] and number % 3
  run(tmp_path / 'run', author_lib.Author(spoil), rounds=1, reference='')
  yields = files.read_json(tmp_path / 'run/yields.json')['corpora']
  rest = rows(tmp_path / 'run' / corpus_rows.REST)
  assert {row['emotion'] for row in rest} == {'proud'}
  assert yields[corpus_rows.REST] == {
      'rows': len(rest),
      'emotions': 1,
      'topics': len({row['topic'] for row in rest}),
  }
  assert yields['stories.jsonl'] == {'rows': 24, 'emotions': 3, 'topics': 4}
  stories_lib.load_stories(tmp_path / 'run/stories.jsonl')


@pytest.mark.parametrize(
    ('lacking', 'left'),
    [
        ('', 'abcd 1234'),
        ('a1', 'abcd 234'),  # Of 16 cells 4 go, whichever it is.
        ('a1 a2', 'bcd 1234'),
        ('a1 b1', 'abcd 234'),
        ('a1 a2 a3', 'bcd 1234'),
        ('a1 b2', 'bcd 134'),
        ('a1 a2 a3 a4', 'bcd 1234'),
        ('a1 a2 b1 b2 c3', 'abd 34'),
    ],
)
def test_a_complete_design_is_left_of_hand_made_gaps(lacking, left):
  every = {(e, t) for e in 'abcd' for t in '1234'}
  got = corpus_rows.crossed(every - {tuple(cell) for cell in lacking.split()})
  emotions, topics = left.split()
  assert got == {(e, t) for e in emotions for t in topics}


def test_what_is_left_is_complete_and_nothing_could_be_put_back():
  rng = np.random.default_rng(0)
  for density in (0.2, 0.5, 0.8, 0.95) * 10:
    cells = {
        (f'e{i}', f't{j}') for i, j in np.argwhere(rng.random((9, 6)) < density)
    }
    left = corpus_rows.crossed(cells)
    emotions, topics = ({cell[i] for cell in left} for i in (0, 1))
    assert left == {(e, t) for e in emotions for t in topics} <= cells
    for e, t in cells:
      if e not in emotions:
        assert not all((e, other) in cells for other in topics)
      if t not in topics:
        assert not all((other, t) in cells for other in emotions)


def test_yields_count_every_completion_once(finished):
  kinds = files.read_json(finished / 'yields.json')['kinds']
  written = rows(finished / write_stories.NAME)
  assert sum(kind['total']['completions'] for kind in kinds.values()) == len(
      written
  )
  for name, kind in kinds.items():
    own = [row for row in written if row['kind'] == name]
    assert kind['total']['completions'] == len(own)
    for part in ('prompts', 'emotions'):
      for count in ('asked', 'completions', 'parsed'):
        assert kind['total'][count] == sum(
            each[count] for each in kind[part].values()
        )
    kept = sum(row['reasons'].count(None) for row in own)
    estimate = kind['total']['kept']
    assert estimate['n'] == kind['total']['asked'] == len(own)
    assert round(estimate['value'] * len(own)) == kept
    refused = sum(kind['total']['refused'].values())
    assert kind['total']['parsed'] == refused + kept
  assert set(kinds['story']['emotions']) == set(EMOTIONS)
  assert kinds['story']['total']['refused']['too short'] > 0
  assert kinds['neutral']['total']['dropped']['malformed'] > 0


@pytest.mark.parametrize(
    ('others', 'message'),
    [
        ({'emotions': ('happy', 'hapy')}, "'hapy', which is none"),
        ({'emotions': ('happy', 'happy')}, 'each once'),
        ({'emotions': ('happy',)}, 'give 2 or more'),
        ({'new_tokens': 2000}, 'lower config.new_tokens'),
        ({'stories': 0, 'neutral': 0, 'dialogues': 0}, 'are all 0'),
        ({'topics': 2}, 'config.topics=2: must be 3'),
        ({'topics': 101}, 'there are 100'),
        ({'temperature': float('nan')}, 'config.temperature=nan'),
        ({'top_p': 0.0}, 'config.top_p=0.0'),
        ({'seed': 2**32}, 'config.seed'),
        ({'most_words': 39}, 'is above config.most_words=39'),
        ({'start': 40}, 'below config.least_words=40'),
        ({'shuffles': 1}, 'config.shuffles=1'),
        ({'reference': '/no/such.jsonl'}, 'No such file'),
        ({'neutral_dialogues': '/no/such.jsonl'}, 'No such file'),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    run, tmp_path, others, message
):
  author = author_lib.Author()
  with pytest.raises(errors.InputError, match=message) as caught:
    run(tmp_path / 'run', author, **others)
  assert '\n' not in str(caught.value)
  assert not author.asked and not list(tmp_path.iterdir())


def test_activations_that_are_not_finite_are_one_line(run, tmp_path):
  author = author_lib.Author()
  author.write = lambda lm, bank, requests, *_, **__: [
      engine.Written(tokens=(), finite=False, readings=None) for _ in requests
  ]
  with pytest.raises(errors.InputError, match='not finite in float32'):
    run(tmp_path / 'run', author)


@pytest.mark.parametrize(
    ('others', 'said'),
    [
        ({'rounds': 1}, 'too few emotions are complete'),
        ({'reference': ''}, 'no reference was given'),
        ({'stories': 0}, 'no stories were asked for'),
    ],
)
def test_a_run_that_has_nothing_to_compare_ends_and_says_so(
    run, tmp_path, others, said
):
  author = author_lib.Author(lambda emotions, number: True)
  run(tmp_path / 'run', author, **{'rounds': 1} | others)
  assert not (tmp_path / 'run/comparison.json').exists()
  assert said in (tmp_path / 'run/report.html').read_text(encoding='utf-8')


def test_the_comparison_is_of_what_both_corpora_have(finished):
  found = files.read_json(finished / 'comparison.json')
  assert found['topics'] == sorted(tiny_model.TOPICS)
  assert sorted(row['emotion'] for row in found['emotions']) == sorted(EMOTIONS)
  assert found['stories'] == {'written': 24, 'reference': 12}
  assert len(found['transfer']) == len(found['nested']) == 4
  for way, layers in found['transfer'].items():
    assert [row['layer'] for row in layers] == list(range(tiny_model.LAYERS))
    # The last story of the reference ends before it is read.
    n = 11 if way.endswith('to reference') else 24
    assert {row['top1']['n'] for row in layers} == {n}
  page = (finished / 'report.html').read_text(encoding='utf-8')
  assert 'not compared' not in page


def _corpus(seed, noise=0.3, labels=None):
  """Arrays of 5 emotions on 6 topics, 2 stories each, at 3 layers."""
  rng = np.random.default_rng(seed)
  emotion, topic = (np.ravel(x) for x in np.indices((5, 6, 2))[:2])
  emotion, topic = emotion.copy(), topic.copy()
  # The same directions and topics in all; the last layer has only noise.
  directions = np.random.default_rng(0).normal(size=(5, 3, 40))
  directions[:, 2] = 0
  stories = directions[emotion] + rng.normal(size=(6, 3, 40))[topic]
  stories += noise * rng.normal(size=stories.shape)
  if labels is not None:
    emotion = labels[emotion]
  return {
      'stories': stories.astype(np.float32),
      'emotion': emotion,
      'topic': topic,
      'components': np.zeros((3, 1, 40), np.float32),
  }


@pytest.fixture(scope='module')
def settings():
  return tiny_model.config('write_stories', shuffles=10)


def test_a_corpus_compared_with_itself_has_cosine_1_and_equal_accuracies(
    settings,
):
  corpus = _corpus(1, noise=3)
  found = transfer.compare(
      settings, corpus, {name: x.copy() for name, x in corpus.items()}
  )
  for row in found['cosine']:
    np.testing.assert_allclose(
        [row['same'][name] for name in ('value', 'low', 'high')], 1, atol=1e-5
    )
  for row in found['emotions']:
    np.testing.assert_allclose(row['same']['low'], 1, atol=1e-4)
  four = list(found['transfer'].values())
  for each in four[1:]:
    for row, first in zip(each, four[0], strict=True):
      assert row['top1'] == first['top1'] and row['top5'] == first['top5']
  assert 0.2 < four[0][found['chosen_layer']]['top1']['value'] < 1
  nested = [each['top1'] for each in found['nested'].values()]
  assert nested == nested[:1] * 4


def test_two_authors_of_the_same_emotions_are_told_apart_both_ways(settings):
  found = transfer.compare(settings, _corpus(1), _corpus(2))
  assert found['chosen_layer'] < 2  # The last has noise alone.
  assert found['chance'] == {'top1': 0.2, 'top5': 1}
  for row in found['cosine'][:2]:
    assert row['same']['low'] > 0.9 > 0.5 > row['different']['high']
  noise = found['cosine'][2]
  assert noise['same']['low'] < noise['different']['high']
  for layers in found['transfer'].values():
    assert layers[0]['top1']['value'] == 1
    assert layers[0]['shuffled_top1']['high'] < 0.5
    assert layers[2]['top1']['low'] < layers[2]['shuffled_top1']['high']
  for nested in found['nested'].values():
    assert nested['top1']['low'] > nested['shuffled_top1']['high']
  assert found['cosine'][0]['same']['low'] > found['shuffled_best']['high']


def test_vectors_of_shuffled_labels_are_as_unlike_as_different_emotions(
    settings,
):
  rng = np.random.default_rng(3)
  corpus = _corpus(2)
  labels = vectors.shuffled(rng, corpus['emotion'], corpus['topic'])
  found = transfer.compare(settings, _corpus(1), corpus | {'emotion': labels})
  for row in found['cosine']:
    assert abs(row['same']['value'] - row['different']['value']) < 0.3
    assert row['same']['low'] < row['different']['high']
    assert row['same']['low'] < found['shuffled_best']['high']
  for way in ('written to reference', 'reference to written'):
    nested = found['nested'][way]
    assert nested['top1']['low'] < nested['shuffled_top1']['high']
    for row in found['transfer'][way]:
      assert row['top1']['low'] < row['shuffled_top1']['high'] < 0.5


def test_labels_that_are_dealt_out_anew_are_found_within_one_corpus_alone(
    settings,
):
  other = _corpus(2, labels=np.array([1, 2, 3, 4, 0]))
  found = transfer.compare(settings, _corpus(1), other)
  for way, layers in found['transfer'].items():
    train, _, test = way.partition(' to ')
    assert layers[0]['top1']['value'] == (train == test)
  assert found['cosine'][0]['same']['high'] < 0


def test_more_noise_makes_the_interval_of_an_emotion_wider(settings):
  widths = []
  for noise in (0.3, 3):
    found = transfer.compare(
        settings, _corpus(1, noise=noise), _corpus(2, noise=noise)
    )
    for row in found['emotions']:
      assert row['same']['low'] <= row['same']['value'] <= row['same']['high']
      assert row['same']['n'] == 6 and row['different']['n'] == 4
    widths.append(
        np.mean(
            [r['same']['high'] - r['same']['low'] for r in found['emotions']]
        )
    )
  assert widths[0] < widths[1]


def test_every_reason_is_one_that_the_filters_have(finished):
  for row in rows(finished / write_stories.NAME):
    assert set(row['reasons']) <= {None, *piece_filters.REASONS}
    assert len(row['reasons']) + len(row['dropped']) >= 1
