'use strict';
(() => {
  const root = document.documentElement;
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent);

  /* Figures. A colour `var(--name)` is looked up when a figure is drawn. */
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

  function draw(element, figure) {
    const paper = root.classList.contains('paper');
    const width = paper ? 640 : element.clientWidth;
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
    Plotly.react(element, traces, layout, {displayModeBar: false});
  }

  function drawAll() {
    for (const element of document.querySelectorAll('[data-figure]')) {
      draw(element, data.figures[element.dataset.figure]);
    }
    const picker = byId('dose-emotion');
    if (picker && data.emotions.length) {
      draw(byId('dose-one'), data.emotions[picker.value].figure);
    }
  }

  /* The reader of chats. */
  const MINUS = '\u2212';
  const shown = (value, digits) => value === null ? '\u2013' :
    value.toFixed(digits).replace('-', MINUS);
  const signed = (value, digits) =>
    (value > 0 ? '+' : '') + shown(value, digits);

  function node(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  /* Sets the colour of a value: the sign gives the hue, the size how much. */
  function paint(element, value, scale) {
    const amount = value === null || !scale ? 0 : Math.min(1, Math.abs(value) / scale);
    element.style.setProperty('--hue', `var(--${value < 0 ? 'negative' : 'positive'})`);
    element.style.setProperty('--amount', amount.toFixed(3));
  }

  /* Characters that would not be seen, or would move others about. */
  const HIDDEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/;
  const NAMES = {'\n': '\u23ce', '\t': '\u21e5', '\r': '\u240d', ' ': '\u00b7'};
  const code = (letter) => 'U+' +
    letter.codePointAt(0).toString(16).toUpperCase().padStart(4, '0');

  /* One space before a word is shown as itself; all other blanks as signs. */
  function spell(element, text) {
    const rest = /^ \S/.test(text) ? text.slice(1) : text;
    if (rest !== text) element.append(' ');
    for (const letter of rest) {
      if (letter in NAMES) element.append(node('span', 'sign', NAMES[letter]));
      else if (HIDDEN.test(letter)) element.append(node('span', 'sign', `[${code(letter)}]`));
      else element.append(letter);
      if (letter === '\n') element.append('\n');
    }
  }
  const quoted = (text) => Array.from(text, (letter) => letter === ' ' ? '\u2423' :
    NAMES[letter] || (HIDDEN.test(letter) ? `[${code(letter)}]` : letter)).join('');

  function reader() {
    const chats = byId('chat'), emotions = byId('emotion');
    const tokens = byId('tokens'), detail = byId('detail');
    let chat, current, spans = [];
    const kind = () => document.querySelector('input[name=value]:checked').value;
    const digits = () => kind() === 'cosine' ? 3 : 2;
    const unit = () => kind() === 'cosine' ? 'cosine' : 'standard deviations';
    const value = (t) => chat[kind()][t][emotions.selectedIndex];

    function describe(t) {
      detail.replaceChildren(
        node('b', '', quoted(chat.tokens[t])),
        node('div', '', `token ${t} of ${chat.tokens.length}, ${chat.roles[t]}`),
        node('div', '', `${emotions.value}: ${signed(value(t), digits())} ` +
          (kind() === 'cosine' ? '(cosine)' : '(standardised)')));
      if (t === chat.response) detail.append(node('div', '', 'last template token before the reply'));
    }

    /* The current token is the one that tab reaches and arrows leave from. */
    function select(t) {
      current = t;
      spans.forEach((span, i) => { span.tabIndex = i === t ? 0 : -1; });
      describe(t);
    }

    function ranked(list, order) {
      const values = chat[kind()][chat.response];
      const scale = Math.max(...values.map((x) => Math.abs(x)));
      list.replaceChildren(...order.map((e) => {
        const button = node('button');
        button.type = 'button';
        button.setAttribute('aria-pressed', e === emotions.selectedIndex);
        const bar = node('span', 'bar');
        paint(bar, values[e], scale);
        button.append(node('span', '', chat.emotions[e]), bar,
          node('span', 'num', signed(values[e], digits())));
        button.addEventListener('click', () => {
          emotions.selectedIndex = e;
          colour();
          for (const other of list.querySelectorAll('[aria-pressed=true]')) other.focus();
        });
        const item = node('li');
        item.append(button);
        return item;
      }));
    }

    function colour() {
      const scale = chat.scale[kind()];
      spans.forEach((span, t) => paint(span, value(t), scale));
      byId('scale-low').textContent = signed(-scale, digits());
      byId('scale-high').textContent = signed(scale, digits());
      byId('scale-note').textContent = `${unit()}; full colour at the 99th ` +
        'percentile of |value| in this chat, over all emotions';
      if (chat.response === null) {
        byId('top').textContent = byId('bottom').textContent = 'no such token';
      } else {
        const values = chat[kind()][chat.response];
        const order = values.map((_, e) => e).sort((a, b) => values[b] - values[a]);
        ranked(byId('top'), order.slice(0, 6));
        ranked(byId('bottom'), order.slice(6).reverse().slice(0, 3));
      }
      select(current);
    }

    function lay() {
      chat = data.chats[chats.selectedIndex];
      const before = emotions.value;
      emotions.replaceChildren(...chat.emotions.map((name) => new Option(name, name)));
      emotions.selectedIndex = Math.max(0, chat.emotions.indexOf(before));
      tokens.replaceChildren();
      let role, run;
      spans = chat.tokens.map((text, t) => {
        if (chat.roles[t] !== role) {
          role = chat.roles[t];
          const known = ['user', 'assistant', 'system', 'template'].includes(role);
          const block = node('div', `span ${known ? role : ''}`);
          run = node('div', 'run');
          block.append(node('span', '', role), run);
          tokens.append(block);
        }
        const span = node('span', t === chat.response ? 'token response' : 'token');
        span.dataset.index = t;
        spell(span, text);
        run.append(span);
        return span;
      });
      current = chat.response === null ? 0 : chat.response;
      colour();
    }

    const at = (action) => (event) => {
      const span = event.target.closest('.token');
      if (span) action(Number(span.dataset.index));
    };
    tokens.addEventListener('focusin', at(select));
    tokens.addEventListener('mouseover', at(describe));
    tokens.addEventListener('mouseleave', () => describe(current));
    tokens.addEventListener('keydown', (event) => {
      const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
      const to = event.key === 'Home' ? 0 : event.key === 'End' ? spans.length - 1 :
        step && Math.min(spans.length - 1, Math.max(0, current + step));
      if (to === undefined) return;
      event.preventDefault();
      spans[to].focus();
    });
    chats.append(...data.chats.map((item, i) => new Option(item.title, i)));
    chats.addEventListener('change', lay);
    emotions.addEventListener('change', colour);
    for (const input of document.querySelectorAll('input[name=value]')) {
      input.addEventListener('change', colour);
    }
    lay();
    if (chat.response !== null) {
      const values = chat[kind()][chat.response];
      emotions.selectedIndex = values.indexOf(Math.max(...values));
      colour();
    }
  }

  function texts() {
    const emotion = byId('text-emotion'), strength = byId('text-strength');
    const layer = byId('text-layer');
    const rows = document.querySelectorAll('#text-table [data-kind]');
    const filter = () => {
      let count = 0;
      for (const row of rows) {
        const {kind, direction} = row.dataset;
        row.hidden =
          (['emotion', 'opposite'].includes(kind) && direction !== emotion.value) ||
          (kind !== 'unsteered' && strength.value !== '' &&
            row.dataset.strength !== strength.value) ||
          (kind !== 'unsteered' && layer && layer.value !== '' &&
            row.dataset.layer !== layer.value);
        count += !row.hidden;
      }
      byId('text-count').textContent = `${count} of ${rows.length} texts`;
    };
    emotion.addEventListener('change', filter);
    strength.addEventListener('change', filter);
    if (layer) layer.addEventListener('change', filter);
    filter();
  }

  if (data.chats.length) reader();
  if (byId('text-table')) texts();
  if (byId('dose-emotion')) byId('dose-emotion').addEventListener('change', drawAll);
  drawAll();
  let timer;
  window.addEventListener('resize', () => {
    clearTimeout(timer);
    timer = setTimeout(drawAll, 150);
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
  window.addEventListener('beforeprint', () => { root.classList.add('paper'); drawAll(); });
  window.addEventListener('afterprint', () => { root.classList.remove('paper'); drawAll(); });
})();
