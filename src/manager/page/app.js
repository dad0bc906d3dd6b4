/* SPDX-License-Identifier: Apache-2.0 */
/* Signing in, asking again every few seconds, and which view is shown. The token is kept for this tab alone. */
'use strict';

const EVERY = 5000;
const TOKEN = 'quoin-token';
const ASKED = { session: 'session', clusters: 'clusters', hosts: 'hosts', datastores: 'datastores', vms: 'vms', providers: 'key-providers', tasks: 'tasks',
  findings: 'health', events: 'events?kind=cluster', uses: 'events?kind=key' };
const at = (id) => document.getElementById(id);

const page = { token: sessionStorage.getItem(TOKEN), data: null, shown: '', timer: 0, asked: 0, failing: false };
const view = {
  severity: '', find: '', kind: 'cluster', host: '', armed: '', said: '',
  set(key, value) { this[key] = value; draw(); },
  /* Asks the manager to change the keys; what it says is shown where the button was. */
  async rotate(provider) {
    this.armed = '';
    try {
      const task = await ask('POST', `key-providers/${encodeURIComponent(provider)}/rotate`);
      this.said = `Task ${task.id} has begun.`;
    } catch (error) {
      this.said = error instanceof Refusal ? `${error.message}. ${error.remedy}` : 'The manager does not answer. Try again in a moment.';
    }
    await refresh();
    draw();
  },
};

class Refusal extends Error {
  constructor(status, body) {
    super(body.what || `The manager answers ${status}`);
    this.status = status;
    this.remedy = body.remedy || '';
  }
}
async function ask(method, path, body) {
  const headers = page.token ? { Authorization: `Bearer ${page.token}` } : {};
  const answer = await fetch(`/api/v1/${path}`, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(15000) });
  const json = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refusal(answer.status, json);
  return json;
}

/* Signed in or out: what is there besides the view. */
function showIn(is) {
  document.body.classList.toggle('out', !is);
  for (const id of ['masthead', 'nav', 'view']) at(id).hidden = !is;
  at('login').hidden = is;
  at('banner').replaceChildren();
}
function showLogin(message) {
  clearTimeout(page.timer);
  sessionStorage.removeItem(TOKEN);
  Object.assign(page, { token: null, data: null, shown: '', failing: false });
  at('view').replaceChildren();
  showIn(false);
  document.title = 'Sign in · quoin';
  at('login-host').textContent = `at ${location.host}`;
  say(message || '');
  (at('user').value ? at('password') : at('user')).focus();
}
function say(message) {
  at('login-error').hidden = !message;
  at('login-error').replaceChildren(...message ? [icon('bad'), h('div', {}, message)] : []);
}
async function signIn(submit) {
  submit.preventDefault();
  const user = at('user'), password = at('password'), button = at('login-button');
  const missing = [user, password].find((field) => !field.value);
  if (missing) {
    say(missing === user ? 'Your user name is missing.' : 'Your password is missing.');
    missing.focus();
    return;
  }
  button.disabled = true;
  say('');
  try {
    const session = await ask('POST', 'session', { user: user.value, password: password.value });
    page.token = session.token;
    sessionStorage.setItem(TOKEN, page.token);
    password.value = '';
    await begin();
  } catch (error) {
    say(error.status === 401 ? 'User name or password is wrong.'
      : error instanceof Refusal ? `${error.message}. ${error.remedy}` : 'The manager does not answer. Try again in a moment.');
    password.select();
    password.focus();
  } finally {
    button.disabled = false;
  }
}
async function signOut() {
  await ask('DELETE', 'session').catch(() => {});
  showLogin('');
}

const route = () => (Object.hasOwn(VIEWS, location.hash.slice(2)) ? location.hash.slice(2) : 'overview');

/* Draws anew, and gives the focus and the cursor back to what had them. */
function draw() {
  const had = document.activeElement, key = had && had.dataset.key;
  const cursor = key && had.selectionStart;
  at('view').replaceChildren(...VIEWS[route()](page.data, view));
  const again = key ? at('view').querySelector(`[data-key="${CSS.escape(key)}"]`) : had && had.id === 'title' ? at('title') : null;
  if (again) {
    again.focus();
    if (typeof cursor === 'number') again.setSelectionRange(cursor, cursor);
  }
}
function show(focus) {
  const name = route();
  for (const link of at('nav').querySelectorAll('a')) {
    if (link.hash === `#/${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${TITLES[name]} · ${page.data.session.cluster} · quoin`;
  at('where').replaceChildren(page.data.session.datacenter, ' / ', h('strong', {}, page.data.session.cluster));
  draw();
  if (focus) {
    at('title').focus();
    scrollTo(0, 0);
  }
}
/* All but when a host answered last, which alone is no reason to draw anew. */
const gist = (data) => JSON.stringify(data, (key, value) => (key === 'seen' ? undefined : value));

async function refresh() {
  clearTimeout(page.timer);
  const token = page.token;
  try {
    const answers = await Promise.all(Object.values(ASKED).map((path) => ask('GET', path)));
    if (token !== page.token) return;
    const data = Object.fromEntries(Object.keys(ASKED).map((name, i) => [name, answers[i].items || answers[i]]));
    const shown = gist(data), first = !page.data;
    page.data = data;
    page.asked = Date.now();
    if (page.failing) at('banner').replaceChildren();
    page.failing = false;
    if (first) showIn(true);
    if (shown !== page.shown) show(first);
    page.shown = shown;
    for (const host of data.hosts) {
      for (const time of document.querySelectorAll(`[data-seen="${CSS.escape(host.name)}"]`)) time.dateTime = host.seen;
    }
  } catch (error) {
    if (token !== page.token) return;
    if (error.status === 401) { showLogin('Your session has ended. Sign in again.'); return; }
    if (!page.data) showLogin('The manager does not answer. Try again in a moment.');
    else if (!page.failing) at('banner').replaceChildren(alert('bad', 'The manager does not answer', h('p', {}, 'What you see is what it last said. Asking again …')));
    page.failing = true;
  }
  if (page.token) page.timer = setTimeout(tick, EVERY);
}
/* Nobody looks at a hidden tab: it asks when it is shown again. */
function tick() {
  if (document.hidden) page.timer = setTimeout(tick, EVERY);
  else refresh();
}
function age() {
  if (page.asked) at('fresh').textContent = `Updated ${ago(new Date(page.asked).toISOString())}`;
  for (const time of document.querySelectorAll('#view time')) {
    const now = ago(time.dateTime);
    if (time.textContent !== now) time.textContent = now;
  }
}
async function begin() {
  await refresh();
  age();
}

const THEMES = ['system', 'light', 'dark'];
function theme(next) {
  const root = document.documentElement;
  const is = root.dataset.theme || 'system';
  const wanted = next ? THEMES[(THEMES.indexOf(is) + 1) % THEMES.length] : is;
  if (wanted === 'system') delete root.dataset.theme;
  else root.dataset.theme = wanted;
  try { localStorage.setItem('quoin-theme', wanted); } catch { /* Storage is switched off. */ }
  at('theme').setAttribute('aria-label', `Colour theme: ${wanted}`);
  at('theme').title = `Colour theme: ${wanted}`;
  at('theme').replaceChildren(icon('theme'));
}

for (const link of at('nav').querySelectorAll('a')) link.prepend(icon(link.dataset.icon));
at('login-form').addEventListener('submit', signIn);
at('sign-out').addEventListener('click', signOut);
at('theme').addEventListener('click', () => theme(true));
addEventListener('hashchange', () => { if (page.data) show(true); });
document.addEventListener('visibilitychange', () => { if (!document.hidden && page.token) refresh(); });
setInterval(age, 1000);
theme(false);
if (page.token) begin();
else showLogin('');
