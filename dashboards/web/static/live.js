// The connection to freshet: Server-Sent Events, and questions now and then where those do not come through.

const silence = 8000;   // without an event for so long, the connection counts as lost
const pollEvery = 5000; // between questions without a stream
const retry = 30000;    // until a stream that was refused is tried again

// follow calls onUpdate with {status, overview, silences, series, whole}, where null is "as they were", and onConnection with true or false.
export function follow({onUpdate, onConnection}) {
  let source = null, last = 0, polling = null, retryAt = 0, connected = null;

  const heard = () => { last = Date.now(); tell(true); };
  const tell = now => { if (now !== connected) onConnection(connected = now); };

  function open() {
    close();
    last = Date.now();
    source = new EventSource('api/freshet/stream');
    source.addEventListener('all', e => take(e, true));
    source.addEventListener('update', e => take(e, false));
    source.onerror = () => {
      tell(false);
      // The browser connects again by itself, unless it was answered with something other than a stream.
      if (source.readyState === EventSource.CLOSED) poll();
    };
  }

  function take(e, whole) {
    stopPolling();
    const u = JSON.parse(e.data);
    heard();
    onUpdate({status: u.status, series: u.series, whole, overview: u.overview || null, silences: u.silences || null});
  }

  function poll() {
    if (polling) return;
    retryAt = Date.now() + retry;
    polling = setInterval(ask, pollEvery);
    ask();
  }

  function stopPolling() {
    clearInterval(polling);
    polling = null;
  }

  async function ask() {
    if (Date.now() > retryAt) {
      retryAt = Date.now() + retry;
      open();
    }
    try {
      const [status, series] = await Promise.all(['status', 'series'].map(get));
      const [overview, silences] = status.alerts_from ? [null, null] : await Promise.all(['overview', 'silences'].map(get));
      if (!polling) return;
      heard();
      onUpdate({status, overview, silences, series, whole: true});
    } catch {
      tell(false);
    }
  }

  async function get(what) {
    const answer = await fetch(`api/freshet/${what}`, {signal: AbortSignal.timeout(pollEvery)});
    if (!answer.ok) throw new Error(answer.statusText);
    return answer.json();
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  // A network that goes away without a word gives no error, so silence is one too.
  setInterval(() => {
    if (Date.now() - last <= silence) return;
    tell(false);
    if (source && !polling) open();
  }, 2000);
  addEventListener('pagehide', close);
  addEventListener('pageshow', e => { if (e.persisted) open(); });
  addEventListener('online', open);
  open();
}
