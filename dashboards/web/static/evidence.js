// What an open alert shows of itself: how it stands, its condition, its labels, and the records that led to it.

import {make} from './dom.js';
import {clock, full, percent, value} from './format.js';

// evidence returns the elements; facts are those of standing.
export function evidence(alert, facts, page) {
  const parts = [], list = make('dl', 'facts');
  const fact = (name, ...children) => {
    const row = make('div', '', make('dt', '', name), make('dd', '', ...children));
    list.append(row);
    return row;
  };
  for (const f of facts) fact(f.name, f.text, ...links(f.links || [], page)).className = f.bad ? 'bad' : '';
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
  parts.push(list);
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

// links are to alerts on this page.
function links(to, page) {
  return to.map(([fingerprint, name], i) => {
    const a = make('a', '', name);
    a.href = `?alert=${encodeURIComponent(fingerprint)}`;
    a.addEventListener('click', e => {
      e.preventDefault();
      page.show(fingerprint);
    });
    return make('span', '', i > 0 ? ', ' : '', a);
  });
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
export function safeLink(address) {
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
