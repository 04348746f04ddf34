'use strict';
/* Figures: drawn in the colours of the page, and their data as CSV. */
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent);
  const PLOTS = '.plot[data-figure], .plot[data-picked]';

  /* A colour `var(--name)` is looked up when a figure is drawn. */
  function dressed(value, key) {
    if (Array.isArray(value)) return value.map((item) => dressed(item, key));
    if (value && typeof value === 'object') {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, dressed(item, name)]));
    }
    const match = typeof value === 'string' && /color/.test(key) &&
      /^var\((--[a-z-]+)\)$/.exec(value);
    return match ? getComputedStyle(root).getPropertyValue(match[1]).trim() : value;
  }

  /* Labels are escaped for plotly, and come back as they were. */
  const plain = (text) => String(text)
    .replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');

  /* What a plot shows now; of a picked one, the option that is chosen. */
  function figureOf(plot) {
    if (plot.dataset.figure) return data.figures[plot.dataset.figure];
    const {layout, options} = data.picked[plot.dataset.picked];
    const option = options[byId(plot.dataset.picker).value];
    return {layout, ...option};
  }

  function draw(plot) {
    const figure = figureOf(plot);
    const paper = root.classList.contains('paper');
    const width = paper ? 640 : plot.clientWidth;
    const layout = dressed(figure.layout, '');
    const narrow = width < 460;
    layout.width = width;
    layout.height = Math.min(
      layout.height, Math.max(300, Math.round(width * layout.meta.aspect)));
    layout.font.family = getComputedStyle(root).getPropertyValue('--sans').trim();
    const traces = dressed(figure.data, '');
    if (narrow) {
      layout.font.size = 11;
      for (const trace of traces) {
        if (trace.textfont) trace.textfont.size = 10;
        if (trace.type === 'heatmap') {
          layout.xaxis.tickfont.size = layout.yaxis.tickfont.size = 9;
        }
      }
    }
    Plotly.react(plot, traces, layout, {displayModeBar: false});
    if (figure.said) {
      const said = plain(`${figure.name}. ${figure.said}`);
      plot.setAttribute('aria-label', `${plot.dataset.label}: ${said}`);
    }
  }

  function drawAll() {
    for (const plot of document.querySelectorAll(PLOTS)) draw(plot);
  }

  /* Data. A text that a spreadsheet would take for a formula gets an apostrophe. */
  function cell(value) {
    if (value === null || value === undefined) return '';
    if (typeof value === 'number') return String(value);
    let text = plain(value);
    if (/^\s*[=+\-@\t\r]/.test(text)) text = `'${text}`;
    return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  const titled = (axis, name) => axis && axis.title && axis.title.text || name;

  function cells(trace, layout) {
    const bar = trace.colorbar && trace.colorbar.title;
    const columns = [titled(layout.yaxis, 'row'), titled(layout.xaxis, 'column'),
      bar && bar.text || 'value'];
    if (columns[0] === columns[1]) columns[0] += ', down';
    return trace.y.flatMap((row, i) => trace.x.map((column, j) =>
      new Map([[columns[0], row], [columns[1], column], [columns[2], trace.z[i][j]]])));
  }

  function points(trace, layout) {
    const {columns, text} = trace.meta || {text: trace.text ? 'text' : ''};
    const marker = trace.marker || {};
    const shade = marker.colorbar && marker.colorbar.title;
    return (trace.x || []).map((x, i) => {
      const row = new Map([['series', trace.name || ''],
        [titled(layout.xaxis, 'x'), x], [titled(layout.yaxis, 'y'), trace.y[i]]]);
      if (text) row.set(text, trace.text[i]);
      if (Array.isArray(marker.color)) row.set(shade ? shade.text : 'colour', marker.color[i]);
      // Marks that would hide each other are drawn beside where they are at.
      (columns || []).forEach((name, c) => row.set(
        name === 'at' ? titled(layout.xaxis, 'x') : name, trace.customdata[i][c]));
      return row;
    });
  }

  /* Returns the data of a figure, a line a point; header first. */
  function csv({layout, data: traces, name}) {
    const rows = traces
      .filter((trace) => trace.hoverinfo !== 'skip')  // An outline of bounds.
      .flatMap((trace) => (trace.type === 'heatmap' ? cells : points)(trace, layout));
    for (const [series, low, high, n] of layout.meta.bands || []) {
      rows.push(new Map([['series', series], ['low', low], ['high', high], ['n', n]]));
    }
    if (name !== undefined) for (const row of rows) row.set('picked', name);
    const columns = [...new Set(rows.flatMap((row) => [...row.keys()]))];
    const lines = [columns, ...rows.map((row) => columns.map((key) => row.get(key)))];
    return lines.map((line) => line.map(cell).join(',') + '\r\n').join('');
  }

  function save(plot) {
    const blob = new Blob([csv(figureOf(plot))], {type: 'text/csv;charset=utf-8'});
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    link.download = `${plot.id}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  for (const plot of document.querySelectorAll(PLOTS)) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'csv';
    button.textContent = 'Data (CSV)';
    button.setAttribute('aria-label', `Data (CSV): ${plot.dataset.label}`);
    button.addEventListener('click', () => save(plot));
    const figure = plot.closest('figure');
    (figure.querySelector('figcaption') || figure).append(button);
  }
  for (const plot of document.querySelectorAll('.plot[data-picked]')) {
    byId(plot.dataset.picker).addEventListener('change', () => draw(plot));
  }

  /* On paper nothing is folded away, and figures have the width of a page. */
  function paper(on) {
    if (root.classList.contains('paper') === on) return;
    root.classList.toggle('paper', on);
    for (const part of document.querySelectorAll(on ? 'details:not([open])' : 'details[data-folded]')) {
      part.open = on;
      part.toggleAttribute('data-folded', on);
    }
    drawAll();
  }

  drawAll();
  let timer;
  window.addEventListener('resize', () => {
    clearTimeout(timer);
    timer = setTimeout(drawAll, 150);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  matchMedia('print').addEventListener('change', (event) => paper(event.matches));
  window.addEventListener('beforeprint', () => paper(true));
  window.addEventListener('afterprint', () => paper(false));
})();
