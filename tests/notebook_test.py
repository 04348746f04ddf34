"""The notebook runs from top to bottom, and shows what the artefacts say."""

import ast
import html
import importlib.util
import subprocess
import sys

import markupsafe
import nbclient
import nbformat
import pytest
import report_fixtures
import tiny_model

from emojax import files
from emojax.report import figures
from emojax.report import notebook
from emojax.report import page

PATH = tiny_model.ROOT / 'launch' / 'colab.ipynb'
FIGURE = 'application/vnd.plotly.v1+json'
SECONDS = 300  # A cell; all of them together take about 75 on 2 cores.


def _stored():
  return nbformat.read(PATH, as_version=4)


def _code(stored):
  return {c.id: c.source for c in stored.cells if c.cell_type == 'code'}


def _fields_set(source):
  """Names of configs and of the fields that a cell sets in them."""
  name, found = None, []
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Call) and ast.unparse(node.func) == 'load_config':
      name = ast.literal_eval(node.args[0])
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
      if ast.unparse(node.value) == 'config':
        found.append(node.attr)
  return name, found


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  """Where the notebook's runs write."""
  return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='module')
def executed(runs):
  """The outputs of every cell of code, by the cell's id."""
  stored = _stored()
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('EMOJAX_RUNS', str(runs))
    nbclient.NotebookClient(
        stored,
        timeout=SECONDS,
        resources={'metadata': {'path': str(PATH.parent)}},
    ).execute()
  return {c.id: c.outputs for c in stored.cells if c.cell_type == 'code'}


def _shown(outputs, kind):
  return [o.data[kind] for o in outputs if kind in o.get('data', {})]


def _numbers(estimate):
  """How a table shows a value and its interval."""
  value, low, high = (
      page.number(estimate[k]) for k in ('value', 'low', 'high')
  )
  return f'<b>{value}</b></td><td>{low} to {high}</td>'


def _traces(figure):
  """What a figure draws, as far as it says where."""
  return [{k: t[k] for k in ('x', 'y', 'z') if k in t} for t in figure['data']]


def _expected(figure):
  return _traces(nbformat.from_dict(notebook.figure(figure).to_plotly_json()))


def test_it_is_stored_whole_and_without_outputs():
  stored = _stored()
  nbformat.validate(stored)
  for cell in stored.cells:
    if cell.cell_type == 'code':
      assert cell.outputs == [] and cell.execution_count is None
  # As Jupyter writes it, so that a difference is one of the content.
  assert PATH.read_text(encoding='utf-8') == nbformat.writes(stored) + '\n'


def test_every_cell_of_code_is_short_and_comes_after_a_sentence():
  cells = _stored().cells
  for before, cell in zip(cells, cells[1:]):
    if cell.cell_type == 'code':
      assert before.cell_type == 'markdown', cell.id
      lines = cell.source.splitlines()
      assert len(lines) <= 40 and max(map(len, lines)) <= 80, cell.id


def test_every_field_that_it_sets_is_one_of_the_config():
  cells = [_fields_set(source) for source in _code(_stored()).values()]
  set_by = {
      name: fields for name, fields in cells if name in ('quickstart', 'read')
  }
  assert set(set_by) == {'quickstart', 'read'}
  for name, fields in set_by.items():
    assert fields
    assert set(fields) <= set(tiny_model.config(name)), name
  for name, fields in cells:
    if name is None:
      assert set(fields) <= {'batch'}


@pytest.mark.parametrize(
    'setting', ['EXTRA', 'DTYPE', 'MODEL', 'BATCH', 'MESH']
)
def test_what_a_tpu_wants_changed_is_a_setting(setting):
  stored = _stored()
  last = stored.cells[-1].source
  assert 'TPU' in last and f'`{setting}`' in last
  assert any(f'\n{setting} = ' in source for source in _code(stored).values())


def test_it_says_that_no_model_feels():
  said = ' '.join(
      c.source for c in _stored().cells if c.cell_type == 'markdown'
  )
  assert '*functional* representations' in said
  assert 'Nothing here says that a model feels anything.' in said


@pytest.mark.parametrize('importable', [True, False])
def test_away_from_a_checkout_it_is_cloned_and_installed_if_need_be(
    importable, tmp_path, monkeypatch
):
  ran = []
  find = lambda name: importable or None
  monkeypatch.setattr(importlib.util, 'find_spec', find)
  monkeypatch.setattr(
      subprocess, 'run', lambda c, check: ran.append((c, check))
  )
  monkeypatch.chdir(tmp_path)
  monkeypatch.setenv('EMOJAX_SOURCE', 'https://git.invalid/emojax')
  exec(_code(_stored())['install'], {})
  clone = 'git clone --quiet --depth=1 https://git.invalid/emojax'
  assert ran[0] == (f'{clone} emojax-source'.split(), True)
  pip = [sys.executable, '-m', 'pip', 'install', '--quiet']
  folder = str(tmp_path / 'emojax-source')
  assert ran[1:] == ([] if importable else [([*pip, folder], True)])


def test_without_a_source_it_says_what_to_set(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  monkeypatch.delenv('EMOJAX_SOURCE', raising=False)
  with pytest.raises(AssertionError, match='Set SOURCE to a checkout'):
    exec(_code(_stored())['install'], {})


def test_in_a_checkout_the_install_says_and_does_nothing(executed):
  assert executed['install'] == []


def test_accuracy_is_shown_with_interval_control_and_curve(executed, runs):
  held_out = files.read_json(runs / 'quickstart' / 'heldout.json')
  (table,) = _shown(executed['heldout'], 'text/html')
  assert _numbers(held_out['nested']['top1']) in table
  assert 'shuffled labels' in table and 'embedding layer' in table
  (figure,) = _shown(executed['heldout'], FIGURE)
  assert _traces(figure) == _expected(figures.accuracy(held_out, 'top1'))
  best = held_out['layers'][held_out['chosen_layer']]
  # The vectors hold, in the short run as well: intervals far from the controls.
  assert held_out['nested']['top1']['low'] > best['shuffled_top1']['high']


def test_geometry_is_shown_as_a_map_and_as_components(executed, runs):
  geometry = files.read_json(runs / 'quickstart' / 'geometry.json')
  cosines, components = _shown(executed['geometry'], FIGURE)
  assert _traces(cosines) == _expected(figures.cosine_map(geometry))
  assert _traces(components) == _expected(figures.scatter(geometry))
  (table,) = _shown(executed['geometry'], 'text/html')
  first = geometry['correlations'][0]
  assert _numbers(first | {'value': first['r']}) in table


def test_the_users_text_is_coloured_token_by_token(executed, runs):
  (answers,) = runs.glob('read-*')
  ((_, row),) = files.read_jsonl(answers / 'readings.jsonl')
  (text,) = _shown(executed['reading'], 'text/html')
  at = row['emotions'].index('afraid')
  for token, role, score in zip(row['tokens'], row['roles'], row['score']):
    title = f'title="{role}: {page.number(score[at])}"'
    assert title in text and f'>{html.escape(token)}</span>' in text
  assert text.count('--amount: ') == len(row['tokens'])


def test_steered_texts_stand_beside_unsteered_ones(executed, runs):
  rows = [r for _, r in files.read_jsonl(runs / 'quickstart' / 'sweep.jsonl')]
  table, measure = _shown(executed['steering'], 'text/html')
  for direction in ('none', 'happy', 'afraid', 'angry', 'random_0'):
    (row,) = [row for row in rows if row['direction'] == direction]
    assert str(markupsafe.escape(row['text'])) in table
  dose = files.read_json(runs / 'quickstart' / 'dose.json')
  assert _numbers(dose['curves']['difference'][-1]) in measure
  (figure,) = _shown(executed['steering'], FIGURE)
  assert _traces(figure) == _expected(figures.dose(dose['curves']))


def test_the_report_is_shown_whole_and_named(executed, runs):
  path = runs / 'quickstart' / 'report.html'
  assert executed['report'][0].text == f'{path}\n'
  (frame,) = _shown(executed['report'], 'text/html')
  whole = html.unescape(frame.partition('srcdoc="')[2].rpartition('"')[0])
  assert whole == path.read_text(encoding='utf-8')


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


def test_hostile_strings_stay_text(tmp_path):
  bad = '<script>alert("x")</script>'
  contents = report_fixtures.artefacts()
  row = contents['readings.jsonl'][0]
  row['tokens'][0] = row['emotions'][0] = bad
  steered = contents['sweep.jsonl'][-1] | {'text': bad, 'prompt': bad}
  summary = contents['summary.json']
  summary['numbers'][0]['label'] = bad
  report = tmp_path / 'report.html'
  report.write_text(f'<p title="a">{bad}</p>', encoding='utf-8')
  for part in (
      notebook.reading(row, bad),
      notebook.texts([steered], [steered['direction']]),
      notebook.numbers(summary, [summary['numbers'][0]['id']]),
      notebook.frame(report),
  ):
    assert '<script' not in part._repr_html_()
    assert 'script' not in repr(part)
