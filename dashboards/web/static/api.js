// What is asked of freshet and told to it, beside the live updates.

const patience = 15000; // for an answer

// Refused says that this freshet takes no commands from this page, now or later.
export class Refused extends Error {}

// get returns the JSON at an address; the error is a sentence for people.
export async function get(address) {
  const answer = await ask(address, {});
  return answer.json();
}

// send has freshet take a command (an alert.Command).
export async function send(command) {
  await ask('api/freshet/commands', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(command)});
}

async function ask(address, options) {
  let answer;
  try {
    answer = await fetch(address, {...options, signal: AbortSignal.timeout(patience)});
  } catch (error) {
    throw new Error(error.name === 'TimeoutError' ? 'freshet has not answered in time, try again.' : 'freshet cannot be reached, try again.');
  }
  if (answer.ok) return answer;
  const text = sentence(await answer.text().catch(() => '')) || `freshet answers ${answer.status} ${answer.statusText}`;
  throw [403, 404, 405, 501].includes(answer.status) ? new Refused(text) : new Error(text);
}

// sentence is what an answer says: plain text, or a JSON string as Alertmanager's API has it. A page of a proxy is none.
function sentence(text) {
  text = text.trim();
  if (text.startsWith('<')) return '';
  try {
    const value = JSON.parse(text);
    if (typeof value === 'string') text = value;
  } catch {
    // It is plain text.
  }
  return text.slice(0, 500);
}
