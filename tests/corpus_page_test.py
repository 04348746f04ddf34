"""The page of a corpus that a model wrote: whole, escaped, and outspoken."""

import copy
import json
import pathlib

import corpus_artefacts
import pages
import pytest
import report_fixtures

from emojax import errors
from emojax.report import corpus_figures
from emojax.report import corpus_page

HOSTILE = '</script><img src=x onerror=alert(1)>\u2028"\'&{{ 7*7 }}'
EMOTIONS = corpus_artefacts.EMOTIONS


def _write(folder: pathlib.Path, contents=None) -> str:
  report_fixtures.write(folder, contents or corpus_artefacts.artefacts())
  return corpus_page.write(folder).read_text(encoding='utf-8')


def test_every_section_and_figure_is_on_the_page(tmp_path):
  text = _write(tmp_path)
  ids = [attrs['id'] for _, attrs in pages.tags(text) if 'id' in attrs]
  assert len(ids) == len(set(ids))
  sections = 'numbers emotions refusals comparison texts methods provenance'
  assert set(sections.split()) <= set(ids)
  assert 'Left out' not in text and 'not compared' not in text
  shown = {
      attrs['data-figure']
      for _, attrs in pages.tags(text)
      if 'data-figure' in attrs
  }
  assert shown == set(pages.data(text)['figures']) and len(shown) == 5
  assert 'anything is felt' in text and 'was chosen on these data' in text


def test_page_asks_nothing_of_a_network(tmp_path):
  pages.assert_asks_nothing_of_a_network(_write(tmp_path))


def test_hostile_strings_stay_text(tmp_path):
  contents = copy.deepcopy(corpus_artefacts.artefacts())
  calm = [tag for tag, _ in pages.tags(_write(tmp_path, contents))]
  for row in contents['completions.jsonl']:
    row['text'] = row['topic'] = row['prompt_id'] = HOSTILE
    row['emotions'] = [HOSTILE]
  emotions = contents['yields.json']['kinds']['story']['emotions']
  emotions[HOSTILE] = emotions.pop(EMOTIONS[0])
  contents['comparison.json']['emotions'][0]['emotion'] = HOSTILE
  contents['config.json']['made_from']['model'] = HOSTILE
  text = _write(tmp_path, contents)
  tags = [tag for tag, _ in pages.tags(text)]
  assert tags == calm and 'img' not in tags
  assert '<img' not in pages.without_plotly(text)
  assert '<img' not in json.dumps(pages.data(text)['figures'])
  assert '49' not in text.split('<title>')[1].split('</title>')[0]


def test_same_artefacts_give_the_same_bytes(tmp_path):
  first = _write(tmp_path / 'a')
  assert first == _write(tmp_path / 'b') and str(tmp_path) not in first


@pytest.mark.parametrize(
    ('change', 'said'),
    [
        (lambda c: None, 'too few emotions are complete. 20 emotions have'),
        (
            lambda c: c['config.json']['config'].update(reference=''),
            'no reference was given',
        ),
        (
            lambda c: c['yields.json']['corpora'].pop('stories.jsonl'),
            'no stories were asked for',
        ),
        (
            lambda c: c['yields.json']['corpora']['stories.jsonl'].update(
                rows=0, emotions=0, topics=0
            ),
            'No emotions have a story on each of the topics',
        ),
    ],
)
def test_an_absent_comparison_is_said_with_its_reason(tmp_path, change, said):
  contents = copy.deepcopy(corpus_artefacts.artefacts())
  del contents['comparison.json']
  change(contents)
  text = _write(tmp_path, contents)
  assert 'The corpora were not compared' in text and said in text
  assert set(pages.data(text)['figures']) == {'yields'}


@pytest.mark.parametrize('name', ['completions.jsonl', 'config.json'])
def test_absent_artefact_leaves_one_line_in_its_place(tmp_path, name):
  contents = {
      k: v for k, v in corpus_artefacts.artefacts().items() if k != name
  }
  assert f'Left out: {name} is not in this workdir.' in _write(
      tmp_path, contents
  )


@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda c: c.pop('yields.json'), 'yields.json: no such file'),
        (lambda c: c['yields.json'].pop('kinds'), "'kinds'"),
        (lambda c: c['comparison.json'].pop('transfer'), "'transfer'"),
        (lambda c: c['completions.jsonl'][3].pop('kind'), "'kind'"),
        (lambda c: c['comparison.json'].pop('topics'), 'lacks what the report'),
    ],
)
def test_damaged_artefact_is_one_clear_line(tmp_path, damage, message):
  contents = copy.deepcopy(corpus_artefacts.artefacts())
  damage(contents)
  with pytest.raises(errors.InputError, match=message) as caught:
    _write(tmp_path, contents)
  assert '\n' not in str(caught.value)
  assert not (tmp_path / 'report.html').exists()


def test_what_intervals_show_is_said_and_a_failure_too(tmp_path):
  good = _write(tmp_path / 'good')
  assert 'are more alike than those of different' in good
  assert 'Vectors of the written stories tell' in good
  assert '<b>not</b>' not in good
  # Two authors who share nothing.
  contents = corpus_artefacts.artefacts() | {
      'comparison.json': corpus_artefacts.comparison(signal=0.0)
  }
  bad = _write(tmp_path / 'bad', contents)
  assert 'do <b>not</b> tell the written stories apart' in bad
  assert 'do <b>not</b> tell the reference’s stories apart' in bad
  assert 'are <b>not</b> clearly more alike' in bad


def test_few_usable_stories_are_called_poor(tmp_path):
  text = _write(tmp_path)
  assert 'Poor dialogues of two emotions' in text and 'Poor stories' not in text


def test_texts_are_kept_ones_and_some_of_every_reason(tmp_path):
  view = corpus_page._samples(corpus_artefacts.artefacts()['completions.jsonl'])
  assert view['total'] == 4 * 5 * (24 + 2)
  kinds = dict(view['kinds'])
  assert set(kinds) == set(corpus_page.KINDS.values())
  stories = {why: (n, len(some)) for why, n, some in kinds['stories']}
  assert next(iter(stories)) == 'kept'
  assert set(stories) == {'kept', 'cut off', *corpus_artefacts.REFUSED}
  assert sum(n for n, _ in stories.values()) == 4 * 5 * 24
  assert stories['kept'][1] == 12
  assert {shown for why, (_, shown) in stories.items() if why != 'kept'} == {3}
  topics = {row['topic'] for _, _, some in kinds['stories'] for row in some}
  assert len(topics) == 5


def test_emotions_are_in_the_order_of_their_yields():
  yields = corpus_artefacts.artefacts()['yields.json']['kinds']['story'][
      'emotions'
  ]
  view = corpus_page._yields(corpus_artefacts.artefacts()['yields.json'])
  (bars,) = view['figures']['yields'].data
  assert sorted(bars.y) == sorted(yields)
  assert list(bars.x) == sorted(bars.x, reverse=True)
  for name, x, low in zip(bars.y, bars.x, bars.error_x.arrayminus, strict=True):
    kept = yields[name]['kept']
    assert (x, x - low) == pytest.approx((kept['value'], kept['low']))


def test_lines_between_the_corpora_are_those_of_their_direction():
  comparison = corpus_artefacts.comparison(signal=1.0)
  for train, test in (('written', 'reference'), ('reference', 'written')):
    figure = corpus_figures.transfer(comparison, train)
    line = figure.data[-1]
    rows = comparison['transfer'][f'{train} to {test}']
    assert list(line.y) == [row['top1']['value'] for row in rows]
    assert figure.data[0].y[0] == 0.1


def test_command_writes_the_page_without_jax(tmp_path):
  report_fixtures.write(tmp_path, corpus_artefacts.artefacts())
  done = pages.write_without_jax('emojax.report.corpus_page', tmp_path)
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip() == str(tmp_path / 'report.html')
