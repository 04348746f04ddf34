"""The notebook runs from top to bottom, and shows what the artefacts say."""

import ast
import html
import importlib.util
import json
import re

import browser
from IPython.core import inputtransformer2
import markupsafe
import nbclient
import nbformat
import plotly.offline
import pytest
import tiny_model

from emojax import errors
from emojax import files
from emojax import notebook
from emojax.experiments import numbers
from emojax.experiments import read
from emojax.experiments import sweep
from emojax.models import load
from emojax.report import figures
from emojax.report import notebook as views
from emojax.report import page

OPTIMISED = True  # See conftest.
PATH = tiny_model.ROOT / 'launch' / 'colab.ipynb'
FIGURE = 'application/vnd.plotly.v1+json'
SECONDS = 600  # A cell; all of them together take about 90 on 2 cores.
LINES = 14
CELLS = (
    'install', 'settings', 'vectors', 'heldout', 'cosines', 'components',
    'reading', 'steering', 'dose', 'report',
)  # fmt: skip

# What a user may go on with, in the same kernel.
MORE = {
    'again': "run.steer('How do you feel?', happy=0.4, angry=0.4)",
    'reader': 'run.read(TEXT).reader()',
    'emotion': "run.read(TEXT, 'hapy')",
    'strength': "run.steer('How do you feel?', happy='much')",
    'nothing': "run.steer('How do you feel?')",
    'field': "notebook.quickstart(RUNS / 'quickstart', shufles=3)",
    'kind': "notebook.quickstart(RUNS / 'quickstart', batch='many')",
    'other': "notebook.quickstart(RUNS / 'quickstart', seed=1)",
    'nowhere': "notebook.Run(RUNS / 'nowhere')",
    'corpus': "notebook.quickstart(RUNS / 'x', emotions=['happy', 'hapy'])",
    'dialogues': "notebook.quickstart(RUNS / 'x', neutral_dialogues=-1)",
}


def _stored():
  return nbformat.read(PATH, as_version=4)


def _code(stored):
  return {c.id: c.source for c in stored.cells if c.cell_type == 'code'}


def _plain(source):
  """A cell as Python: `!` and `%` are calls."""
  return inputtransformer2.TransformerManager().transform_cell(source)


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
  """Where the notebook's runs write."""
  return tmp_path_factory.mktemp('runs')


@pytest.fixture(scope='module')
def executed(runs):
  """The outputs of every cell of code, by the cell's id."""
  stored = _stored()
  more = [
      nbformat.v4.new_code_cell(
          source, id=name, metadata={'tags': ['raises-exception']}
      )
      for name, source in MORE.items()
  ]
  stored.cells += more
  with pytest.MonkeyPatch.context() as patch:
    patch.setenv('EMOJAX_RUNS', str(runs))
    patch.delenv('EMOJAX_SOURCE', raising=False)
    nbclient.NotebookClient(
        stored,
        timeout=SECONDS,
        resources={'metadata': {'path': str(PATH.parent)}},
    ).execute()
  return {c.id: c.outputs for c in stored.cells if c.cell_type == 'code'}


@pytest.fixture(scope='module')
def run(executed, runs):
  return notebook.Run(runs / 'quickstart')


def _shown(outputs, kind):
  return [o.data[kind] for o in outputs if kind in o.get('data', {})]


def _numbers(estimate):
  """How a table shows a value and its interval."""
  value, low, high = (
      page.number(estimate[k]) for k in ('value', 'low', 'high')
  )
  return f'<b>{value}</b></td><td>{low} to {high}<'


def _traces(figure):
  """What a figure draws, as far as it says where."""
  return [{k: t[k] for k in ('x', 'y', 'z') if k in t} for t in figure['data']]


def _expected(figure):
  return _traces(nbformat.from_dict(views.figure(figure).to_plotly_json()))


def test_it_is_stored_whole_and_without_outputs():
  stored = _stored()
  nbformat.validate(stored)
  for cell in stored.cells:
    if cell.cell_type == 'code':
      assert cell.outputs == [] and cell.execution_count is None
  # As Jupyter writes it, so that a difference is one of the content.
  assert PATH.read_text(encoding='utf-8') == nbformat.writes(stored) + '\n'


def test_it_has_ten_short_cells_of_code_each_after_a_sentence():
  cells = _stored().cells
  assert tuple(_code(_stored())) == CELLS and len(CELLS) == 10
  for before, cell in zip(cells, cells[1:]):
    if cell.cell_type == 'code':
      number = CELLS.index(cell.id) + 1
      assert before.cell_type == 'markdown'
      assert before.source.startswith(f'**{number}. ')
      lines = cell.source.splitlines()
      assert len(lines) <= LINES and max(map(len, lines)) <= 80, cell.id


def test_every_field_that_it_sets_is_one_of_the_config():
  (call,) = (
      node
      for node in ast.walk(ast.parse(_code(_stored())['vectors']))
      if isinstance(node, ast.Call)
      and ast.unparse(node.func) == 'notebook.quickstart'
  )
  fields = {keyword.arg for keyword in call.keywords}
  assert {'model', 'dtype', 'mesh', 'batch', 'emotions'} <= fields
  assert fields <= set(tiny_model.config('quickstart'))


@pytest.mark.parametrize(
    'setting', ['EXTRA', 'DTYPE', 'MODEL', 'BATCH', 'MESH', 'EMOTIONS', 'RUNS']
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


class _Shell:
  """What a cell asks of IPython, noted instead of done."""

  def __init__(self, folder=None):
    self.folder, self.ran = folder, []

  def system(self, command):
    self.ran.append(command)
    if self.folder is not None:
      (self.folder / 'configs').mkdir(parents=True)

  def run_line_magic(self, name, rest):
    self.ran.append(f'{name} {rest}')


def _install(shell, monkeypatch, folder, source):
  """Runs the first cell in a folder; returns sys.path as it leaves it."""
  path = []
  monkeypatch.chdir(folder)
  monkeypatch.setattr('sys.path', path)
  monkeypatch.delenv('EMOJAX_SOURCE', raising=False)
  if source:
    monkeypatch.setenv('EMOJAX_SOURCE', source)
  code = compile(_plain(_code(_stored())['install']), 'install', 'exec')
  exec(code, {'get_ipython': lambda: shell})
  return path


@pytest.mark.parametrize('importable', [True, False])
def test_away_from_a_checkout_it_is_cloned_and_installed_if_need_be(
    importable, tmp_path, monkeypatch
):
  find = lambda name: importable or None
  monkeypatch.setattr(importlib.util, 'find_spec', find)
  folder, address = tmp_path / 'emojax-source', 'https://git.invalid/emojax'
  shell = _Shell(folder)
  path = _install(shell, monkeypatch, tmp_path, address)
  # IPython fills in what is in braces.
  pip = ['pip install --quiet "{CHECKOUT}{EXTRA}"']
  clone = 'git clone --quiet --depth=1 "{SOURCE}" "{CHECKOUT}"'
  assert shell.ran == [clone, *([] if importable else pip)]
  assert path == [str(folder)]
  # A second time there is nothing to clone.
  _install(shell, monkeypatch, tmp_path, address)
  assert shell.ran.count(clone) == 1


@pytest.mark.parametrize('source', ['', 'https://git.invalid/down'])
def test_without_a_checkout_it_says_what_to_set(source, tmp_path, monkeypatch):
  (tmp_path / 'below').mkdir()
  with pytest.raises(AssertionError, match='Set SOURCE to a checkout'):
    _install(_Shell(), monkeypatch, tmp_path / 'below', source)


def test_in_a_checkout_the_install_says_and_does_nothing(executed):
  assert executed['install'] == [] and executed['settings'] == []


def test_a_run_begins_with_the_numbers_that_were_chosen_beforehand(
    executed, run
):
  (table,) = _shown(executed['vectors'], 'text/html')
  assert table == run._repr_html_()
  rows = {row['id']: row for row in run.summary['numbers']}
  for name in ('heldout_top1_nested', 'valence_pc1', 'steer_difference_0.4'):
    assert _numbers(rows[name]) in table
  assert 'not measured' not in table
  counts = run.summary['counts']
  assert (counts['emotions'], counts['stories']) == (8, 96)
  assert counts['neutral_dialogues'] == 32
  (plain,) = _shown(executed['vectors'], 'text/plain')
  assert (
      plain
      == f'Run(SmolLM2-135M-Instruct, layer {run.summary["layer"]}, '
      + (f'8 emotions, {run.workdir})')
  )


def test_accuracy_is_shown_with_interval_control_and_curve(executed, run):
  held_out = files.read_json(run.workdir / 'heldout.json')
  (table,) = _shown(executed['heldout'], 'text/html')
  assert _numbers(held_out['nested']['top1']) in table
  assert 'shuffled labels' in table and 'embedding layer' in table
  (figure,) = _shown(executed['heldout'], FIGURE)
  assert _traces(figure) == _expected(figures.accuracy(held_out, 'top1'))
  best = held_out['layers'][held_out['chosen_layer']]
  # The vectors hold, in the short run as well: intervals far from the controls.
  assert held_out['nested']['top1']['low'] > best['shuffled_top1']['high']


def test_geometry_is_shown_as_a_map_and_as_components(executed, run):
  geometry = files.read_json(run.workdir / 'geometry.json')
  (cosines,) = _shown(executed['cosines'], FIGURE)
  assert _traces(cosines) == _expected(figures.cosine_map(geometry))
  (components,) = _shown(executed['components'], FIGURE)
  assert _traces(components) == _expected(figures.scatter(geometry))
  (table,) = _shown(executed['components'], 'text/html')
  assert len(geometry['correlations']) == 3
  for each in geometry['correlations']:  # Not the best of them alone.
    assert _numbers(numbers.size_of(each | {'value': each['r']})) in table


def test_the_users_text_is_coloured_token_by_token(executed, run):
  (answers,) = run.workdir.glob('read/*/readings.jsonl')
  ((_, row),) = files.read_jsonl(answers)
  (text,) = _shown(executed['reading'], 'text/html')
  at = row['emotions'].index('afraid')
  for token, role, score in zip(row['tokens'], row['roles'], row['score']):
    title = f'title="{role}: {page.number(score[at])}"'
    assert title in text and f'>{html.escape(token)}</span>' in text
  spans = re.findall(r'<span class="\w+( response)?" title', text)
  assert len(spans) == len(row['tokens'])
  asked = _code(_stored())['reading']
  (message,) = (m['content'] for m in row['messages'] if m['role'] == 'user')
  assert message == ast.literal_eval(ast.parse(asked).body[0].value)


def test_steered_texts_stand_beside_unsteered_ones(executed, run):
  (path,) = run.workdir.glob('sweep/*/sweep.jsonl')
  rows = [row for _, row in files.read_jsonl(path)]
  (text,) = _shown(executed['steering'], 'text/html')
  for direction in ('none', 'happy', 'angry', 'random_0'):
    four = [row for row in rows if row['direction'] == direction]
    assert len(four) == 4
    assert str(markupsafe.escape(four[0]['text'].strip())) in text
  (layer,) = files.read_json(path.parent / sweep.DOSE)['layers']
  for emotion in ('happy', 'angry'):
    (point,) = layer['expressed']['emotions'][emotion]['matched']
    assert point['n'] == 4 and _numbers(point) in text
  assert 'random directions (central 95 % of texts)' in text


def test_doses_are_shown_with_their_controls(executed, run):
  dose = files.read_json(run.workdir / 'dose.json')
  (table,) = _shown(executed['dose'], 'text/html')
  for point in dose['curves']['difference']:
    assert _numbers(point) in table
  assert 'words dealt out at random' in table and 'random directions' in table
  (figure,) = _shown(executed['dose'], FIGURE)
  assert _traces(figure) == _expected(figures.dose(dose['curves']))


def test_the_vectors_and_the_report_are_shown_whole_and_named(executed, run):
  table, frame = _shown(executed['report'], 'text/html')
  assert table == run.vectors._repr_html_()
  path = run.workdir / 'report.html'
  whole = html.unescape(frame.partition('srcdoc="')[2].rpartition('"')[0])
  assert whole == path.read_text(encoding='utf-8')
  assert _shown(executed['report'], 'text/plain')[1] == f'Page({path})'
  arrays, _ = files.read_arrays(run.workdir / 'vectors.safetensors')
  at = run.vectors.metadata['emotions'].index('calm')
  layer = run.summary['layer']
  assert (run.vectors['calm'] == arrays['vectors'][at, layer]).all()


def test_what_was_done_is_not_done_again(executed, run):
  assert _shown(executed['again'], 'text/html') == _shown(
      executed['steering'], 'text/html'
  )
  assert [o for o in executed['again'] if o.output_type == 'stream'] == []


@pytest.fixture
def tiny(tmp_path):
  """What a quickstart of a tiny model leaves, as far as it is looked at."""
  model = tiny_model.write(tmp_path / 'model')
  tiny_model.write_vectors(tmp_path / 'vectors.safetensors', model)
  mesh = tiny_model.config('quickstart').mesh.to_dict()
  (tmp_path / 'config.json').write_text(json.dumps({'config': {'mesh': mesh}}))
  (tmp_path / 'summary.json').write_text('{"numbers": []}')
  yield tmp_path
  read.loaded.cache_clear()


@pytest.fixture
def loads(monkeypatch):
  """The URIs of the models that are loaded, in order."""
  found, own = [], load.load

  def spy(uri, *rest):
    found.append(uri)
    return own(uri, *rest)

  monkeypatch.setattr(load, 'load', spy)
  return found


def test_the_model_is_loaded_once_however_often_one_reads_and_steers(
    tiny, loads
):
  for run in (notebook.Run(tiny), notebook.Run(tiny)):
    for text in ('I lost my keys.', 'All the lamps went out.'):
      run.read(text)
      run.steer(text, samples=1, happy=0.4)
  assert loads == [str(tiny / 'model')]


def test_what_replaces_the_model_is_not_taken_for_it(tiny, loads, tmp_path):
  own, other = (tmp_path / name for name in ('own', 'other'))
  tiny_model.write(other, seed=1)
  run = notebook.Run(tiny)
  (tiny / 'model').rename(own)
  other.rename(tiny / 'model')
  with pytest.raises(errors.InputError, match='that they were made for'):
    run.read('I lost my keys.')
  (tiny / 'model').rename(other)
  own.rename(tiny / 'model')
  run.read('I lost my keys.')
  assert len(loads) == 2


@pytest.mark.parametrize(
    ('cell', 'said'),
    [
        ('emotion', "no vector of 'hapy' (did you mean 'happy'?); give"),
        ('strength', "happy='much': give one number"),
        ('nothing', 'give an emotion and a strength: happy=0.4.'),
        ('field', "no field 'shufles' (did you mean 'shuffles'?); its"),
        ('kind', "batch='many' cannot be set in configs/quickstart.py"),
        ('other', 'config.seed was 0, is 1'),
        ('nowhere', 'summary.json: no such file; give the workdir'),
        ('corpus', "the emotion 'hapy' has no story"),
        ('dialogues', 'config.neutral_dialogues=-1: must be 0 or more.'),
    ],
)
def test_a_mistake_is_one_line_that_says_what_to_do(executed, cell, said):
  (error,) = (o for o in executed[cell] if o.output_type == 'error')
  (line,) = error.traceback
  assert line.startswith('emojax: ') and '\n' not in line
  assert said in line, line


@pytest.mark.parametrize('background', ['white', '#111'])
def test_all_that_is_shown_draws_in_a_browser(executed, tmp_path, background):
  parts, drawn = [], {}
  for name in (*CELLS, 'reader'):
    parts += _shown(executed[name], 'text/html')
    for figure in _shown(executed[name], FIGURE):
      drawn[f'figure-{len(drawn)}'] = figure
      parts.append(f'<div id="figure-{len(drawn) - 1}"></div>')
  data = json.dumps(drawn).replace('<', '\\u003c')
  path = tmp_path / 'notebook.html'
  path.write_text(
      '<!doctype html><meta charset="utf-8"><title>Notebook</title>'
      f'<body style="background: {background}">{"<p>".join(parts)}'
      f'<script>{plotly.offline.get_plotlyjs()}</script><script>'
      f'for (const [id, figure] of Object.entries({data})) '
      'Plotly.newPlot(id, figure.data, figure.layout);</script>',
      encoding='utf-8',
  )
  with browser.opened() as opened, browser.page(opened, offline=True) as shown:
    shown.goto(path.as_uri())
    assert shown.locator('.js-plotly-plot .main-svg').count() >= len(drawn) == 4
    report, reader = (shown.frame_locator('iframe').nth(i) for i in (0, 1))
    report.locator('h1').wait_for()
    reader.locator('.token').first.wait_for()
    colours = shown.locator('.emojax').evaluate_all(
        '(all) => all.map((x) => getComputedStyle(x).backgroundColor)'
    )
    # The cards bring their own ground, so that they are read on any.
    assert len(colours) == 7 and set(colours) == {'rgb(252, 251, 248)'}
