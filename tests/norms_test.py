"""Ratings in the forms that people have them in, or one line that says why."""

import pytest

from emojax import errors
from emojax.data import norms

EMOTIONS = ('happy', 'sad', 'at ease', 'self-confident', 'angry')
_WORDS = ('happy', 'sad', 'at ease', 'self confident', 'angry', 'chair')
_V1 = (0.9, 0.1, 0.8, 0.7, 0.2, 0.5)
_NRC = 'Word\tValence\tArousal\tDominance\n'


def _file(folder, text, name='norms.txt', encoding='utf-8'):
  path = folder / name
  path.write_bytes(text.encode(encoding))
  return path


def _nrc(values):
  return ''.join(
      f'{word}\t{value}\t{value / 2}\t0.5\n'
      for word, value in zip(_WORDS, values, strict=True)
  )


def _refused(path, emotions=EMOTIONS):
  with pytest.raises(errors.InputError) as caught:
    norms.load_norms(path, emotions)
  message = str(caught.value)
  assert '\n' not in message and ';' in message
  assert message.startswith(str(path))
  return message.removeprefix(str(path))


@pytest.mark.parametrize(
    'header', ['', _NRC, 'term\tvalence\tarousal\tdominance\n']
)
def test_nrc_is_read_with_and_without_a_header(tmp_path, header):
  got = norms.load_norms(_file(tmp_path, header + _nrc(_V1)), EMOTIONS)
  expected = [0.9, 0.1, 0.8, 0.7, 0.2]
  assert got.valence == dict(zip(EMOTIONS, expected))
  assert got.arousal == {e: v / 2 for e, v in zip(EMOTIONS, expected)}
  assert got.source == (
      'norms.txt (in the form of NRC-VAD): ratings of 6 words, 0 to 1'
  )


def test_a_negative_rating_says_that_nrc_is_of_version_2(tmp_path):
  path = _file(tmp_path, _NRC + _nrc([2 * v - 1 for v in _V1]))
  got = norms.load_norms(path, EMOTIONS)
  assert got.source == (
      'norms.txt (in the form of NRC-VAD): ratings of 6 words, -1 to 1'
  )
  assert got.valence['sad'] == -0.8


def test_warriner_is_read_by_its_columns_names(tmp_path):
  text = '"","Word","V.Mean.Sum","V.SD.Sum","A.Mean.Sum"\n'
  for i, word in enumerate(_WORDS):
    text += f'"{i}","{word}","{i + 1}.5","1.1","{8 - i}.25"\n'
  got = norms.load_norms(_file(tmp_path, text), EMOTIONS)
  assert got.valence['happy'] == 1.5 and got.arousal['happy'] == 8.25
  assert got.source == (
      'norms.txt (in the form of Warriner et al.): ratings of 6 words, 1 to 9'
  )


@pytest.mark.parametrize('comma', [',', '\t'])
def test_ones_own_file_may_have_any_scale_and_no_arousal(tmp_path, comma):
  lines = [f'word{comma}valence']
  lines += [f'{word}{comma}{-100 * i}' for i, word in enumerate(_WORDS)]
  got = norms.load_norms(_file(tmp_path, '\n'.join(lines)), EMOTIONS)
  assert got.valence['angry'] == -400 and got.arousal is None


def test_a_byte_order_mark_and_other_line_ends_change_nothing(tmp_path):
  text = 'word,valence,arousal\n' + ''.join(f'{w},1,2\n' for w in _WORDS)
  plain = norms.load_norms(_file(tmp_path, text), EMOTIONS)
  path = _file(tmp_path, text.replace('\n', '\r\n'), 'b', 'utf-8-sig')
  got = norms.load_norms(path, EMOTIONS)
  assert got.valence == plain.valence and got.arousal == plain.arousal


def test_a_name_is_looked_up_as_written_before_it_is_bent(tmp_path):
  rows = 'At Ease,1\nat-ease,2\nat ease,3\nSELF_CONFIDENT,4\nhappy,5\nsad,6\n'
  path = _file(tmp_path, 'word,valence\n' + rows)
  got = norms.load_norms(path, EMOTIONS)
  assert got.valence == {
      'happy': 5,
      'sad': 6,
      'at ease': 3,
      'self-confident': 4,
  }


def test_a_header_that_is_not_known_is_refused_at_its_line(tmp_path):
  got = _refused(_file(tmp_path, '\nname,score\nhappy,1\n'))
  assert got.startswith(":2: no header that is known: 'name', 'score'; ")


@pytest.mark.parametrize(
    ('line', 'reason'),
    [
        ('angry\thigh\t0.1\t0', "valence is 'high'; "),
        ('angry\t0.1\tnan\t0', "arousal is 'nan'; "),
        (
            'angry\t1.2\t0.1\t0',
            'valence is 1.2, and ratings in the form of NRC-VAD go from -1 to',
        ),
        ('angry\t0.3', '2 column(s), and arousal is column 3; '),
        ('happy\t0.9\t0.1\t0', 'the word of line 2 again; '),
        ('\t0.9\t0.1\t0', 'the word is empty; '),
    ],
)
def test_a_bad_line_is_named(tmp_path, line, reason):
  path = _file(tmp_path, _NRC + _nrc(_V1).replace('chair', 'bench') + line)
  assert _refused(path).startswith(f':8: {reason}')


def test_warriner_below_its_scale_is_refused(tmp_path):
  text = 'Word,V.Mean.Sum,A.Mean.Sum\nhappy,0.5,3\n'
  got = _refused(_file(tmp_path, text))
  assert got.startswith(
      ':2: valence is 0.5, and ratings in the form of Warriner'
  )


def test_a_file_of_other_words_is_refused(tmp_path):
  got = _refused(_file(tmp_path, 'word,valence\nchair,1\ntable,2\nhappy,3\n'))
  assert got.startswith(': rates 1 of the 5 emotions; ')


def test_no_file_no_rows_and_no_text_are_refused(tmp_path):
  assert 'No such file' in _refused(tmp_path / 'none')
  assert _refused(_file(tmp_path, ' \n\n')).startswith(': no rows')
  assert 'not UTF-8' in _refused(_file(tmp_path, 'wörd,valence', 'l', 'latin1'))
