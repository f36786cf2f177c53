// The page of one queue.
import { age, amount, away, bar, bytes, chart, clock, duration, el, keyed, level, moment, past, percent, plural, rate, set, setBar, setChart, setTags, text, trend, waiting } from './kit.js';

// newQueuePage creates the page of a queue. ask sends a request to the server, link
// creates links.
export function newQueuePage(root, at, ask, link) {
  const title = el('h1', { text: at });
  const tags = el('span', { class: 'tags' });
  const big = el('span', { class: 'big' });
  const way = el('span', { class: 'way' });
  const meter = bar();
  const graph = chart();
  const ago = el('span');
  const facts = el('dl', { class: 'facts' });
  const gone = el('p', { class: 'notice', role: 'alert', hidden: true });
  const waits = el('ul', { class: 'plain' });
  const inboxes = el('ul', { class: 'plain' });
  const leases = el('p');
  const holders = el('ul', { class: 'plain' });
  const lent = newMessages(at, ask, true);
  const messages = newMessages(at, ask, false);
  const waitsPart = part('Waiting processes', waits);
  const leasesPart = part('On lease', leases, holders, lent.root);
  const inboxesPart = part('Inboxes of its processes', inboxes);
  root.replaceChildren(
    el('div', { class: 'head' }, title, tags), gone,
    el('div', { class: 'gauge' }, el('div', {}, big, way), meter),
    el('figure', {}, el('span', { class: 'ceiling', text: 'full' }), graph, el('figcaption', {}, ago, el('span', { text: 'now' }), el('span', { text: 'ahead' }))),
    facts, part('Messages', messages.root), leasesPart, waitsPart, inboxesPart);

  let before = '';
  return {
    show(d) {
      const q = d.row;
      set(root, 'data-level', level(q));
      gone.hidden = true;
      text(title, q.address);
      setTags(tags, q);
      text(big, percent(q.fill));
      const [direction, word] = trend(q);
      set(way, 'data-way', direction);
      text(way, word + (q.fullIn > 0 ? `, at ${clock(new Date(d.time).getTime() + 1000 * q.fullIn, q.fullIn < 600)}` : ''));
      setBar(meter, q);
      setChart(graph, q, d.step);
      text(ago, duration(past * d.step) + ' ago');
      keyed(facts, factsOf(d), (f) => f[0], ([name]) => el('div', {}, el('dt', { text: name }), el('dd')), (e, f) => text(e.lastChild, f[1]));
      keyed(waits, numbered(d.waiting, (w) => w.process + w.receives), (w) => w.key,
        (w) => el('li', { text: w.process + (w.receives ? ' waits for a message' : ' waits for room') }), () => {});
      waitsPart.hidden = d.waiting.length === 0;
      showLeases(d);
      keyed(inboxes, d.inboxes, (b) => b.id, () => el('li', {}, el('a', { class: 'open' }), el('span')), (e, b) => {
        text(e.firstChild, b.address);
        set(e.firstChild, 'href', link(b));
        text(e.lastChild, ` ${plural(b.messages, 'message')}, ${percent(b.fill)} full` + (b.inbox === 'ended' ? ', its process has ended' : ''));
      });
      inboxesPart.hidden = d.inboxes.length === 0;
      const now = [q.messages, q.bytes, q.used].join();
      if (now !== before || q.in > 0 || q.out > 0) messages.refresh();
      before = now;
    },
    end(why) {
      text(gone, why);
      gone.hidden = false;
      set(root, 'data-level', 'unknown');
      messages.end();
      lent.end();
    },
  };

  function showLeases(d) {
    const l = d.lent;
    leasesPart.hidden = !l;
    if (!l) return;
    text(leases, l.problem ? 'The leases are not known: ' + l.problem
      : `${amount(l.held)} held, ${amount(l.returned)} given back, ${amount(l.due)} due` + (l.dead ? `, ${amount(l.dead)} held by ended processes` : '') +
        ` · ${amount(l.free)} of ${amount(l.slots)} slots free · ${bytes(l.bytes)} of shared memory`);
    keyed(holders, numbered(l.holders || [], (h) => h.process), (h) => h.key, () => el('li'), (e, h) => {
      set(e, 'class', h.gone ? 'bad' : null);
      text(e, `${h.process} has ${plural(h.messages, 'message')}` + (h.since ? `, since ${age(d.time, h.since)}` : '') + (h.until && !h.gone ? `, the first runs out ${away(d.time, h.until)}` : ''));
    });
    if (!l.problem) lent.refresh(d.time);
  }
}

function part(name, ...inner) {
  return el('section', { class: 'part' }, el('h2', { text: name }), ...inner);
}

// numbered gives items that may be equal unique keys.
function numbered(list, of) {
  const seen = new Map();
  return list.map((x) => {
    const n = (seen.get(of(x)) || 0) + 1;
    seen.set(of(x), n);
    return { ...x, key: of(x) + '#' + n };
  });
}

function factsOf(d) {
  const q = d.row;
  const used = (u) => (u ? `${u.process}, ${age(d.time, u.at)} ago` : '–');
  const all = [
    ['Messages', q.most ? `${amount(q.messages)} of ${amount(q.most)}` : amount(q.messages)],
    ['Bytes', q.most ? `${bytes(q.bytes)}, at most ${bytes(d.largest)} each` : `${bytes(q.bytes)} of ${bytes(q.capacity)}`],
    ['In, out', q.in > 0 || q.out > 0 ? `≥ ${rate(q.in)}, ≥ ${rate(q.out)} per second` : 'none seen'],
    ['Waiting', waiting(q) || 'nobody'],
  ];
  if (d.large) all.push(['In shared memory', `${plural(d.large.payloads, 'payload')}, ${bytes(d.large.bytes)}`]);
  if (q.inbox) all.push(['Inbox', { living: 'for replies to a living client', ended: 'of a process that has ended: ipcmq rm --dead-inboxes', unknown: 'for replies; whether its client is alive is not known' }[q.inbox]]);
  if (q.kind === 'sysv') {
    all.push(['Last sender', used(d.sender)], ['Last receiver', used(d.receiver)], ['Key, id', `${d.key}, ${q.id.slice(3)}`]);
  } else if (d.notify) {
    all.push(['To be notified', d.notify]);
  }
  all.push(['Owner', d.owner]);
  if (d.creator && d.creator !== d.owner) all.push(['Creator', d.creator]);
  all.push(['Mode', q.mode], [q.kind === 'sysv' ? 'Changed' : 'Last used', `${age(d.time, d.changed)} ago, ${moment(d.changed)}`]);
  if (d.problem) all.push(['Not seen', d.problem]);
  return all;
}

// newMessages creates a list of messages, waiting or lent.
function newMessages(at, ask, lent) {
  const list = el('ol', { class: 'peeked' });
  const note = el('p', { class: 'quiet' });
  const more = el('button', { type: 'button', hidden: true, text: 'Show more' });
  const root = el('div', {}, list, more, note);
  const where = { at, ...(lent ? { lent: 1 } : {}) };
  let pages = 1;
  let busy = false;
  let again = false;
  let ended = false;
  more.addEventListener('click', () => { pages++; refresh(); });

  async function refresh() {
    if (busy || ended) {
      again = true;
      return;
    }
    busy = true;
    again = false;
    try {
      const found = [];
      let page;
      let from = 0;
      for (let i = 0; i < pages; i++) {
        page = await ask('/api/messages', { ...where, from });
        found.push(...page.messages);
        from += page.messages.length;
        if (!page.more) break;
      }
      if (ended) return;
      show(found, page);
    } catch (err) {
      text(note, err.message);
      more.hidden = true;
    } finally {
      setTimeout(() => { // at most one look every two seconds: each costs the users of the queue some time
        busy = false;
        if (again) refresh();
      }, 2000);
    }
  }

  function show(found, page) {
    keyed(list, numbered(found, (m) => (m.lent ? 'lent' + m.lent.sequence : m.sum)), (m) => m.key, newMessage, setMessage);
    const types = new Map();
    for (const m of found) types.set(m.type, (types.get(m.type) || 0) + 1);
    const kinds = [...types].sort((a, b) => b[1] - a[1]).slice(0, 8).map(([t, n]) => `${amount(n)} of type ${t}`);
    more.hidden = !page.more;
    const rest = page.total - found.length;
    text(note, found.length === 0 ? (lent ? 'No message is lent now.' : 'No messages are waiting.')
      : (types.size > 1 ? kinds.join(', ') + (types.size > 8 ? ', and others' : '') + '. ' : '') + (rest > 0 ? `${plural(rest, 'more message')} not shown.` : ''));
  }

  function newMessage() {
    const head = el('button', { type: 'button', class: 'open', 'aria-expanded': 'false' },
      el('span', { class: 'index' }), el('span', { class: 'type' }), el('span', { class: 'size' }), el('span', { class: 'kind' }), el('span', { class: 'text' }), el('span', { class: 'lease' }));
    const body = el('div', { class: 'body', hidden: true });
    const e = el('li', {}, head, body);
    head.addEventListener('click', () => {
      body.hidden = !body.hidden;
      set(head, 'aria-expanded', body.hidden ? 'false' : 'true');
      if (!body.hidden) open(e, body, 0);
    });
    return e;
  }

  function setMessage(e, m) {
    e.message = m;
    const [index, type, size, kind, beginning, lease] = e.firstChild.children;
    text(index, lent ? '#' + m.lent.sequence : String(m.index + 1));
    text(type, 'type ' + m.type);
    text(size, bytes(m.size));
    text(kind, m.kind);
    set(kind, 'data-kind', m.kind);
    text(beginning, m.text);
    lease.hidden = !m.lent;
    if (!m.lent) return;
    const now = Date.now();
    text(lease, (m.lent.holder ? `with ${m.lent.holder}` : 'given back') + `, attempt ${m.lent.attempt}` +
      (m.lent.due ? ', due' : m.lent.until ? `, ${m.lent.holder ? 'runs out' : 'due'} ${away(now, m.lent.until)}` : '') + (m.lent.uncertain ? ', may be cut' : ''));
  }

  async function open(e, body, from) {
    const m = e.message;
    try {
      const w = await ask('/api/message', { at, from, ...(lent ? { lent: m.lent.sequence } : { index: m.index, sum: m.sum }) });
      const shown = el('pre', { class: 'shown', tabindex: 0, text: w.body.text });
      const hex = el('pre', { class: 'hex', tabindex: 0, text: w.hex });
      const step = (name, to, off) => {
        const b = el('button', { type: 'button', text: name, disabled: off });
        b.addEventListener('click', () => open(e, body, to));
        return b;
      };
      const part = w.to - w.from < w.size
        ? el('p', { class: 'steps' }, step('Back', Math.max(0, w.from - 4096), w.from === 0), `bytes ${amount(w.from)} to ${amount(w.to)} of ${amount(w.size)}`, step('Next', w.to, w.to >= w.size))
        : null;
      body.replaceChildren(el('h3', { text: w.body.kind }), shown, w.body.cut ? el('p', { class: 'quiet', text: 'Only a part is shown here.' }) : '', el('h3', { text: 'hex' }), hex, part || '');
    } catch (err) {
      body.replaceChildren(el('p', { class: 'quiet', text: err.message }));
    }
  }

  return { root, refresh, end() { ended = true; } };
}
