// The lists of alerts. Each alert is one <details>, so that it opens without a script's help and stays open.

import {draw, make, setChildren, setText} from './dom.js';
import {clock, duration, full, group, moment, percent, value} from './format.js';

const shown = 100; // alerts of a list; a storm of thousands helps nobody

// AlertList shows alerts below an <ol>. Elements are kept from update to update: what is open stays open.
export class AlertList {
  constructor(element) {
    this.element = element;
    this.entries = new Map();
  }

  // set shows the alerts in the order given.
  set(alerts) {
    const next = new Map();
    for (const alert of alerts.slice(0, shown)) {
      const key = `${alert.fingerprint} ${alert.state === 'resolved' ? alert.starts_at : ''}`;
      if (next.has(key)) continue;
      const entry = this.entries.get(key) || new Entry();
      entry.set(alert);
      next.set(key, entry);
    }
    this.entries = next;
    this.element.hidden = next.size === 0;
    const items = [...next.values()].map(e => e.element);
    if (alerts.length > shown) items.push(make('li', 'rest', `and ${alerts.length - shown} more`));
    setChildren(this.element, items);
  }

  // show opens an alert and brings it into view; it says whether it is here.
  show(fingerprint) {
    const entry = [...this.entries.values()].find(e => e.alert.fingerprint === fingerprint);
    if (!entry) return false;
    entry.details.open = true;
    entry.element.scrollIntoView({block: 'center'});
    entry.summary.focus({preventScroll: true});
    return true;
  }

  // tick updates how long alerts have lasted.
  tick(now) {
    for (const entry of this.entries.values()) entry.tick(now);
  }
}

class Entry {
  constructor() {
    this.severity = make('span', 'severity');
    this.name = make('span', 'name');
    this.labels = make('span', 'labels');
    this.measure = make('span', 'measure');
    this.limit = make('span', 'limit');
    this.age = make('span', 'age');
    this.when = make('time', 'when');
    this.text = make('span', 'text');
    const arrow = draw('svg', {class: 'arrow', viewBox: '0 0 10 10', width: 10, height: 10, 'aria-hidden': 'true'});
    arrow.append(draw('path', {d: 'M3 1.500 6.500 5 3 8.500'}));
    this.summary = make('summary', '', this.severity,
      make('span', 'title', this.name, this.labels), make('span', 'figure', this.measure, this.limit),
      make('span', 'since', this.age, this.when), this.text, arrow);
    this.body = make('div', 'body');
    this.details = make('details', '', this.summary, this.body);
    this.element = make('li', '', this.details);
  }

  set(alert) {
    const text = JSON.stringify(alert);
    if (text === this.shown) return;
    this.shown = text;
    this.alert = alert;
    const known = ['critical', 'warning', 'info'].includes(alert.severity);
    this.element.className = `alert ${alert.state} ${known ? alert.severity : 'plain'}`;
    setText(this.severity, [alert.severity, alert.silenced ? 'silenced' : ''].filter(Boolean).join(', '));
    setText(this.name, alert.rule);
    setText(this.labels, group(alert.labels));
    // The value of a resolved alert is that of its end, which says little at a glance.
    const over = alert.state === 'resolved';
    setText(this.measure, over || alert.value === undefined ? '' : value(alert.value, alert.unit));
    setText(this.limit, over || alert.threshold === undefined ? '' : `threshold ${value(alert.threshold, alert.unit)}`);
    setText(this.text, alert.summary || '');
    this.body.replaceChildren(...body(alert));
  }

  tick(now) {
    const a = this.alert, start = Date.parse(a.starts_at), end = a.ends_at ? Date.parse(a.ends_at) : now;
    const lasted = duration((end - start) / 1000);
    const at = a.state === 'resolved' ? end : start;
    setText(this.age, a.state === 'resolved' ? `lasted ${lasted}` : lasted);
    setText(this.when, a.state === 'resolved' ? moment(at, now) : `since ${moment(at, now)}`);
    this.when.dateTime = new Date(at).toISOString();
    this.when.title = full(at);
  }
}

// body returns what an open alert shows.
function body(alert) {
  const parts = [];
  if (alert.description) parts.push(make('p', 'description', alert.description));
  const facts = make('dl', 'facts');
  const fact = (name, ...children) => facts.append(make('div', '', make('dt', '', name), make('dd', '', ...children)));
  if (alert.condition) fact('Condition', make('code', '', alert.condition));
  if (alert.state === 'resolved' && alert.value !== undefined) {
    const limit = alert.threshold === undefined ? '' : `, threshold ${value(alert.threshold, alert.unit)}`;
    fact('Value at its end', value(alert.value, alert.unit) + limit);
  }
  if (alert.reason) fact('Resolved because', alert.reason);
  const labels = Object.entries(alert.labels || {}).filter(([name]) => name !== 'alertname');
  if (labels.length > 0) {
    fact('Labels', make('span', 'chips', ...labels.map(([name, v]) => make('span', 'chip', make('b', '', name), v))));
  }
  const link = safeLink(alert.runbook);
  if (link) fact('Runbook', link);
  else if (alert.runbook) fact('Runbook', alert.runbook);
  if (alert.offsets && alert.offsets.length > 0) {
    fact('Records', ...alert.offsets.map(o => make('span', 'range', `${o.topic}, partition ${o.partition}, offsets ${o.first} to ${o.last}`)));
  }
  parts.push(facts);
  if (alert.explanation) {
    parts.push(make('p', 'label', against(alert.explanation)));
    parts.push(make('ol', 'traits', ...alert.explanation.traits.map(trait)));
  }
  if (alert.samples && alert.samples.length > 0) {
    parts.push(make('p', 'label', alert.samples.length === 1 ? 'A record that led to it' : 'Some of the records that led to it'));
    parts.push(make('ol', 'samples', ...alert.samples.map(sample)));
  }
  return parts;
}

// against says what is compared.
function against(e) {
  const before = e.against === 'all' ? 'all records of the group before' : 'those before';
  return `What stands out among the matching records since ${clock(Date.parse(e.since))}, against ${before} (samples of ${e.now} and ${e.before})`;
}

// trait shows a value, its share now and before as bars, and what says the same.
function trait(t) {
  const bar = (name, share) => {
    const fill = make('span', 'fill');
    fill.style.width = `${100 * share}%`;
    return make('span', `share ${name}`, make('span', 'track', fill), make('span', 'number', `${percent(share)} ${name}`));
  };
  const also = (t.also || []).map(a => make('span', '', `${a.name}=${a.value}`));
  return make('li', '', make('span', 'value', make('b', '', t.attribute), t.value), bar('now', t.now), bar('before', t.before),
    also.length > 0 ? make('span', 'also', 'also ', ...also) : null);
}

function sample(s) {
  const at = Date.parse(s.time);
  const when = make('time', '', clock(at));
  when.dateTime = s.time;
  when.title = full(at);
  const from = make('span', 'from', make('span', '', `${s.topic}, partition ${s.partition}, offset ${s.offset}`));
  if (s.trace_id) from.append(make('span', 'trace', 'trace ', make('code', '', s.trace_id)));
  return make('li', '', when, make('span', 'record', s.text), from);
}

// safeLink returns a link if the address is one of the web, else null: an annotation may hold anything.
function safeLink(address) {
  let url;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return null;
  const a = make('a', '', address);
  a.href = url.href;
  a.target = '_blank';
  a.rel = 'noopener noreferrer';
  return a;
}
