"""The page's colours: text can be read, and maps by people who see fewer."""

import pathlib
import re

import numpy as np
import pytest

from emojax.report import figures

CSS = pathlib.Path(figures.__file__).with_name('page.css')
# Machado, Oliveira and Fernandes (2009), severity 1, of linear RGB.
SIGHT = {
    'all colours': np.eye(3),
    'protanopia': np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    'deuteranopia': np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    'tritanopia': np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
MODES = ('light', 'dark')
LEAST = 4.5  # Contrast of text that WCAG 2 asks for, level AA.


def palette(mode):
  """Returns the style sheet's colours of a mode by name: '#rrggbb' only."""
  text = CSS.read_text(encoding='utf-8')
  blocks = re.findall(r':root[^{]*\{([^}]*)\}', text)
  assert len(blocks) == 2
  of = lambda block: dict(re.findall(r'--([\w-]+): (#[0-9a-f]{6})\b', block))
  light, dark = map(of, blocks)
  assert set(dark) == set(light)
  return {'light': light, 'dark': dark}[mode]


def full(mode):
  """Returns how much of a hue the strongest coloured token has."""
  text = CSS.read_text(encoding='utf-8')
  return int(re.findall(r'--full: (\d+)%', text)[MODES.index(mode)]) / 100


def rgb(colour):
  return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def linear(x):
  return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def luminance(x):
  return float(linear(x) @ [0.2126, 0.7152, 0.0722])


def contrast(a, b):
  low, high = sorted((luminance(a), luminance(b)))
  return (high + 0.05) / (low + 0.05)


def lab(x, sight):
  """Returns CIE L*a*b* of sRGB colours [..., 3] as seen with that sight."""
  seen = np.clip(linear(x) @ SIGHT[sight].T, 0, 1)
  to_xyz = np.array(
      [
          [0.4124564, 0.3575761, 0.1804375],
          [0.2126729, 0.7151522, 0.0721750],
          [0.0193339, 0.1191920, 0.9503041],
      ]
  )
  xyz = seen @ to_xyz.T / to_xyz.sum(axis=1)
  f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
  return np.stack(
      [
          116 * f[..., 1] - 16,
          500 * (f[..., 0] - f[..., 1]),
          200 * (f[..., 1] - f[..., 2]),
      ],
      axis=-1,
  )


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('name', ['ink', 'muted', 'accent', 'control'])
def test_text_has_contrast_enough(mode, name):
  colours = palette(mode)
  assert contrast(rgb(colours[name]), rgb(colours['page'])) >= LEAST


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('hue', ['negative', 'positive'])
def test_a_token_in_full_colour_can_be_read(mode, hue):
  colours = palette(mode)
  back = full(mode) * rgb(colours[hue]) + (1 - full(mode)) * rgb(
      colours['page']
  )
  assert contrast(rgb(colours['ink']), back) >= LEAST


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('sight', SIGHT)
def test_the_ends_of_a_map_are_told_apart_with_every_sight(mode, sight):
  names = [stop[1].removeprefix('var(--')[:-1] for stop in figures.DIVERGING]
  assert names == ['negative', 'middle', 'positive']
  low, middle, high = (lab(rgb(palette(mode)[n]), sight) for n in names)
  # A difference of 2.3 is just seen (Mahy, Van Eycken and Oosterlinck 1994).
  assert np.linalg.norm(low - high) > 40
  for end in (low, high):
    assert np.linalg.norm(end - middle) > 40


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('sight', SIGHT)
def test_a_map_goes_one_way_in_lightness_from_its_middle(mode, sight):
  colours = palette(mode)
  away = {'light': -1, 'dark': 1}[mode]
  along = np.linspace(0, 1, 65)[:, None]
  for end in ('negative', 'positive'):
    # Plotly draws straight lines between colours, in sRGB.
    path = (1 - along) * rgb(colours['middle']) + along * rgb(colours[end])
    assert (away * np.diff(lab(path, sight)[:, 0]) > 0).all()
