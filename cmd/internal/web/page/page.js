// The page sends requests only to its server. Its state, the token and what is shown, is
// after the # of the URL, which requests do not contain.
import { set, text } from './kit.js';
import { countFindings, showFindings, showList } from './list.js';
import { newQueuePage } from './queue.js';

const $ = (id) => document.getElementById(id);
const sections = ['queues', 'queue', 'findings'];

const state = () => Object.fromEntries(new URLSearchParams(location.hash.slice(1)));

// linkTo returns the URL of another state, with the token of this one.
function linkTo(next) {
  const all = { token: state().token || '', ...next };
  return '#' + new URLSearchParams(Object.entries(all).filter(([, v]) => v));
}

const choice = () => { const { sort, filter, kind } = state(); return { sort, filter, kind }; };

async function request(path, query, signal) {
  const given = new URLSearchParams(Object.entries(query).filter(([, v]) => v !== undefined && v !== ''));
  let r;
  try {
    r = await fetch(path + '?' + given, { signal, headers: { Authorization: 'Bearer ' + (state().token || '') } });
  } catch (err) {
    throw signal && signal.aborted ? err : new Error('The server does not answer: ipcmq web has ended, or cannot be reached.');
  }
  if (r.ok) return r;
  const problem = await r.json().catch(() => ({}));
  const err = new Error(problem.error || r.statusText);
  err.status = r.status;
  throw err;
}

const ask = async (path, query) => (await request(path, query)).json();

// listen calls on with each event, and reconnects when the stream breaks off, until
// signal ends it or on returns false.
async function listen(path, query, signal, on) {
  while (!signal.aborted) {
    try {
      const r = await request(path, query, signal);
      notice('');
      live('live');
      const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        const events = (rest + value).split('\n\n');
        rest = events.pop();
        for (const e of events) {
          const [name, data] = e.split('\n');
          if (!signal.aborted && on(name.slice(7), JSON.parse(data.slice(6))) === false) return;
        }
      }
    } catch (err) {
      if (signal.aborted) return;
      notice(err.message);
      if (err.status >= 400 && err.status < 500) {
        live('off');
        return;
      }
    }
    live('wait');
    await new Promise((done) => setTimeout(done, 1000));
  }
}

function notice(why) {
  $('notice').hidden = why === '';
  text($('notice'), why);
}

function live(how) {
  set($('state'), 'data-state', how);
  text($('state'), { live: 'live', wait: 'connecting', off: 'off', hidden: 'paused' }[how]);
}

let stop = new AbortController();
let shown = '';

// show shows the state in the URL.
function show() {
  stop.abort();
  stop = new AbortController();
  const s = state();
  const name = s.at ? 'queue' : s.show === 'findings' ? 'findings' : 'queues';
  for (const id of sections) $(id).hidden = id !== name;
  set($('home'), 'href', linkTo({}));
  set($('to-queues'), 'href', linkTo(choice()));
  set($('to-queues'), 'aria-current', name === 'queues' && 'page');
  set($('to-findings'), 'href', linkTo({ show: 'findings' }));
  set($('to-findings'), 'aria-current', name === 'findings' && 'page');
  $('filter').value = s.filter || '';
  $('kind').value = s.kind || '';
  $('sort').value = s.sort || 'urgency';
  if (!s.token) {
    notice('This page needs the token of the server: open the URL that ipcmq web printed.');
    live('off');
    return;
  }
  if (document.hidden) {
    live('hidden');
    return;
  }
  if (name === 'queue') watchQueue(s.at);
  else watchQueues(name, s);
  if (shown !== name + (s.at || '')) {
    shown = name + (s.at || '');
    scrollTo(0, 0);
  }
}

function watchQueues(name, s) {
  const count = Math.min(1000, Number(s.count) || 100);
  const query = name === 'queues' ? { ...choice(), count } : { count: 1 };
  document.title = 'ipcmq';
  listen('/api/queues', query, stop.signal, (_, v) => {
    text($('host'), v.host);
    countFindings(v.findings);
    if (name === 'findings') {
      showFindings(v.findings);
      return;
    }
    showList(v, (q) => linkTo({ ...choice(), at: q.id }), count);
    document.title = (v.full || v.filling ? `(${v.full + v.filling}) ` : '') + 'ipcmq ' + v.host;
  });
}

let queuePage = { at: '' };

function watchQueue(at) {
  const fresh = queuePage.at !== at || queuePage.gone;
  if (fresh) queuePage = { at, page: newQueuePage($('queue'), at, ask, (q) => linkTo({ ...choice(), at: q.id })) };
  const mine = queuePage;
  document.title = at + ' – ipcmq';
  listen('/api/queue', { at }, stop.signal, (name, d) => {
    if (name === 'gone') {
      mine.gone = true;
      mine.page.end(d.error);
      live('off');
      return false;
    }
    text($('host'), d.host);
    mine.page.show(d);
  });
}

function change(next) {
  history.replaceState(null, '', linkTo({ ...choice(), ...next }));
  show();
}

let typing;
$('filter').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => change({ filter: $('filter').value }), 150);
});
$('kind').addEventListener('change', () => change({ kind: $('kind').value }));
$('sort').addEventListener('change', () => change({ sort: $('sort').value }));
$('choice').addEventListener('submit', (e) => e.preventDefault());
$('more').addEventListener('click', () => change({ count: Math.min(1000, (Number(state().count) || 100) * 3) }));
$('to-help').addEventListener('click', () => $('help').showModal());
addEventListener('hashchange', show);
document.addEventListener('visibilitychange', show);

// step moves the focus to the next item that can be opened.
function step(by) {
  const all = [...document.querySelectorAll('main .open')].filter((e) => e.checkVisibility());
  const i = all.indexOf(document.activeElement);
  const next = all[i < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, i + by))];
  if (next) next.focus();
}

addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || $('help').open) return;
  const field = e.target.matches('input, select');
  if (e.key === 'Escape') {
    if (field) {
      if (e.target.value && e.target.id === 'filter') change({ filter: '' });
      e.target.blur();
    } else if (state().at || state().show) location.hash = linkTo(choice());
    else if (state().filter) change({ filter: '' });
    return;
  }
  if (field && !(e.target.id === 'filter' && e.key === 'ArrowDown')) return;
  const scrolls = e.target.matches('pre');
  const act = {
    j: () => step(1), k: () => step(-1),
    ArrowDown: scrolls ? null : () => step(1), ArrowUp: scrolls ? null : () => step(-1),
    '/': () => { if (!$('queues').hidden) $('filter').focus(); else location.hash = linkTo({}); },
    s: () => { if (!$('queues').hidden) change({ sort: nextSort() }); },
    f: () => { location.hash = linkTo({ show: 'findings' }); },
    q: () => { location.hash = linkTo(choice()); },
    '?': () => $('help').showModal(),
  }[e.key];
  if (!act) return;
  e.preventDefault();
  act();
});

function nextSort() {
  const all = [...$('sort').options].map((o) => o.value);
  return all[(all.indexOf($('sort').value) + 1) % all.length];
}

show();
