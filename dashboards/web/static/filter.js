// The filter of the alerts: an overview lists a hundred, and these are found among all.

import {get} from './api.js';
import {byId} from './dom.js';

const every = 3000;
const patience = 300; // while somebody types

export class Filter {
  // onOverview is given the overview of the alerts that match, null when nothing is looked for.
  constructor(onOverview) {
    this.onOverview = onOverview;
    this.input = byId('filter');
    this.input.addEventListener('input', () => {
      clearInterval(this.timer);
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => this.start(), patience);
    });
  }

  get text() {
    return this.input.value.trim();
  }

  start() {
    clearInterval(this.timer);
    if (!this.text) {
      this.onOverview(null);
      return;
    }
    this.timer = setInterval(() => this.ask(), every);
    this.ask();
  }

  async ask() {
    const text = this.text;
    try {
      const overview = await get(`api/freshet/overview?${new URLSearchParams({filter: text})}`);
      if (text === this.text) this.onOverview(overview);
    } catch {
      // It is asked again, and the page says when freshet is away.
    }
  }
}
