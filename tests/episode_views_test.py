"""What a page shows of episodes: the first of each kind, as text alone."""

import behaviour_artefacts
import report_fixtures
import simulated_episodes

from emojax.report import behaviour_page
from emojax.report import episode_views


def test_long_messages_and_episodes_are_cut_and_say_so(tmp_path):
  row = simulated_episodes.rows(lambda *_: 1.0, seed=0)[0]
  row['messages'] = [
      {'role': 'user', 'event': 'task', 'content': f'{i:03d}' + 'x' * 1600}
      for i in range(20)
  ]
  view = episode_views.view('sycophancy', ['cheats'], [row])
  (example,) = view['examples']['cheats']
  assert [m['text'][:3] for m in example['messages']] == [
      f'{i:03d}' for i in (*range(6), *range(14, 20))
  ]
  assert {len(m['text']) for m in example['messages']} == {1500}
  assert {m['more'] for m in example['messages']} == {103}
  assert example['gap'] == (6, 8)
  contents = behaviour_artefacts.artefacts() | {'sycophancy.jsonl': [row]}
  report_fixtures.write(tmp_path, contents)
  text = behaviour_page.write(tmp_path).read_text(encoding='utf-8')
  assert text.count('103 more characters are not shown.') == 12
  assert text.count('8 messages are not shown.') == 1


def test_examples_are_the_first_of_each_kind_not_a_choice():
  rows = behaviour_artefacts.artefacts()['sycophancy.jsonl']
  shown = episode_views.view('sycophancy', [], rows)['examples']
  assert set(shown) == {row['outcome'] for row in rows}
  kinds = (('unsteered',), ('emotion',), ('random', 'shuffled'))
  for outcome, examples in shown.items():
    first = [
        next(
            r['scenario']
            for r in rows
            if r['outcome'] == outcome and r['kind'] in kind and r['finite']
        )
        for kind in kinds
    ]
    assert [example['scenario'] for example in examples] == first


def test_nothing_in_a_text_hides_or_moves_other_text():
  hidden = '\x00\x1b\x7f\xad\u200b\u202e\u2066\u2028\ufeff\ud800\U000e0041'
  shown = episode_views.visible(f'a{hidden}b')
  assert not set(hidden) & set(shown)
  assert shown.startswith('a[U+0000][U+001B]') and shown.endswith('b')
  assert '[U+202E]' in shown and '[U+D800]' in shown and '[U+E0041]' in shown
  plain = 'def f(x):\n\treturn "é, 漢, ☺, مرحبا" + \'<b>\''
  assert episode_views.visible(plain) == plain
