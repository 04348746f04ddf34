"""What a notebook shows says what the artefacts say, and nothing runs in it."""

import html
import pathlib
import re

from IPython.core import formatters
import markupsafe
import numpy as np
import pytest
import report_fixtures
import sweep_fixtures

from emojax import errors
from emojax import files
from emojax.experiments import summarise_sweep
from emojax.report import figures
from emojax.report import notebook
from emojax.report import page
from emojax.report import shown

BAD = '<script>alert("x")</script>'
STRENGTH = 0.4
EMOTIONS = sweep_fixtures.EMOTIONS


def reading(**changes):
  row = report_fixtures.artefacts()['readings.jsonl'][0]
  mean = dict(zip(row['emotions'], np.mean(row['score'], axis=0).tolist()))
  return shown.Reading(row | {'mean_score': mean} | changes, files.Path('.'))


def steered(prompt='How do you feel?', **fields):
  rows = sweep_fixtures.rows(
      layers=((3,),),
      strengths=(STRENGTH,),
      prompts=(prompt,),
      seeds=(0, 1, 2, 3),
      controls=5,
  )
  rows = [row | fields for row in rows]
  dose = summarise_sweep.summarise(EMOTIONS, rows, 0)
  strengths = {'happy': STRENGTH, 'sad': STRENGTH}
  return shown.Texts(rows, dose, strengths, files.Path('a/b'))


def vectors(emotions=('happy', 'sad')):
  """Vectors three and four residual norms long, of shuffled labels a half."""
  arrays = {
      'vectors': np.full((2, 3, 4), 1.0),
      'shuffled': np.full((5, 3, 4), 0.5),
      'resid_norm': np.array([1.0, 2.0, 4.0]),
  }
  arrays['vectors'][:, 1] = np.array([3.0, 4.0])[:, None]
  metadata = {
      'model': 'pypi:tiny==1.0',
      'layer': 1,
      'emotions': list(emotions),
      'stories': dict.fromkeys(emotions, 12),
  }
  summary = report_fixtures.artefacts()['summary.json']
  numbers = notebook.chosen(summary, ['heldout_top1*'])
  return shown.Vectors(files.Path('v.safetensors'), arrays, metadata, numbers)


def picture():
  contents = report_fixtures.artefacts()
  return shown.Picture(
      figures.accuracy(contents['heldout.json'], 'top1'),
      notebook.chosen(contents['summary.json'], ['heldout_*']),
  )


def cells(text):
  """What the cells of all bodies of tables say, row by row."""
  return [
      [
          html.unescape(re.sub(r'<[^>]*>', ' ', cell)).split()
          for cell in re.findall(r'<t[hd][^>]*>(.*?)</t[hd]>', row, re.DOTALL)
      ]
      for row in re.findall(r'<tr[^>]*>(.*?)</tr>', text, re.DOTALL)
  ]


def words(estimate):
  value, low, high = (
      page.number(estimate[k]) for k in ('value', 'low', 'high')
  )
  return f'{value} {low} to {high}'


def said(text):
  return ' '.join(html.unescape(re.sub(r'<[^>]*>', ' ', text)).split())


@pytest.mark.parametrize(
    'number', report_fixtures.artefacts()['summary.json']['numbers']
)
def test_a_number_stands_with_interval_n_and_controls(number):
  rows = cells(notebook.render('numbers', [number]))
  assert rows[0] == [['Measure'], ['Value'], ['Interval'], ['n'], ['Controls']]
  label, value, interval, n, controls = (' '.join(c) for c in rows[1])
  assert label.startswith(number['label'])
  assert value == page.number(number['value']) and n == str(number['n'])
  if number['low'] is None:
    assert interval == 'no interval' and controls == 'no control'
  else:
    assert f'{value} {interval}'.startswith(words(number))
    (control,) = number['controls']
    low, high = page.number(control['low']), page.number(control['high'])
    of = f'{page.number(control["value"])} {low} to {high}; n {control["n"]}'
    assert controls == f'{control["label"]} : {of}'


def test_an_overview_asks_what_was_chosen_beforehand_and_judges():
  summary = report_fixtures.artefacts()['summary.json']
  top, pc = dict(summary['numbers'][0]), dict(summary['numbers'][0])
  top['id'], pc['id'] = 'heldout_top1_nested', 'valence_pc1'
  pc |= {'value': 0.0, 'low': -0.5, 'high': 0.5}
  summary['numbers'] += [top, pc]
  summary['counts'] |= {'emotions': 24, 'topics': 12}
  text = said(notebook.overview(summary))
  assert 'Tiny-135M-Instruct in float32, 30 blocks of width 576.' in text
  assert '24 vectors of 288 stories on 12 topics' in text
  assert 'seen the whole interval lies beyond all controls 0.800' in text
  assert 'not seen the interval meets that of shuffled labels 0' in text
  # What was not measured is not left out.
  assert text.count('not measured') == 3


def test_a_picture_shows_its_numbers_and_then_the_figure(monkeypatch):
  displayed = []
  monkeypatch.setattr('IPython.display.display', displayed.append)
  made = picture()
  formatters.IPythonDisplayFormatter()(made)
  table, figure = displayed
  assert table.data == made._repr_html_()
  assert figure is made.figure
  assert repr(made) == 'Picture(Held-out accuracy, top-1: 0.8)'
  shown.Picture(made.figure)._ipython_display_()
  assert len(displayed) == 3  # Without numbers there is no table.


def test_every_token_has_its_value_and_only_as_much_colour():
  made = reading()
  score = np.array(made.row['score'])
  scale = np.percentile(np.abs(score), 99)
  at = made.row['emotions'].index(made.emotion)
  spans = re.findall(
      r'<span class="([a-z ]+)" title="(.*?)" style="--amount: ([\d.]+);'
      r' --hue: var\(--(\w+)\)">(.*?)</span>',
      made._repr_html_(),
      re.DOTALL,
  )
  assert [html.unescape(span[4]) for span in spans] == made.row['tokens']
  for i, (kind, title, amount, hue, _) in enumerate(spans):
    value = score[i, at]
    role = made.row['roles'][i]
    assert title == f'{role}: {page.number(value)}'
    assert float(amount) == round(min(1, abs(value) / scale), 3)
    assert hue == ('negative' if value < 0 else 'positive')
    response = i == made.row['response_index']
    assert kind == (f'{role} response' if response else role)


def test_a_reading_shows_the_highest_emotion_or_the_one_that_is_asked_for():
  made = reading()
  mean = made.row['mean_score']
  assert mean[made.emotion] == max(mean.values())
  other = min(mean, key=mean.get)
  assert made.by(other).emotion == other
  text = said(made.by(other)._repr_html_())
  assert f'Along {other} at layer {made.row["layer"]}' in text
  contents = [role for role in made.row['roles'] if role != 'template']
  assert f'Mean over the {len(contents)} tokens of messages' in text
  for name in (made.emotion, other):
    assert f'{name} {page.number(mean[name])}' in text
  assert 'there is no interval' in text
  assert repr(made).startswith(f'Reading({made.emotion}: ')


def test_an_emotion_that_there_is_no_vector_of_is_refused_with_a_near_one():
  for ask in (reading().by, vectors().__getitem__):
    with pytest.raises(errors.InputError, match="'hapy'.*'happy'"):
      ask('hapy')
  with pytest.raises(errors.InputError, match='give one of happy, sad'):
    vectors()['xyzzy']


def test_texts_stand_beside_unsteered_and_random_ones():
  made = steered()
  rows = cells(made._repr_html_())
  assert [' '.join(row[0]) for row in rows[:5]] == [
      'Steered with', 'nothing', 'happy', 'sad', 'random_0',
  ]  # fmt: skip
  assert [row[1] for row in rows[1:5]] == [['–'], *[[str(STRENGTH)]] * 3]
  first = {r['direction']: r for r in made.rows if r['seed'] == 0}
  for row, name in zip(rows[1:5], ('none', 'happy', 'sad', 'random_0')):
    assert row[2] == first[name]['text'].split()
  text = said(made._repr_html_())
  assert f'of {len(made.rows)} in all' in text and 'a/b' in text
  assert (
      repr(made) == f'Texts(happy=0.4, sad=0.4: {len(made.rows)} texts in a/b)'
  )


def test_texts_say_what_they_express_over_all_samples_beside_random():
  made = steered()
  happy, sad, coherent = made.numbers()
  mean = lambda kind, e: np.mean(
      [r['expressed'][e] for r in made.rows if r['direction'] == kind]
  )
  for number, emotion in ((happy, 'happy'), (sad, 'sad')):
    rise = mean(emotion, emotion) - mean('none', emotion)
    assert number['value'] == pytest.approx(rise)
    # Planted: a fifth of the slope, within the noise of four texts.
    planted = sweep_fixtures.SLOPE * STRENGTH / 5
    assert number['value'] == pytest.approx(planted, abs=0.3)
    assert number['low'] < number['value'] < number['high']
    assert number['n'] == 4
    (control,) = number['controls']
    assert control['low'] < 0 < control['high'] and control['n'] == 20
    assert number['low'] > control['high']
  shares = {c['label']: (c['value'], c['n']) for c in coherent['controls']}
  assert shares == {'random directions': (1.0, 20), 'unsteered': (1.0, 4)}
  assert (coherent['value'], coherent['n']) == (1.0, 4 * len(EMOTIONS))
  text = said(made._repr_html_())
  for number in (happy, sad, coherent):
    assert words(number) in text


def test_texts_of_which_nothing_could_be_measured_have_dashes():
  happy, _, coherent = steered(stop='not finite').numbers()
  assert happy['value'] is None and happy['n'] == 0
  assert coherent['value'] == 0.0


def test_vectors_have_their_length_beside_shuffled_labels_and_accuracy():
  made = vectors()
  np.testing.assert_array_equal(made['sad'], [4.0] * 4)
  rows = cells(made._repr_html_())
  assert [['happy'], ['12'], ['3.00']] in rows
  assert [['sad'], ['12'], ['4.00']] in rows
  assert rows[-1] == [
      'shuffled labels, n 5'.split(), ['–'], '0.500 to 0.500'.split(),
  ]  # fmt: skip
  assert words(made.accuracy[0]) in said(made._repr_html_())
  assert repr(made) == (
      'Vectors(2 emotions, layer 1 of 3, width 4, v.safetensors)'
  )


def test_a_page_is_shown_whole_in_a_frame_that_only_runs_scripts(tmp_path):
  path = tmp_path / 'report.html'
  path.write_text(f'<p title="a">{BAD} &amp;amp;</p>', encoding='utf-8')
  made = shown.Page(files.Path(path))
  text = made._repr_html_()
  whole = html.unescape(text.partition('srcdoc="')[2].rpartition('"')[0])
  assert whole == path.read_text(encoding='utf-8')
  assert 'sandbox="allow-scripts allow-downloads"' in text
  assert '<script' not in text
  assert repr(made) == f'Page({path})'


def test_hostile_strings_stay_text(tmp_path):
  row = report_fixtures.artefacts()['readings.jsonl'][0]
  emotions = [BAD, *row['emotions'][1:]]
  summary = report_fixtures.artefacts()['summary.json']
  summary['counts'] |= {'emotions': BAD, 'topics': BAD}
  summary['model'] |= {'name': BAD, 'dtype': BAD}
  number = summary['numbers'][0]
  number |= {'id': 'valence_pc1', 'unit': BAD, 'note': BAD, 'interval': BAD}
  number['label'] = number['controls'][0]['label'] = BAD
  texts = [
      notebook.overview(summary),
      notebook.render('numbers', [number]),
      reading(
          tokens=[BAD, *row['tokens'][1:]],
          roles=[BAD, *row['roles'][1:]],
          emotions=emotions,
          mean_score=dict(zip(emotions, range(len(emotions), 0, -1))),
      )._repr_html_(),
      steered(prompt=BAD, text=BAD)._repr_html_(),
      vectors((BAD, 'sad'))._repr_html_(),
      shown.Page(pathlib.Path(report(tmp_path)))._repr_html_(),
  ]
  for text in texts:
    assert '<script' not in text
    assert str(markupsafe.escape(BAD)) in text


def report(folder):
  path = folder / 'report.html'
  path.write_text(BAD, encoding='utf-8')
  return path


def test_every_colour_of_a_figure_is_one_of_the_page():
  contents = report_fixtures.artefacts()
  for figure in (
      figures.accuracy(contents['heldout.json'], 'top5'),
      figures.cosine_map(contents['geometry.json']),
      figures.scatter(contents['geometry.json']),
      figures.dose(contents['dose.json']['curves']),
      figures.divergence(contents['dose.json']['kl']),
  ):
    assert 'var(' in figure.to_json()
    drawn = notebook.figure(figure)
    assert 'var(' not in drawn.to_json()
    assert drawn.layout.paper_bgcolor == '#fcfbf8'


def test_an_error_of_a_notebook_is_one_line():
  error = errors.InputError('a/b:3: no\n such thing; give another.')
  assert error._render_traceback_() == [
      'emojax: a/b:3: no such thing; give another.'
  ]
