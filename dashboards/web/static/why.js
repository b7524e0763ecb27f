// What was decided about an alert, as a list in the order of time.

import {get} from './api.js';
import {make} from './dom.js';
import {full, moment} from './format.js';

const day = 86400;

// of says a decision in words; the kind colours it.
const verdicts = {
  fired: ['bad', () => 'Fired'],
  resolved: ['good', () => 'Ended'],
  grouped: ['', d => `Waits with its group for ${d.receiver}`],
  unrouted: ['odd', () => 'Nobody is told'],
  sent: ['told', d => `${d.receiver} was told`],
  dry_run: ['quiet', d => `${d.receiver} would have been told (dry run)`],
  failed: ['bad', d => `${d.receiver} could not be told`],
  rate_limited: ['odd', d => `${d.receiver} has to wait`],
  abandoned: ['bad', d => `Gave up telling ${d.receiver}`],
  deduplicated: ['', () => 'Nothing new'],
  inhibited: ['quiet', () => 'Inhibited'],
  silenced: ['quiet', () => 'Silenced'],
  muted: ['quiet', () => 'Muted by a time interval'],
  unmuted: ['', () => 'No longer muted'],
  quiet: ['quiet', () => 'Its rule tells nobody'],
  flapping: ['odd', () => 'Flaps'],
  acknowledged: ['good', d => `Acknowledged${by(d)}`],
  unacknowledged: ['', d => `Acknowledgement taken back${by(d)}`],
  noise: ['odd', d => `Called noise${by(d)}`],
  remediated: ['told', d => `Remediation ${d.receiver} was called`],
  unknown: ['bad', d => `It is not known whether ${d.receiver} was called`],
};

const by = d => (d.by ? ` by ${d.by}` : '');

export class Why {
  constructor(page) {
    this.page = page;
    this.element = make('div', 'why');
    this.element.tabIndex = -1;
  }

  // load asks for what was decided about an alert since it began, or in the last day.
  async load(alert) {
    const since = Math.max(day, (this.page.now() - Date.parse(alert.starts_at)) / 1000 + 3600);
    if (this.element.childElementCount === 0) this.element.replaceChildren(make('p', 'hint', 'Asking…'));
    try {
      const decisions = await get(`api/freshet/decisions?${new URLSearchParams({fingerprint: alert.fingerprint, since: `${Math.ceil(since)}s`})}`);
      this.show(decisions);
    } catch (error) {
      this.element.replaceChildren(make('p', 'error', error.message));
    }
  }

  show(decisions) {
    if (decisions.length === 0) {
      this.element.replaceChildren(make('p', 'hint', 'Nothing was decided about it yet.'));
      return;
    }
    const runs = [];
    for (const d of decisions) {
      const same = [d.decision, d.reason, d.receiver, d.integration, d.by].join('\n'), last = runs.at(-1);
      if (last?.same === same) Object.assign(last, {to: d.at, times: last.times + 1});
      else runs.push({same, d, from: d.at, to: d.at, times: 1});
    }
    this.element.replaceChildren(make('ol', 'timeline', ...runs.map(run => this.line(run))));
  }

  line({d, from, to, times}) {
    const [kind, words] = verdicts[d.decision] || ['', () => d.decision];
    const now = this.page.now(), start = Date.parse(from);
    const when = make('time', '', moment(start, now));
    when.dateTime = from;
    when.title = full(start);
    const often = times > 1 ? make('span', 'times', `${times} times, last at ${moment(Date.parse(to), now)}`) : null;
    return make('li', kind, when, make('span', 'what', make('b', '', words(d)), d.reason ? make('span', 'reason', d.reason) : null, often));
  }
}
