// The alert of a link, which may be none of those that the page lists.

import {get, Refused} from './api.js';

const every = 3000; // between two questions

export class Linked {
  // onChange is called when the alert has come or changed.
  constructor(onChange) {
    this.onChange = onChange;
    this.wanted = null; // {fingerprint, silence}: still to be opened
    this.alert = null;  // one that is shown beside those that are listed
    this.missing = false; // the last answer was that there is none
    this.asked = 0;
  }

  want(fingerprint, silence = false) {
    this.wanted = {fingerprint, silence};
    this.missing = false;
    this.asked = 0;
  }

  // among returns alerts together with the linked one where that is missing.
  among(alerts) {
    if (!this.alert) return alerts;
    const at = alerts.findIndex(a => a.fingerprint === this.alert.fingerprint);
    return at < 0 ? [...alerts, this.alert] : alerts;
  }

  // ask looks for the alert that is wanted, or for how the one that is shown beside stands now, unless it has just done so.
  async ask(listed) {
    const fingerprint = this.wanted?.fingerprint || this.alert?.fingerprint;
    if (!fingerprint || Date.now() - this.asked < every) return;
    if (!this.wanted && listed.some(a => a !== this.alert && a.fingerprint === fingerprint)) return;
    this.asked = Date.now();
    try {
      this.alert = await get(`api/freshet/alerts/${fingerprint}`);
      this.missing = false;
    } catch (error) {
      if (error instanceof Refused) [this.alert, this.missing] = [null, this.wanted !== null]; // else freshet is away
    }
    this.onChange();
  }
}
