// The alerts of another process, where this one is not the active alerter. They are asked for below this page's own
// address, which passes that on, so that what the browser may do here is enough.

import {get} from './api.js';

const every = 3000;

export class Elsewhere {
  // onAlerts is given the overview and silences, onTrouble a sentence, '' when there is none.
  constructor(onAlerts, onTrouble) {
    this.onAlerts = onAlerts;
    this.onTrouble = onTrouble;
    this.address = '';
  }

  // set says where the alerts are, '' when here.
  set(address) {
    if (address === this.address) return;
    this.address = address;
    clearInterval(this.timer);
    if (!address) return;
    this.timer = setInterval(() => this.ask(), every);
    this.ask();
  }

  async ask() {
    const address = this.address;
    try {
      const [overview, silences] = await Promise.all(['overview', 'silences'].map(what => get(`api/freshet/${what}`)));
      if (address !== this.address) return;
      this.onTrouble('');
      this.onAlerts(overview, silences);
    } catch (error) {
      if (address === this.address) this.onTrouble(error.message);
    }
  }
}
