// How an alert stands beside firing: what mutes it, who looks after it, who was told.

import {at, moment, value} from './format.js';

// needsCare says whether an alert fires and nothing mutes it.
export const needsCare = a => a.state === 'firing' && !isMuted(a);
export const isMuted = a => (a.silenced_by || []).length + (a.inhibited_by || []).length > 0;

// tags returns what a closed alert says in a word or two: [text, kind].
export function tags(alert, page) {
  const out = [], now = page.now();
  if (alert.last_error && alert.state === 'firing') out.push(['not delivered', 'bad']);
  if (alert.silenced_by?.length > 0) {
    const ends = alert.silenced_by.map(id => Date.parse(page.silences.get(id)?.ends_at)).filter(Number.isFinite);
    out.push([ends.length > 0 ? `silenced until ${at(Math.max(...ends), now)}` : 'silenced', 'quiet']);
  }
  if (alert.inhibited_by?.length > 0) out.push([`inhibited by ${name(alert.inhibited_by[0], page)}`, 'quiet']);
  if (alert.muted_by?.length > 0) out.push([`muted by ${alert.muted_by[0]}`, 'quiet']);
  if (alert.acknowledged) out.push([`acknowledged${by(alert.acknowledged.by)}`, 'good']);
  if (alert.flapping > 0) out.push([`flapping, ${alert.flapping} times`, 'odd']);
  else if (alert.calm) out.push(['may flap', 'odd']);
  if (alert.noise) out.push(['noise', 'odd']);
  return out;
}

const by = who => (who ? ` by ${who}` : '');
const because = why => (why ? `: ${why}` : '');

// name is that of an alert by its fingerprint.
function name(fingerprint, page) {
  return page.alerts.find(a => a.fingerprint === fingerprint)?.rule || `alert ${fingerprint}`;
}

// standing returns the same in whole sentences: {name, text, bad, links}, where links are fingerprints of alerts with their names.
export function standing(alert, page) {
  const out = [], now = page.now(), clock = text => moment(Date.parse(text), now);
  const fact = (name, text, more) => out.push({name, text, ...more});
  for (const id of alert.silenced_by || []) {
    const s = page.silences.get(id);
    fact('Silenced', s ? `${by(s.by).trim()} until ${at(Date.parse(s.ends_at), now)}${because(s.comment)}`.trim() : `by silence ${id}`);
  }
  if (alert.inhibited_by?.length > 0) {
    fact('Inhibited', 'by ', {links: alert.inhibited_by.map(fingerprint => [fingerprint, name(fingerprint, page)])});
  }
  if (alert.muted_by?.length > 0) fact('Muted', `by the time interval ${alert.muted_by.join(', ')} of its route`);
  const ack = alert.acknowledged;
  if (ack) fact('Acknowledged', `${by(ack.by)} since ${clock(ack.at)}${because(ack.comment)}`.trim());
  if (alert.flapping > 0 || alert.calm) {
    const often = alert.flapping > 0 ? `fired ${alert.flapping} times of late` : 'its condition has ended';
    fact('Flapping', often + (alert.calm ? `; its end counts at ${clock(alert.calm)} unless it fires again` : '; its ends are not told'));
  }
  if (alert.noise) fact('Noise', 'called so; it counts in the statistics of its rule');
  if (alert.peak !== undefined) fact('Peak', value(alert.peak, alert.unit));
  if (alert.receivers?.length > 0 || alert.notified) {
    const who = (alert.receivers || []).join(', ');
    const when = alert.notified ? `last told at ${clock(alert.notified)}` : 'not told of it yet';
    fact('Receivers', [who, when].filter(Boolean).join('; '));
  }
  if (alert.last_error) fact('Not delivered', alert.last_error, {bad: true});
  return out;
}
