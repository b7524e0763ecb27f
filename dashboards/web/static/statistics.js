// How rules do: how often they fired, and what people made of it. Loaded when it is opened.

import {get} from './api.js';
import {button, byId, make, setText} from './dom.js';
import {at, full, number} from './format.js';

const every = 30000;
const noisyShare = 0.3; // of incidents that flapped or were called noise
const columns = [
  ['rule', 'Rule'], ['fired', 'Fired'], ['notified', 'Told'], ['acknowledged', 'Acknowledged'], ['flapped', 'Flapped'], ['noise', 'Noise'], ['last', 'Last'],
];

export class Statistics {
  constructor(page) {
    this.page = page;
    this.details = byId('statistics');
    this.by = '';
    this.rules = [];
    this.heads = new Map(columns.map(([key, name]) => {
      const cell = make('th', key === 'rule' ? '' : 'number', button(name, '', () => this.sort(key)));
      cell.scope = 'col';
      return [key, cell];
    }));
    this.rows = make('tbody');
    this.table = make('table', 'table', make('thead', '', make('tr', '', ...this.heads.values())), this.rows);
    byId('statistics-table').append(this.table);
    this.details.addEventListener('toggle', () => {
      clearInterval(this.timer);
      if (!this.details.open) return;
      this.load();
      this.timer = setInterval(() => this.load(), every);
    });
  }

  async load() {
    try {
      this.rules = await get('api/freshet/statistics');
      this.say(this.rules.length === 0 ? 'No alert has fired yet.' : '');
      this.show();
    } catch (error) {
      this.say(error.message);
    }
  }

  say(text) {
    setText(byId('statistics-status'), text);
  }

  sort(key) {
    this.by = this.by === key ? '' : key;
    this.show();
  }

  show() {
    const trouble = s => s.flapped + s.noise;
    const compare = {
      '': (a, b) => trouble(b) - trouble(a) || b.fired - a.fired, // the noisiest first
      rule: (a, b) => (a.rule < b.rule ? -1 : 1),
      last: (a, b) => Date.parse(b.last) - Date.parse(a.last),
    }[this.by] || ((a, b) => b[this.by] - a[this.by]);
    for (const [key, cell] of this.heads) {
      if (key === this.by) cell.setAttribute('aria-sort', key === 'rule' ? 'ascending' : 'descending');
      else cell.removeAttribute('aria-sort');
    }
    this.table.hidden = this.rules.length === 0;
    this.rows.replaceChildren(...[...this.rules].sort(compare).map(s => this.row(s)));
  }

  row(s) {
    const noisy = s.fired > 1 && (s.flapped + s.noise) / s.fired >= noisyShare;
    const head = make('th', '', make('span', 'rule-name', s.rule), noisy ? make('span', 'tag odd', 'noisy') : null);
    head.scope = 'row';
    const cells = columns.slice(1, -1).map(([key, name]) => {
      const cell = make('td', 'number', s[key] > 0 ? number(s[key]) : '–');
      cell.dataset.name = name;
      if (s[key] === 0) cell.classList.add('none');
      if (noisy && (key === 'flapped' || key === 'noise') && s[key] > 0) cell.classList.add('odd');
      return cell;
    });
    const last = Date.parse(s.last), now = this.page.now();
    const when = make('td', 'number when', last > 0 ? at(last, now) : '–');
    when.dataset.name = 'Last';
    if (last > 0) when.title = full(last);
    return make('tr', noisy ? 'noisy' : '', head, ...cells, when);
  }
}
