// The building blocks of the pages. Text from queues gets into the page only by
// textContent.

// el creates an element with attributes, and texts or elements in it.
export function el(name, attributes, ...inner) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) set(e, key, value);
  e.append(...inner.filter((x) => x !== null && x !== undefined && x !== ''));
  return e;
}

export function set(e, key, value) {
  if (key === 'text') text(e, value);
  else if (value === null || value === undefined || value === false) e.removeAttribute(key);
  else if (e.getAttribute(key) !== String(value)) e.setAttribute(key, value === true ? '' : value);
}

// text changes a text only if it differs, so that selections are kept.
export function text(e, value) {
  if (e.textContent !== value) e.textContent = value;
}

// keyed makes the children of a parent match a list. Each key keeps its element.
export function keyed(parent, list, keyOf, make, update) {
  const old = new Map([...parent.children].map((c) => [c.dataset.key, c]));
  const focused = document.activeElement;
  let next = parent.firstElementChild;
  for (const item of list) {
    const key = keyOf(item);
    let e = old.get(key);
    old.delete(key);
    if (!e) {
      e = make(item);
      e.dataset.key = key;
    }
    if (e === next) next = next.nextElementSibling;
    else parent.insertBefore(e, next);
    update(e, item);
  }
  for (const e of old.values()) e.remove();
  if (focused && focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}

const SVG = 'http://www.w3.org/2000/svg';

export function svg(name, attributes) {
  const e = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes || {})) e.setAttribute(key, value);
  return e;
}

// Numbers and times.

const grouped = new Intl.NumberFormat('en');
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

export const amount = (n) => (n < 0 ? '–' : grouped.format(n));
export const shortNumber = (n) => (n < 0 ? '–' : n < 100000 ? grouped.format(n) : compact.format(n));
export const rate = (r) => (r <= 0 ? '0' : r < 10 ? r.toFixed(1) : shortNumber(Math.round(r)));
export const percent = (f) => (f < 0 ? '?' : f > 0 && f < 0.005 ? '<1 %' : f < 1 && f >= 0.995 ? '99 %' : Math.round(100 * f) + ' %');
export const plural = (n, word, many) => amount(n) + ' ' + (n === 1 ? word : many || word + 's');

export function bytes(n) {
  if (n < 0) return '–';
  if (n < 10240) return amount(n) + ' B';
  for (const unit of ['KiB', 'MiB', 'GiB', 'TiB']) {
    n /= 1024;
    if (n < 1000) return (n < 10 ? n.toFixed(1) : Math.round(n)) + ' ' + unit;
  }
  return Math.round(n) + ' TiB';
}

// duration writes seconds in their largest unit.
export function duration(s) {
  if (s < 1) return '<1 s';
  if (s < 100) return Math.floor(s) + ' s';
  if (s < 6000) return Math.floor(s / 60) + ' min';
  if (s < 360000) return Math.floor(s / 3600) + ' h';
  return Math.floor(s / 86400) + ' days';
}

// age returns how long ago a time was.
export const age = (now, at) => (at ? duration(Math.max(0, (new Date(now) - new Date(at)) / 1000)) : 'never');

export const away = (now, at) => {
  const s = (new Date(at) - new Date(now)) / 1000;
  return s < 0 ? duration(-s) + ' ago' : 'in ' + duration(s);
};

export const clock = (t, seconds) => new Date(t).toLocaleTimeString('en-GB', seconds ? {} : { hour: '2-digit', minute: '2-digit' });
export const moment = (t) => new Date(t).toLocaleString('en-GB');

// Texts about a queue.

export const level = (q) => (q.full ? 'full' : q.fullIn > 0 && q.fullIn < 300 ? 'soon' : q.fill >= 0.8 ? 'high' : q.fill >= 0.5 || q.fullIn > 0 ? 'half' : q.fill < 0 ? 'unknown' : 'low');

export function trend(q) {
  if (q.full) return ['full', q.senders > 0 && q.fill < 0.995 ? 'no room' : 'FULL'];
  if (q.fullIn > 0) return ['up', 'full in ' + duration(q.fullIn)];
  if (q.messages === 0) return ['none', 'empty'];
  if (q.emptyIn > 0) return ['down', 'empty in ' + duration(q.emptyIn)];
  return ['none', q.in > 0 || q.out > 0 ? 'steady' : 'still'];
}

export function waiting(q) {
  const parts = [];
  if (q.receivers) parts.push(plural(q.receivers, 'reader'));
  if (q.senders) parts.push(plural(q.senders, 'writer'));
  return parts.join(', ');
}

export function bar() {
  return el('span', { class: 'bar' }, el('span', {}));
}

export function setBar(e, q) {
  e.firstChild.style.width = q.fill > 0 ? `max(3px, ${Math.min(1, q.fill) * 100}%)` : 0;
}

// setTags shows what is special about a queue.
export function setTags(e, q) {
  const all = [];
  if (q.inbox) all.push(q.inbox === 'ended' ? ['bad', 'inbox of an ended process'] : ['', 'inbox']);
  if (q.dead > 0) all.push(['bad', plural(q.dead, 'message') + ' of ended processes']);
  else if (q.lent > 0) all.push([q.due > 0 ? 'warn' : '', amount(q.lent) + ' lent']);
  keyed(e, all, (t) => t.join(':'), ([kind, word]) => el('span', { class: 'tag ' + kind, text: word }), () => {});
}

export const past = 120; // intervals in a chart
const future = 40;

// chart draws the history of a queue, and where its trend leads.
export function chart() {
  const c = svg('svg', { viewBox: `0 0 ${past + future} 104`, preserveAspectRatio: 'none', class: 'chart', 'aria-hidden': 'true' });
  c.append(svg('line', { class: 'top', x1: 0, x2: past + future, y1: 2, y2: 2 }), svg('line', { class: 'now', x1: past, x2: past, y1: 0, y2: 104 }),
    svg('path', { class: 'area' }), svg('path', { class: 'line' }), svg('path', { class: 'ahead' }));
  return c;
}

export function setChart(c, q, step) {
  const [, , area, line, ahead] = c.children;
  const y = (v) => (102 - v).toFixed(1);
  const h = (q.history || []).slice(-past - 1);
  const first = past - h.length + 1;
  let d = '';
  h.forEach((v, i) => {
    if (v >= 0) d += `${d && h[i - 1] >= 0 ? 'L' : 'M'}${first + i} ${y(v)}`;
  });
  const whole = h.length > 0 && h.every((v) => v >= 0);
  line.setAttribute('d', d);
  area.setAttribute('d', whole ? `${d}L${past} 104L${first} 104Z` : '');
  const steps = (q.fullIn || q.emptyIn) / step;
  const now = h[h.length - 1];
  const then = now + ((q.fullIn > 0 ? 100 : 0) - now) * Math.min(1, future / steps);
  ahead.setAttribute('d', steps > 0 ? `M${past} ${y(now)}L${past + Math.min(steps, future)} ${y(then)}` : '');
}
