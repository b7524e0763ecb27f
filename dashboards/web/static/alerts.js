// The lists of alerts. Each alert is one <details>, so that it opens without a script's help and stays open. What only an open
// one shows is asked for when it is opened, and again when it has changed.

import {Actions} from './actions.js';
import {get} from './api.js';
import {draw, make, setChildren, setText} from './dom.js';
import {evidence} from './evidence.js';
import {duration, full, group, moment, number, value} from './format.js';
import {standing, tags} from './standing.js';

// evidenceOf are the parts of an alert that lists are not sent.
const evidenceOf = ['description', 'runbook', 'condition', 'samples', 'offsets', 'explanation'];

// AlertLists shows alerts below some <ol>. An alert keeps its element when it changes and when it moves from list to list:
// what is open stays open, and what somebody writes stays.
export class AlertLists {
  constructor(elements, page) {
    this.elements = elements; // list name -> <ol>
    this.page = page;
    this.entries = new Map();
  }

  // set shows the alerts of each list in the order given, and how many more there are.
  set(lists) {
    const focused = document.activeElement;
    const next = new Map(), below = new Map();
    for (const [name, {alerts, total}] of Object.entries(lists)) {
      const items = [];
      for (const alert of alerts) {
        const key = `${alert.fingerprint} ${alert.state === 'resolved' ? alert.starts_at : ''}`;
        if (next.has(key)) continue;
        const entry = this.entries.get(key) || new Entry(this.page);
        entry.set(alert);
        next.set(key, entry);
        items.push(entry.element);
      }
      if (total > alerts.length) items.push(make('li', 'rest', `and ${number(total - alerts.length)} more: filter to find them`));
      below.set(this.elements[name], items);
    }
    this.entries = next;
    for (const [element, items] of below) {
      element.hidden = items.length === 0;
      setChildren(element, items);
    }
    if (focused !== document.activeElement && focused.isConnected) {
      focused.focus({preventScroll: true}); // it moved
      focused.scrollIntoView({block: 'nearest'});
    }
  }

  // show opens an alert and brings it into view, with the form of a silence if that is asked for; it returns whether the
  // alert is here.
  show(fingerprint, silence = false) {
    const entry = [...this.entries.values()].find(e => e.alert.fingerprint === fingerprint);
    if (!entry) return false;
    entry.details.open = true;
    entry.element.scrollIntoView({block: silence ? 'start' : 'center'});
    if (silence) entry.actions.openSilence();
    else entry.summary.focus({preventScroll: true});
    return true;
  }

  // tick updates how long alerts have lasted.
  tick(now) {
    for (const entry of this.entries.values()) entry.tick(now);
  }
}

class Entry {
  constructor(page) {
    this.page = page;
    this.severity = make('span', 'severity');
    this.name = make('span', 'name');
    this.labels = make('span', 'labels');
    this.tags = make('span', 'tags');
    this.measure = make('span', 'measure');
    this.limit = make('span', 'limit');
    this.age = make('span', 'age');
    this.when = make('time', 'when');
    this.text = make('span', 'text');
    const arrow = draw('svg', {class: 'arrow', viewBox: '0 0 10 10', width: 10, height: 10, 'aria-hidden': 'true'});
    arrow.append(draw('path', {d: 'M3 1.500 6.500 5 3 8.500'}));
    this.summary = make('summary', '', this.severity,
      make('span', 'title', this.name, this.labels, this.tags), make('span', 'figure', this.measure, this.limit),
      make('span', 'since', this.age, this.when), this.text, arrow);
    this.description = make('p', 'description');
    this.actions = new Actions(page);
    this.evidence = make('div', 'evidence');
    this.asking = make('p', 'hint');
    this.details = make('details', '', this.summary, make('div', 'body', this.description, this.actions.element, this.evidence, this.asking));
    this.details.addEventListener('toggle', () => this.load());
    this.whole = null; // what was answered last
    this.element = make('li', '', this.details);
  }

  set(listed) {
    this.listed = listed;
    const alert = {...listed};
    if (this.whole) for (const part of evidenceOf) if (this.whole[part]) alert[part] = this.whole[part];
    this.show(alert);
    this.load();
  }

  // load asks for what lists are not sent, while the alert is open.
  async load() {
    const details = this.listed?.details;
    if (!this.details.open || this.loading || (details || '') === (this.whole?.details || '')) return;
    if (!details) {
      this.whole = null;
      this.set(this.listed);
      return;
    }
    this.loading = true;
    if (!this.whole) setText(this.asking, 'Asking for the evidence…');
    try {
      this.whole = {...await get(`api/freshet/alerts/${this.listed.fingerprint}`), details};
      setText(this.asking, '');
    } catch (error) {
      setText(this.asking, error.message);
      return;
    } finally {
      this.loading = false;
    }
    this.set(this.listed);
  }

  show(alert) {
    const marks = tags(alert, this.page), facts = standing(alert, this.page);
    const text = JSON.stringify([alert, marks, facts]);
    if (text === this.shown) return;
    this.shown = text;
    this.alert = alert;
    const known = ['critical', 'warning', 'info'].includes(alert.severity);
    this.element.className = `alert ${alert.state} ${known ? alert.severity : 'plain'}`;
    setText(this.severity, alert.severity || '');
    setText(this.name, alert.rule);
    setText(this.labels, group(alert.labels));
    this.tags.replaceChildren(...marks.map(([text, kind]) => make('span', `tag ${kind}`, text)));
    // The value of a resolved alert is that of its end, which says little at a glance.
    const over = alert.state === 'resolved';
    setText(this.measure, over || alert.value === undefined ? '' : value(alert.value, alert.unit));
    setText(this.limit, over || alert.threshold === undefined ? '' : `threshold ${value(alert.threshold, alert.unit)}`);
    setText(this.text, alert.summary || '');
    setText(this.description, alert.description || '');
    this.description.hidden = !alert.description;
    this.actions.set(alert);
    this.evidence.replaceChildren(...evidence(alert, facts, this.page));
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
