'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId('data').textContent).reader;
  if (!data) return;

  /* Values: of the emotion e at the token t of all chats, x[e * size + t]. */
  const EXACT = [100000, 4], COARSE = [10000, 2];
  const size = data.chats.reduce((sum, chat) => sum + chat.tokens.length, 0);
  const responses = data.chats.filter((chat) => chat.response !== null)
    .map((chat) => chat.first + chat.response);
  const unpacked = new Map();

  /* What reader.pack packed: planes of bytes, the sign in the lowest bit. */
  async function unpack(text, [per, width]) {
    const letters = atob(text), bytes = new Uint8Array(letters.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = letters.charCodeAt(i);
    const stream = new Blob([bytes]).stream()
      .pipeThrough(new DecompressionStream('gzip'));
    const flat = new Uint8Array(await new Response(stream).arrayBuffer());
    const count = flat.length / width, none = 2 ** (8 * width) - 1;
    const out = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      let code = 0;
      for (let k = 0; k < width; k++) code |= flat[k * count + i] << (8 * k);
      out[i] = (code >>> 0) === none ? NaN : ((code >>> 1) ^ -(code & 1)) / per;
    }
    return out;
  }

  /* Cosines in standard deviations of neutral dialogues, as readings.py has. */
  function standardised(cosine, baselines) {
    const out = new Float64Array(cosine.length);
    data.emotions.forEach((_, e) => {
      const over = (name) => [baselines[name][0][e], Math.max(baselines[name][1][e], 1e-12)];
      const [mean, deviation] = over('cosine');
      for (let i = e * size; i < (e + 1) * size; i++) out[i] = (cosine[i] - mean) / deviation;
      const [own, spread] = over('response');
      for (const t of responses) out[e * size + t] = (cosine[e * size + t] - own) / spread;
    });
    return out;
  }

  async function compute(layer) {
    if (layer === data.layer) {
      return {cosine: await unpack(data.exact.cosine, EXACT),
        score: await unpack(data.exact.score, EXACT)};
    }
    const cosine = await unpack(data.packed[layer], COARSE);
    return {cosine, score: standardised(cosine, data.baselines[layer])};
  }

  function valuesOf(layer) {
    if (!unpacked.has(layer)) unpacked.set(layer, compute(layer));
    return unpacked.get(layer);
  }

  /* Text that shows all that is in it. */
  const shown = (value, digits) => Number.isFinite(value) ?
    value.toFixed(digits).replace('-', '\u2212') : '\u2013';
  const signed = (value, digits) => (value > 0 ? '+' : '') + shown(value, digits);

  function node(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  /* Characters that would not be seen, or would move others about. */
  const HIDDEN = /[\p{C}\p{Z}\u034f\u115f\u1160\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;
  const NAMES = new Map([['\n', '\u23ce'], ['\t', '\u21e5'], ['\r', '\u240d'], [' ', '\u00b7']]);
  const sign = (letter) => NAMES.get(letter) || (HIDDEN.test(letter) ?
    `[U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]` : '');

  /* One space before a word is shown as itself; all other blanks as signs. */
  function spell(element, text) {
    let plain = '';
    const flush = () => { if (plain) element.append(plain); plain = ''; };
    Array.from(text).forEach((letter, i, all) => {
      const first = i === 0 && letter === ' ' && all.length > 1 && all[1].trim();
      const own = first ? '' : sign(letter);
      if (own) { flush(); element.append(node('span', 'sign', own)); } else plain += letter;
      if (letter === '\n') plain += '\n';
    });
    flush();
  }
  const quoted = (text) => Array.from(text, (letter) =>
    letter === ' ' ? '\u2423' : sign(letter) || letter).join('');

  /* The page. */
  const chats = byId('chat'), emotions = byId('emotion'), second = byId('second');
  const slider = byId('layer'), query = byId('search');
  const tokens = byId('tokens'), detail = byId('detail'), root = byId('reader');
  let panes = [], current, told, matches = [], match = -1;
  let values, layer = data.layer, kind, full;  // The last is what gets full colour.

  const group = () => chats.selectedIndex;
  const digits = () => kind === 'cosine' ? 3 : 2;
  const other = () => second.selectedIndex - 1;
  const at = (pane, t, e) => values[kind][e * size + pane.chat.first + t];
  const amount = (value) => Number.isFinite(value) && full ?
    Math.min(1, Math.abs(value) / full) : 0;
  const hue = (value) => value < 0 ? 'negative' : 'positive';

  /* Few styles for many tokens: a browser works out each of them once. */
  const STEPS = {first: 32, second: 8};
  function addStyles() {
    const {sheet} = document.head.appendChild(node('style'));
    for (const [name, steps] of Object.entries(STEPS)) {
      for (let step = -steps; step <= steps; step++) {
        const strength = Math.abs(step) / steps, own = hue(step);
        sheet.insertRule(`.token[data-${name}="${step}"] {` + (name === 'first' ?
          `--hue: var(--${own}); --amount: ${strength}` :
          `--second: var(--second-${own}-line); --size: ${strength}`) + '}');
      }
    }
  }

  function paint(element, name, value) {
    const step = String(Math.round(amount(value) * STEPS[name]) * (value < 0 ? -1 : 1) || 0);
    if (element.dataset[name] !== step) element.dataset[name] = step;
  }

  /* The numbers at a token; `value` of each is as the file has it. */
  function number(value) {
    const element = node('data', 'num', signed(value, digits()));
    element.value = Number.isFinite(value) ? String(value) : '';
    return element;
  }

  function describe(place) {
    const {pane, t} = place, {chat} = pane;
    told = place;
    const lines = [emotions.selectedIndex, other()].filter((e) => e >= 0).map((e) => {
      const line = node('div', '', `${data.emotions[e]}: `);
      line.append(number(at(pane, t, e)), kind === 'cosine' ? ' (cosine)' : ' (standardised)');
      return line;
    });
    detail.replaceChildren(
      node('b', '', quoted(chat.tokens[t])),
      node('div', '', `token ${t} of ${chat.tokens.length}, ${pane.roles[t]}`), ...lines);
    if (t === chat.response) detail.append(node('div', '', 'last template token before the reply'));
    const all = data.emotions.map((_, e) => at(pane, t, e));
    const order = all.map((_, e) => e).filter((e) => Number.isFinite(all[e]))
      .sort((a, b) => all[b] - all[a]);
    const most = Math.max(...order.map((e) => Math.abs(all[e])));
    ranked(byId('top'), order.slice(0, 6), all, most);
    ranked(byId('bottom'), order.slice(6).reverse().slice(0, 3), all, most);
  }

  function ranked(list, order, all, most) {
    list.replaceChildren(...order.map((e) => {
      const button = node('button'), bar = node('span', 'bar'), item = node('li');
      button.type = 'button';
      button.setAttribute('aria-pressed', e === emotions.selectedIndex);
      bar.style.setProperty('--hue', `var(--${hue(all[e])})`);
      bar.style.setProperty('--amount', most ? (Math.abs(all[e]) / most).toFixed(3) : 0);
      button.append(node('span', '', data.emotions[e]), bar, number(all[e]));
      button.addEventListener('click', () => {
        emotions.selectedIndex = e;
        colour();
        for (const same of list.querySelectorAll('[aria-pressed=true]')) same.focus();
      });
      item.append(button);
      return item;
    }));
  }

  /* The current token is the one that tab reaches and arrows leave from. */
  function select(place) {
    const {pane, t} = place, old = pane.spans[pane.current];
    old.tabIndex = -1;
    old.setAttribute('aria-selected', 'false');
    pane.current = t;
    pane.spans[t].tabIndex = 0;
    pane.spans[t].setAttribute('aria-selected', 'true');
    current = place;
    describe(place);
  }

  function colour() {
    const e = emotions.selectedIndex, two = other() >= 0;
    kind = document.querySelector('input[name=value]:checked').value;
    full = data.scales[layer][kind][group()];
    root.classList.toggle('two', two);
    for (const pane of panes) {
      pane.spans.forEach((span, t) => {
        paint(span, 'first', at(pane, t, e));
        if (two) paint(span, 'second', at(pane, t, other()));
      });
    }
    byId('first-name').textContent = emotions.value;
    byId('second-name').textContent = second.value;
    byId('second-scale').hidden = !two;
    byId('scale-low').textContent = signed(full === null ? NaN : -full, digits());
    byId('scale-high').textContent = signed(full, digits());
    byId('scale-note').textContent =
      `${kind === 'cosine' ? 'cosine' : 'standard deviations'} at layer ${layer}; full colour ` +
      'at the 99th percentile of |value| in this chat, over all emotions';
    describe(told);
  }

  /* One chat; two side by side if the reply was written twice. */
  function build(chat) {
    const element = node('div', 'pane'), box = node('div');
    const pane = {chat, element, spans: [], roles: [], current: chat.response || 0};
    if (chat.label) element.append(node('h4', '', chat.label));
    box.setAttribute('role', 'listbox');
    box.setAttribute('aria-label', `Tokens of the chat. ${chat.label}`);
    box.setAttribute('aria-describedby', 'keys');
    for (const [role, count] of chat.turns) {
      const known = ['user', 'assistant', 'system', 'template'].includes(role);
      const block = node('div', `span ${known ? role : ''}`), run = node('div', 'run');
      const name = node('span', '', role);
      name.setAttribute('aria-hidden', 'true');
      block.setAttribute('role', 'group');
      block.setAttribute('aria-label', role);
      for (let i = 0; i < count; i++) {
        const t = pane.spans.length;
        const span = node('span', t === chat.response ? 'token response' : 'token');
        span.dataset.index = t;
        span.tabIndex = t === pane.current ? 0 : -1;
        span.setAttribute('role', 'option');
        span.setAttribute('aria-selected', t === pane.current ? 'true' : 'false');
        spell(span, chat.tokens[t]);
        run.append(span);
        pane.spans.push(span);
        pane.roles.push(role);
      }
      block.append(name, run);
      box.append(block);
    }
    const on = (action) => (event) => {
      const span = event.target.closest('.token');
      if (span) action({pane, t: Number(span.dataset.index)});
    };
    box.addEventListener('focusin', on(select));
    box.addEventListener('mouseover', on(describe));
    box.addEventListener('mouseleave', () => describe(current));
    box.addEventListener('keydown', (event) => move(event, pane));
    element.append(box);
    return pane;
  }

  function move(event, pane) {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    const last = pane.spans.length - 1;
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? last :
      step && Math.min(last, Math.max(0, pane.current + step));
    if (to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    pane.spans[to].focus();
  }

  function lay() {
    panes = data.groups[group()].map((i) => build(data.chats[i]));
    tokens.replaceChildren(...panes.map((pane) => pane.element));
    current = told = {pane: panes[0], t: panes[0].current};
    mark();
    colour();
  }

  /* Search: a match may begin in one token and end in another. */
  function find() {
    matches = [];
    match = -1;
    if (query.value) {
      const pattern = new RegExp(query.value.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&'), 'gi');
      data.groups.forEach((members, g) => members.forEach((i, p) => {
        const ends = [];
        let end = 0;
        for (const token of data.chats[i].tokens) ends.push(end += token.length);
        let t = 0;
        for (const hit of data.chats[i].tokens.join('').matchAll(pattern)) {
          while (ends[t] <= hit.index) t++;
          let last = t;
          while (ends[last] < hit.index + hit[0].length) last++;
          matches.push({g, p, t, last});
        }
      }));
    }
    mark();
    tell();
  }

  function mark() {
    for (const span of tokens.querySelectorAll('.match, .now')) span.classList.remove('match', 'now');
    matches.forEach(({g, p, t, last}, i) => {
      if (g !== group()) return;
      for (const span of panes[p].spans.slice(t, last + 1)) {
        span.classList.add('match');
        if (i === match) span.classList.add('now');
      }
    });
  }

  function tell() {
    const here = matches.filter(({g}) => g === group()).length;
    const where = data.groups.length > 1 ? `, ${here} in this chat` : '';
    byId('found').textContent = !query.value ? '' : !matches.length ? 'not found' :
      match < 0 ? `${matches.length} found${where}` : `${match + 1} of ${matches.length}${where}`;
  }

  function jump(step) {
    if (!matches.length) return;
    const first = step > 0 ? matches.findIndex(({g}) => g >= group()) :
      matches.findLastIndex(({g}) => g <= group());
    match = match >= 0 ? (match + step + matches.length) % matches.length :
      first >= 0 ? first : step > 0 ? 0 : matches.length - 1;
    const {g, p, t} = matches[match];
    if (g !== group()) {
      chats.selectedIndex = g;
      lay();
    }
    mark();
    select({pane: panes[p], t});
    panes[p].spans[t].scrollIntoView({block: 'center'});
    tell();
  }

  async function choose() {
    const wanted = data.layers[Number(slider.value)];
    byId('layer-name').textContent = wanted;
    slider.setAttribute('aria-valuetext', `layer ${wanted}`);
    const got = await valuesOf(wanted);
    if (wanted !== data.layers[Number(slider.value)]) return;
    layer = wanted;
    values = got;
    colour();
    root.dataset.layer = layer;
  }

  function listen() {
    chats.addEventListener('change', () => { lay(); tell(); });
    emotions.addEventListener('change', colour);
    second.addEventListener('change', colour);
    for (const input of document.querySelectorAll('input[name=value]')) {
      input.addEventListener('change', colour);
    }
    if (slider) slider.addEventListener('input', choose);
    query.addEventListener('input', find);
    query.addEventListener('keydown', (event) => {
      if (event.key === 'Enter') { event.preventDefault(); jump(event.shiftKey ? -1 : 1); }
      if (event.key === 'Escape') { query.value = ''; find(); panes[0].spans[panes[0].current].focus(); }
    });
    byId('next').addEventListener('click', () => jump(1));
    byId('previous').addEventListener('click', () => jump(-1));
    document.addEventListener('keydown', (event) => {
      if (event.key !== '/' || event.target.closest('input, select, textarea')) return;
      event.preventDefault();
      query.focus();
      query.scrollIntoView({block: 'nearest'});
    });
  }

  async function start() {
    chats.append(...data.groups.map((members, i) => new Option(data.chats[members[0]].title, i)));
    emotions.append(...data.emotions.map((name) => new Option(name, name)));
    second.append(new Option('\u2013', ''), ...data.emotions.map((name) => new Option(name, name)));
    addStyles();
    values = await valuesOf(data.layer);
    const first = data.chats[data.groups[0][0]], scores = data.emotions.map((_, e) =>
      values.score[e * size + first.first + (first.response || 0)]);
    emotions.selectedIndex = Math.max(0, scores.indexOf(Math.max(...scores)));
    if (slider) byId('layer-name').textContent = data.layer;
    listen();
    lay();
    root.dataset.layer = layer;
    root.setAttribute('aria-busy', 'false');
  }

  start().catch((error) => {
    const trouble = byId('trouble');
    trouble.hidden = false;
    trouble.textContent = 'This browser cannot show the readings ' +
      `(${error.message}); open the page with a current one.`;
  });
})();
