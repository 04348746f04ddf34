'use strict';
(() => {
  const byId = (id) => document.getElementById(id);
  const facts = JSON.parse(byId('data').textContent);
  const secret = new URLSearchParams(location.search).get('token');
  const STRONGEST = 0.5, FULL_SCORE = 3, HIGHEST = 7, LOWEST = 3;

  /* Text: numbers with a minus, and characters that would not be seen. */
  const shown = (value, digits) => value === null || value === undefined ? '\u2013' :
    (value > 0 ? '+' : '') + value.toFixed(digits).replace('-', '\u2212');
  const HIDDEN = /[\p{C}\u2028\u2029\u034f\u115f\u1160\u3164\uffa0\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/u;
  const NAMES = new Map([['\n', '\u23ce'], ['\t', '\u21e5'], ['\r', '\u240d']]);
  const sign = (letter) => NAMES.get(letter) || (HIDDEN.test(letter) ?
    `[U+${letter.codePointAt(0).toString(16).toUpperCase().padStart(4, '0')}]` : '');

  function node(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function spell(element, text) {
    for (const letter of text) {
      const own = sign(letter);
      if (own) element.append(node('span', 'sign', own));
      if (!own || letter === '\n') element.append(letter);
    }
  }

  /* What is shown. A turn has the user's text, or one or two replies. A part is
     {text, written: tokens or null, again: tokens or null, box}; a token is
     {text, readings} or {text, cosine, score}. */
  const talk = byId('talk'), emotion = byId('emotion'), kind = byId('kind');
  let turns = [], busy = false, told = null;

  const full = (e) => kind.value === 'score' ? FULL_SCORE : facts.full[e];
  const digits = () => kind.value === 'score' ? 2 : 3;
  const valuesOf = (token) =>
    kind.value === 'written' ? token.readings : token[kind.value];
  const tokensOf = (part) => kind.value === 'written' ? part.written : part.again;

  function paint(element, value, scale) {
    const amount = value === null || value === undefined || !scale ? 0 :
      Math.min(1, Math.abs(value) / scale);
    element.style.setProperty('--hue', `var(--${value < 0 ? 'negative' : 'positive'})`);
    element.style.setProperty('--amount', amount.toFixed(3));
  }

  function add(part, token) {
    if (!token.text) return;
    const span = node('span', 'token');
    spell(span, token.text);
    span.tabIndex = part.spans.length ? -1 : 0;
    span.token = token;
    part.spans.push(span);
    part.run.append(span);
    colour(span);
  }

  function colour(span) {
    const e = emotion.selectedIndex, values = valuesOf(span.token);
    paint(span, values ? values[e] : null, full(e));
  }

  /* One part, from the beginning. */
  function lay(part) {
    const tokens = tokensOf(part);
    part.spans = [];
    part.run.replaceChildren();
    if (tokens) for (const token of tokens) add(part, token);
    else spell(part.run, part.text);
  }

  function begin(turn, name, title) {
    const part = {text: '', written: null, again: null, spans: [], name,
      box: node('div', `reply ${name}`), run: node('div', 'run'), note: node('p', 'note')};
    if (title) part.box.append(node('h4', '', title));
    part.box.append(part.run, part.note);
    part.box.addEventListener('keydown', (event) => move(event, part));
    turn.parts.push(part);
    turn.list.append(part.box);
    return part;
  }

  function newTurn(role, text) {
    const turn = {role, parts: [], list: node('div', 'replies'), element: node('article', `turn ${role}`)};
    turn.element.append(node('h3', '', role), turn.list);
    talk.append(turn.element);
    turns.push(turn);
    if (text !== undefined) {
      const part = begin(turn, role);
      part.text = text;
      lay(part);
    }
    byId('empty').hidden = true;
    return turn;
  }

  function forget(turn) {
    turn.element.remove();
    turns = turns.filter((other) => other !== turn);
    byId('empty').hidden = turns.length > 0;
  }

  function move(event, part) {
    const at = part.spans.indexOf(document.activeElement);
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    const last = part.spans.length - 1;
    const to = event.key === 'Home' ? 0 : event.key === 'End' ? last :
      step && Math.min(last, Math.max(0, at + step));
    if (at < 0 || to === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    part.spans[at].tabIndex = -1;
    part.spans[to].tabIndex = 0;
    part.spans[to].focus();
  }

  /* The table of one token. */
  function describe(span) {
    if (told) told.classList.remove('chosen');
    told = span;
    const values = span && valuesOf(span.token);
    byId('values').hidden = !values;
    const line = byId('told');
    line.replaceChildren();
    if (!values) {
      line.textContent = span ? 'There are no values of this token.' : 'Point at a token.';
      return;
    }
    span.classList.add('chosen');
    const name = node('b');
    spell(name, span.token.text);
    line.append(name, ` ${kind.selectedOptions[0].textContent}`);
    const order = values.map((_, e) => e).filter((e) => values[e] !== null)
      .sort((a, b) => values[b] - values[a]);
    const some = order.length > HIGHEST + LOWEST ?
      [...order.slice(0, HIGHEST), ...order.slice(-LOWEST)] : order;
    byId('values').tBodies[0].replaceChildren(...some.map((e) => {
      const row = node('tr'), head = node('th', '', facts.emotions[e]), bar = node('span', 'bar');
      head.scope = 'row';
      if (e === emotion.selectedIndex) row.setAttribute('aria-current', 'true');
      paint(bar, values[e], Math.max(...some.map((k) => Math.abs(values[k]))));
      const cell = node('td');
      cell.append(bar);
      row.append(head, cell, node('td', 'num', shown(values[e], digits())));
      return row;
    }));
  }

  const MEANINGS = {
    written: `Projection on the unit vector of the emotion when the token was written, with the steering in it, in units of the mean residual norm at layer ${facts.layer}. A token of the user has none. Steering at or below layer ${facts.layer} adds to it directly.`,
    score: `Cosine with the vector, of the whole chat read again without steering, in standard deviations of neutral dialogues at layer ${facts.layer}. Emotions can be compared.`,
    cosine: `Cosine with the vector, of the whole chat read again without steering, at layer ${facts.layer}. Each emotion has an offset of its own.`,
  };

  function show() {
    const e = emotion.selectedIndex;
    byId('low').textContent = shown(-full(e), digits());
    byId('high').textContent = shown(full(e), digits());
    byId('meaning').textContent = MEANINGS[kind.value];
    for (const turn of turns) for (const part of turn.parts) part.spans.forEach(colour);
    if (told && told.isConnected) describe(told);
  }

  function showAll() {
    for (const turn of turns) turn.parts.forEach(lay);
    describe(null);
    show();
  }

  /* The controls. */
  const dials = byId('dials');
  const options = [...facts.emotions, ...facts.controls];

  function addDial(name, strength) {
    const item = node('li', 'dial'), pick = node('select'), range = node('input');
    const out = node('output'), gone = node('button', 'small', '\u00d7');
    for (const option of options) pick.append(node('option', '', option));
    pick.value = name;
    pick.setAttribute('aria-label', 'Direction');
    Object.assign(range, {type: 'range', min: -STRONGEST, max: STRONGEST, step: 0.01, value: strength});
    gone.type = 'button';
    const label = () => {
      out.textContent = shown(Number(range.value), 2);
      range.setAttribute('aria-label', `Strength of ${pick.value}`);
      gone.setAttribute('aria-label', `Remove ${pick.value}`);
    };
    range.addEventListener('input', label);
    pick.addEventListener('change', label);
    gone.addEventListener('click', () => { item.remove(); byId('add').disabled = false; byId('add').focus(); });
    item.append(pick, range, out, gone);
    dials.append(item);
    byId('add').disabled = dials.children.length >= facts.most;
    label();
  }

  function nextName() {
    const used = [...dials.querySelectorAll('select')].map((pick) => pick.value);
    return options.find((name) => !used.includes(name));
  }

  function controls() {
    const steer = [...dials.children].map((item) =>
      [item.querySelector('select').value, Number(item.querySelector('input').value)]);
    const [first, last] = [Number(byId('first').value), Number(byId('last').value)];
    const rule = byId('rule').value.split(':')[0], number = byId('number').value.trim();
    return {
      steer: steer.filter(([, strength]) => strength).map(([name, x]) => `${name}:${x}`).join(','),
      layers: facts.layers.filter((layer) => first <= layer && layer <= last),
      positions: byId('rule').value.includes(':') ? `${rule}:${number}` : rule,
      temperature: Number(byId('temperature').value),
      seed: Number(byId('seed').value),
      new_tokens: Number(byId('tokens').value),
    };
  }

  for (const id of ['first', 'last']) {
    for (const layer of facts.layers) byId(id).append(node('option', '', layer));
    byId(id).value = facts.layer;
    byId(id).addEventListener('change', () => {
      const other = byId(id === 'first' ? 'last' : 'first');
      if (Number(byId('first').value) > Number(byId('last').value)) other.value = byId(id).value;
    });
  }
  byId('rule').addEventListener('change', () => {
    const [, ...names] = byId('rule').value.split(':');
    byId('numbers').hidden = !names.length;
    byId('numbers-name').textContent = names.join(':');
  });
  for (const id of ['temperature', 'tokens']) {
    const out = byId(id).nextElementSibling;
    const label = () => { out.textContent = byId(id).value; };
    byId(id).addEventListener('input', label);
    label();
  }
  byId('add').addEventListener('click', () => addDial(nextName(), 0));

  /* A reply. */
  const ask = (path, body) => fetch(path, {
    method: 'POST', body: JSON.stringify(body), referrerPolicy: 'no-referrer',
    headers: {'Content-Type': 'application/json', Authorization: `Bearer ${secret}`}});

  function say(text) { byId('status').textContent = text; }
  function complain(text) {
    byId('trouble').textContent = text;
    byId('trouble').hidden = !text;
  }

  function working(now) {
    busy = now;
    byId('send').disabled = byId('new').disabled = now;
    byId('stop').disabled = !now;
    talk.setAttribute('aria-busy', now ? 'true' : 'false');
  }

  async function* linesOf(response) {
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      const lines = (rest + value).split('\n');
      rest = lines.pop();
      for (const line of lines) yield JSON.parse(line);
    }
  }

  const TITLES = {steered: 'as steered', unsteered: 'without steering'};

  function take(event, turn, asked) {
    const part = turn.parts.find((each) => each.name === event.reply);
    if (event.event === 'begin') {
      begin(turn, event.reply, asked.beside ? TITLES[event.reply] : '').written = [];
      say('Writing\u2026');
    } else if (event.event === 'token') {
      const token = {text: event.text, readings: event.readings};
      const below = innerHeight + scrollY > document.body.scrollHeight - 80;
      part.written.push(token);
      part.text += event.text;
      if (kind.value === 'written') add(part, token); else part.run.append(event.text);
      if (below) scrollTo(0, document.body.scrollHeight);
    } else if (event.event === 'end') {
      part.text = event.text;
      const why = event.stopped ? 'Stopped. ' : event.finite ? '' :
        'It ended since activations were not finite: steer less. ';
      part.note.textContent = `${why}Exchange ${event.number}` +
        (asked.controls.steer && event.reply === 'steered' ? `: ${asked.controls.steer}` : '');
      part.note.title = event.command;
      say('Reading it again without steering\u2026');
    } else if (event.event === 'read' && event.trouble) {
      part.note.textContent += `. It cannot be read again: ${event.trouble}`;
    } else if (event.event === 'read') {
      const count = Math.max(...event.message) + 1, shift = turns.length - count;
      turns.forEach((each, i) => {
        const own = each === turn ? part : each.parts[0];
        if (event.reply !== 'steered' && own !== part) return;
        const at = event.message.map((m, t) => m + shift === i ? t : -1).filter((t) => t >= 0);
        own.again = at.map((t) => (
          {text: event.tokens[t], cosine: event.cosine[t], score: event.score[t]}));
        if (kind.value !== 'written') lay(own);
      });
    } else if (event.event === 'error') complain(event.message);
  }

  async function send() {
    const text = byId('said').value;
    if (busy || !text.trim()) return;
    working(true);
    complain('');
    const asked = {controls: controls(), beside: byId('beside').checked};
    const system = byId('system').value.trim();
    if (!turns.length && system) newTurn('system', system);
    const before = turns.length, mine = newTurn('user', text);
    asked.messages = turns.map((turn) => ({role: turn.role, content: turn.parts[0].text}));
    byId('said').value = '';
    say('Waiting for the first token\u2026');
    let turn = null;
    try {
      const response = await ask('/reply', asked);
      if (!response.ok) throw new Error(await response.text());
      turn = newTurn('assistant');
      for await (const event of linesOf(response)) take(event, turn, asked);
    } catch (error) {
      complain(error instanceof TypeError ? 'The server does not answer; look at its terminal.' : error.message);
    }
    if (!turn || !turn.parts.length || !turn.parts[0].text) {
      if (turn && !turn.parts.length) forget(turn);
      if (!turn || !turn.parts.length) {
        forget(mine);
        if (before === 1 && turns[0] && turns[0].role === 'system') forget(turns[0]);
        byId('said').value = text;
      }
    }
    const done = turn && turn.parts[0] ? turn.parts[0].text : '';
    say('');
    byId('heard').textContent = done;
    working(false);
    byId('said').focus({preventScroll: true});
  }

  byId('form').addEventListener('submit', (event) => { event.preventDefault(); send(); });
  byId('said').addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  });
  const stop = () => { if (busy) ask('/stop', {}).catch(() => {}); };
  byId('stop').addEventListener('click', stop);
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    if (busy) stop(); else describe(null);
  });
  byId('new').addEventListener('click', () => {
    [...turns].forEach(forget);
    complain('');
    say('');
    describe(null);
    byId('said').focus();
  });
  const over = (event) => {
    const span = event.target.closest('.token');
    if (span) describe(span);
  };
  for (const name of ['mouseover', 'focusin', 'click']) talk.addEventListener(name, over);
  /* On a phone the table covers a part of the page. */
  document.addEventListener('click', (event) => {
    if (!event.target.closest('.token, aside, .view')) describe(null);
  });
  emotion.addEventListener('change', show);
  kind.addEventListener('change', showAll);

  addDial(facts.emotions[0], 0.1);
  show();
})();
