// The list of all queues, and findings.
import { amount, age, bar, shortNumber, chart, clock, duration, el, keyed, level, past, percent, plural, rate, set, setBar, setChart, setTags, text, trend, waiting } from './kit.js';

const $ = (id) => document.getElementById(id);

export function showList(v, link, count) {
  text($('headline'), headline(v));
  set($('headline'), 'data-level', v.urgent ? level(v.urgent) : 'low');
  const parts = [plural(v.sysv, 'System V queue'), plural(v.posix, 'POSIX queue')];
  if (v.inboxes) parts.push(plural(v.inboxes, 'inbox', 'inboxes') + ' among them');
  if (v.full) parts.push(amount(v.full) + ' full');
  if (v.filling) parts.push(amount(v.filling) + ' filling');
  text($('summary'), parts.join(' · '));
  text($('past'), 'Last ' + duration(past * v.step));
  keyed($('rows'), v.rows, (q) => q.id, newRow, (e, q) => setRow(e, q, v, link));
  $('list').hidden = v.rows.length === 0;
  $('empty').hidden = v.rows.length > 0;
  text($('empty'), v.sysv + v.posix === 0 ? 'There is no queue here. ipcmq create 42 creates one.' : 'No queue matches.');
  const hidden = v.chosen - v.rows.length;
  $('more').hidden = hidden <= 0;
  text($('more'), count < 1000 ? `Show more (${amount(hidden)} are not shown)` : `${amount(hidden)} more are not shown: filter`);
  $('more').disabled = count >= 1000;
  keyed($('problems'), v.problems || [], (p) => p, (p) => el('li', { text: 'Not all queues can be seen: ' + p }), () => {});
}

function headline(v) {
  const q = v.urgent;
  if (!q) return v.sysv + v.posix === 0 ? 'No queues' : 'No queue fills';
  if (q.full) return `${q.address} is full` + (q.senders ? `, and ${plural(q.senders, 'writer waits', 'writers wait')}` : '');
  return `${q.address} will be full in ${duration(q.fullIn)}, at ${clock(new Date(v.time).getTime() + 1000 * q.fullIn, q.fullIn < 600)}`;
}

function newRow() {
  return el('tr', {},
    el('th', { scope: 'row' }, el('a', { class: 'open' }), el('span', { class: 'tags' })),
    el('td', { class: 'fill' }, bar(), el('span', { class: 'percent' })),
    el('td', { class: 'trend' }), el('td', { class: 'history' }, chart()),
    el('td', { class: 'n messages' }), el('td', { class: 'n in' }), el('td', { class: 'n out' }),
    el('td', { class: 'waiting' }), el('td', { class: 'n used' }));
}

function setRow(e, q, v, link) {
  const [name, fill, way, history, messages, ins, outs, waits, used] = e.children;
  set(e, 'data-level', level(q));
  text(name.firstChild, q.address);
  set(name.firstChild, 'href', link(q));
  set(name.firstChild, 'title', `${q.address}, of ${q.owner}, mode ${q.mode}`);
  setTags(name.lastChild, q);
  setBar(fill.firstChild, q);
  text(fill.lastChild, percent(q.fill));
  const [direction, word] = trend(q);
  set(way, 'data-way', direction);
  text(way, word);
  setChart(history.firstChild, q, v.step);
  text(messages, shortNumber(q.messages));
  for (const [e, r] of [[ins, q.in], [outs, q.out]]) {
    text(e, r > 0 ? rate(r) : '·');
    set(e, 'data-none', r <= 0);
  }
  set(waits, 'title', q.who);
  text(waits, waiting(q));
  set(used, 'title', q.used ? 'last used ' + age(v.time, q.used) + ' ago' : 'never used');
  text(used, age(v.time, q.used));
}

const words = { WRONG: 'wrong', note: 'note', ok: 'ok' };
const ranks = { WRONG: 0, note: 1, ok: 2 };

export function countFindings(findings) {
  const wrong = (findings || []).filter((f) => f.level === 'WRONG').length;
  $('count').hidden = wrong === 0;
  text($('count'), String(wrong));
}

export function showFindings(findings) {
  const all = [...(findings || [])].sort((a, b) => ranks[a.level] - ranks[b.level]);
  const seen = new Map();
  keyed($('list-of-findings'), all, (f) => {
    const key = f.level + f.text;
    seen.set(key, (seen.get(key) || 0) + 1);
    return key + seen.get(key);
  }, (f) => el('li', { 'data-level': f.level }, el('span', { class: 'what', text: words[f.level] || f.level }),
    el('div', {}, el('p', { text: f.text }), f.remedy ? el('p', { class: 'remedy', text: f.remedy }) : null)), () => {});
  if (!findings) text($('list-of-findings'), 'Looking …');
}
