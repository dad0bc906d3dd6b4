// SPDX-License-Identifier: Apache-2.0
// The manager's page in a real browser, against the manager at QUOIN_URL:
//   QUOIN_USER, QUOIN_PASSWORD_FILE, QUOIN_CA   how to sign in, and whom to trust
//   QUOIN_STATUS        the file that tests/browser/peer.c answers from; without it (the lab's real
//                       hosts) what needs a host that changes is left out
//   QUOIN_SCREENSHOTS   a folder for pictures of every view, or nothing
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const url = new URL(process.env.QUOIN_URL);
const user = process.env.QUOIN_USER || 'admin';
const password = fs.readFileSync(process.env.QUOIN_PASSWORD_FILE, 'utf8').replace(/\n$/, '');
const ca = fs.readFileSync(process.env.QUOIN_CA);
const statusFile = process.env.QUOIN_STATUS;
const pictures = process.env.QUOIN_SCREENSHOTS;
const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const VIEWS = ['overview', 'health', 'hosts', 'datastore', 'encryption', 'tasks', 'events'];
const WIDE = { width: 1280, height: 860 }, NARROW = { width: 360, height: 740 };

/* The chain and the name are checked here; the browser then trusts this one key and no other. */
function trustedKey() {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: url.hostname, port: url.port || 443, ca, servername: '' }, () => {
      const leaf = new X509Certificate(socket.getPeerCertificate().raw);
      socket.destroy();
      resolve(createHash('sha256').update(leaf.publicKey.export({ type: 'spki', format: 'der' })).digest('base64'));
    });
    socket.on('error', reject);
  });
}

const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'quoin-browser.'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.QUOIN_CHROMIUM || '/usr/bin/chromium',
  headless: true, viewport: WIDE, colorScheme: 'light', bypassCSP: false,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', `--ignore-certificate-errors-spki-list=${await trustedKey()}`],
});
const page = context.pages()[0] || await context.newPage();
const complaints = [];
const requests = new Set();
page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()); });
page.on('pageerror', (error) => complaints.push(String(error)));
page.on('dialog', (dialog) => { complaints.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
page.on('request', (request) => requests.add(new URL(request.url()).origin));

let passed = 0, failed = 0;
async function test(sentence, run) {
  try {
    await run();
    passed++;
    console.log(`ok - ${sentence}`);
  } catch (error) {
    failed++;
    console.log(`not ok - ${sentence}\n    ${String(error.stack).split('\n').slice(0, 12).join('\n    ')}`);
    await picture(`failed-${failed}`);
  }
}
async function picture(name) {
  if (pictures) await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
}
const heading = (name) => page.getByRole('heading', { level: 1, name });
const errorText = () => page.locator('#login-error');

async function signIn(name, word) {
  await page.getByLabel('User name').fill(name);
  await page.getByLabel('Password').fill(word);
  await page.getByRole('button', { name: 'Sign in' }).click();
}
async function goTo(view) {
  await page.goto(`${url.origin}/#/${view}`);
  await page.waitForFunction((name) => document.title.toLowerCase().startsWith(name), view);
}
async function violations() {
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return result.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`);
}
async function overflow() {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}
const api = (method, where, token) => page.evaluate(async ([verb, at, bearer]) => {
  const answer = await fetch(`/api/v1/${at}`, { method: verb, headers: { Authorization: `Bearer ${bearer}` } });
  return answer.status;
}, [method, where, token]);

await test('the page says what may load it and what it may load', async () => {
  const answer = await page.goto(url.origin);
  const headers = answer.headers();
  assert.match(headers['content-security-policy'], /default-src 'self'/);
  assert.match(headers['content-security-policy'], /frame-ancestors 'none'/);
  assert.doesNotMatch(headers['content-security-policy'], /unsafe|\*|http/);
  assert.match(headers['strict-transport-security'], /max-age=\d{6,}/);
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['set-cookie'], undefined);
});

await test('signing in begins at the user name, without a mouse', async () => {
  await page.waitForSelector('#login:not([hidden])');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'user');
  await picture('sign-in-light');
});

await test('a field that is empty is named and gets the focus', async () => {
  await page.getByLabel('User name').fill(user);
  await page.getByRole('button', { name: 'Sign in' }).click();
  assert.match(await errorText().innerText(), /password is missing/);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'password');
});

await test('a wrong password is refused in words, and the field is ready for another', async () => {
  await signIn(user, 'not the password');
  await errorText().filter({ hasText: 'wrong' }).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'password');
  assert.deepEqual(await violations(), []);
  complaints.length = 0; /* the browser reports the 401 */
});

await test('the right password opens the overview, by the keyboard alone', async () => {
  await page.getByLabel('User name').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.keyboard.press('Enter');
  await heading('Overview').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.id), 'title');
  assert.match(await page.title(), /^Overview/);
});

await test('the password is nowhere in the page, and the token in this tab alone', async () => {
  const kept = await page.evaluate(() => ({ local: JSON.stringify(localStorage), cookie: document.cookie,
    session: Object.keys(sessionStorage), html: document.documentElement.outerHTML, field: document.getElementById('password').value }));
  assert.ok(!kept.local.includes('token') && kept.cookie === '');
  assert.deepEqual(kept.session, ['quoin-token']);
  assert.ok(!kept.html.includes(password) && kept.field === '');
});

await test('the overview shows the cluster, the manager, the datastore and who keeps the keys', async () => {
  await page.getByRole('heading', { level: 2, name: /^Cluster / }).waitFor();
  for (const name of [/^Manager$/, /^Datastore /, /^Encryption$/, /^Latest events$/]) {
    assert.equal(await page.getByRole('heading', { level: 2, name }).count(), 1, String(name));
  }
  await page.getByText('Running', { exact: true }).first().waitFor({ timeout: 20000 });
  assert.ok(await page.locator('.label', { hasText: 'Encrypted' }).count() > 0);
  assert.equal(await page.getByRole('meter').count(), 1);
});

for (const view of VIEWS) {
  await test(`${view}: reached from the keyboard, named, and without a fault of accessibility, light and dark, wide and 360 px narrow`, async () => {
    await page.setViewportSize(WIDE);
    const link = page.getByRole('navigation').getByRole('link', { name: new RegExp(view, 'i') });
    await link.focus();
    await page.keyboard.press('Enter');
    await page.waitForFunction((name) => document.title.toLowerCase().startsWith(name), view);
    assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1');
    assert.equal(await link.getAttribute('aria-current'), 'page');
    for (const scheme of ['light', 'dark']) {
      for (const size of [WIDE, NARROW]) {
        await page.emulateMedia({ colorScheme: scheme });
        await page.setViewportSize(size);
        await page.waitForTimeout(500);
        assert.deepEqual(await violations(), [], `${scheme} ${size.width}`);
        assert.equal(await overflow(), 0, `${scheme} ${size.width}: wider than the screen`);
        await picture(`${view}-${scheme}-${size.width}`);
      }
    }
  });
}

await test('every control has a name, and the order of the keyboard is that of the page', async () => {
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(WIDE);
  await goTo('events');
  await page.evaluate(() => document.querySelector('.skip').focus());
  const names = [];
  for (let i = 0; i < 13; i++) {
    await page.keyboard.press('Tab');
    names.push(await page.evaluate(() => (document.activeElement.getAttribute('aria-label') || document.activeElement.closest('label')?.firstChild?.data || document.activeElement.innerText || '').trim()));
  }
  assert.ok(names.every((name) => name !== ''), names.join(', '));
  const order = ['Overview', 'Health', 'Hosts', 'Datastore', 'Encryption', 'Tasks', 'Events', 'Severity'].map((name) => names.indexOf(name));
  assert.ok(order.every((at, i) => at >= 0 && (i === 0 || at > order[i - 1])), names.join(', '));
});

await test('events are found by word and by severity, and typing keeps the cursor', async () => {
  await goTo('events');
  const find = page.getByLabel('Find');
  await find.click();
  await page.keyboard.type('signed in from');
  assert.equal(await find.inputValue(), 'signed in from');
  for (const row of await page.locator('tbody tr').allInnerTexts()) assert.match(row, /signed in from/);
  assert.ok(await page.locator('tbody tr').count() > 0);
  await find.fill('');
  await page.getByLabel('Severity').selectOption('warning');
  for (const row of await page.locator('tbody tr').allInnerTexts()) assert.match(row, /Warning/);
  await page.getByLabel('Severity').selectOption('');
});

await test('what is drawn anew because something happened leaves the focus on the heading', async () => {
  await goTo('events');
  await page.evaluate(() => { document.querySelector('#title').dataset.drawn = 'before'; document.querySelector('#title').focus(); });
  await page.evaluate(([name, secret]) => fetch('/api/v1/session', { method: 'POST', headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ user: name, password: secret }) }).then((answer) => answer.json()), [user, password]);
  await page.waitForFunction(() => !document.querySelector('#title').dataset.drawn, null, { timeout: 60000 });
  assert.equal(await page.evaluate(() => document.activeElement.id), 'title');
});

await test('the theme is chosen by a button and is kept', async () => {
  const button = page.getByRole('button', { name: /Colour theme/ });
  const before = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await button.click();
  await button.click();
  assert.equal(await button.getAttribute('aria-label'), 'Colour theme: dark');
  await page.reload();
  await page.waitForSelector('h1#title');
  assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), before);
  await button.click();
  assert.equal(await button.getAttribute('aria-label'), 'Colour theme: system');
});

if (statusFile) {
  const status = () => JSON.parse(fs.readFileSync(statusFile, 'utf8'));
  const original = fs.readFileSync(statusFile, 'utf8');
  const change = (next) => { fs.writeFileSync(`${statusFile}.new`, JSON.stringify(next)); fs.renameSync(`${statusFile}.new`, statusFile); };

  await test('until a backup of the keys was fetched the page says so, and how; then no longer', async () => {
    await goTo('overview');
    await page.getByText('No backup of the keys was fetched yet').waitFor();
    await page.getByText('quoin key backup --cluster edge-01').waitFor();
    const next = status();
    next.provider.backup_fetched = true;
    change(next);
    await page.getByText('No backup of the keys was fetched yet').waitFor({ state: 'detached', timeout: 20000 });
    await page.locator('.label', { hasText: 'Backup fetched' }).waitFor();
  });

  await test('a button keeps the focus when its view is drawn anew', async () => {
    change(JSON.parse(original));
    await page.getByText('No backup of the keys was fetched yet').waitFor({ timeout: 20000 });
    const button = page.getByRole('button', { name: 'Copy' });
    await button.focus();
    const next = status();
    next.datastore.bytes_used += 1073741824;
    change(next);
    await page.getByText('3 GiB used').first().waitFor({ timeout: 20000 });
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Copy');
  });

  await test('what a host says is shown as text, whatever it looks like', async () => {
    const evil = '<img src=x onerror=alert(1)><script>alert(2)</script>';
    const next = status();
    next.vms[0].trouble = evil;
    next.waiting = evil;
    next.datastore.health = 'warn';
    next.datastore.reasons = [evil];
    next.datastore.osds[0].disk = evil;
    next.vms.push({ ...next.vms[0], name: evil, id: '6f1c2a3b-89ab-4cde-8f01-00000000beef', encrypted: false, disks: [{ name: evil, bytes: 1 }] });
    next.provider.kek = evil;
    change(next);
    await goTo('overview');
    await page.getByText(evil).first().waitFor({ timeout: 20000 });
    for (const view of VIEWS) {
      await goTo(view);
      if (view !== 'tasks') await page.getByText(evil).first().waitFor();
      assert.equal(await page.locator('#view img, #view script').count(), 0);
      assert.equal(await overflow(), 0);
    }
    await goTo('encryption');
    await page.locator('.label', { hasText: 'Not encrypted' }).waitFor();
    await picture('hostile');
  });

  await test('a use of a key is an event of its own kind, with its host and its result', async () => {
    change({ ...JSON.parse(original), events: { source: '11111111-89ab-4cde-8f01-23456789abcd', next: 1 } });
    await goTo('events');
    await page.getByLabel('Kind of event').selectOption('key');
    await page.getByText('unwrap with KEK native:7f3a9c1e for vm of mgr: denied').waitFor({ timeout: 20000 });
    assert.equal(await page.locator('tbody tr').count(), 1);
    await page.getByLabel('Kind of event').selectOption('cluster');
    assert.equal(await page.getByText('unwrap with KEK').count(), 0);
  });

  await test('what a host says of its provider is shown with what to do, as a finding and beside the host', async () => {
    const next = JSON.parse(original);
    Object.assign(next.provider, { trouble: 'the TPM does not answer', remedy: 'see to its TPM', last_failure: 1795000000 });
    next.vms[0].kek = 'native:01d';
    change(next);
    await goTo('health');
    await page.getByText('cannot use key provider').waitFor({ timeout: 20000 });
    await page.getByText('see to its TPM').waitFor();
    await goTo('encryption');
    await page.locator('.label', { hasText: 'Fails' }).waitFor();
    await page.locator('.label', { hasText: 'Old key' }).waitFor();
    await picture('provider-fails');
    change(JSON.parse(original));
    await page.locator('.label', { hasText: 'Fails' }).waitFor({ state: 'detached', timeout: 20000 });
  });

  await test('a rotation is asked for in two steps, by the keyboard alone, and is a task that ends; a second one is refused in words', async () => {
    await goTo('encryption');
    for (const end of ['Done', 'Failed']) {
      await page.getByRole('button', { name: 'Rotate the KEK' }).focus();
      await page.keyboard.press('Enter');
      await page.getByRole('button', { name: 'Rotate now' }).waitFor();
      assert.deepEqual(await violations(), []);
      await page.getByRole('button', { name: 'Rotate now' }).focus();
      await page.keyboard.press('Enter');
      await page.getByText(/Task \d+ has begun|A rotation runs/).first().waitFor();
      await goTo('tasks');
      await page.locator('tbody tr', { hasText: 'rotate' }).first().locator('.label', { hasText: end }).waitFor({ timeout: 20000 });
      if (end === 'Failed') await page.getByText('rotated less than an hour ago').waitFor();
      await picture(`task-${end}`);
      await goTo('encryption');
    }
  });

  await test('a host that falls silent is shown as away, with the reason, and its machines as unknown', async () => {
    await goTo('hosts');
    fs.unlinkSync(statusFile);
    await page.locator('.label', { hasText: 'Away' }).waitFor({ timeout: 40000 });
    await page.getByText('Trouble').waitFor();
    await picture('away');
    await goTo('overview');
    await page.getByText('does not answer').first().waitFor();
    assert.deepEqual(await violations(), []);
    await picture('overview-away');
    fs.writeFileSync(statusFile, original);
    await page.locator('.label', { hasText: 'Running' }).first().waitFor({ timeout: 40000 });
    await goTo('events');
    await page.getByText('the host answers').first().waitFor();
  });
}

await test('the page talked to nobody but the manager and the browser had nothing to complain of', async () => {
  assert.deepEqual([...requests], [url.origin]);
  assert.deepEqual(complaints, []);
});

await test('the numbers for Prometheus are as Prometheus wants them', async () => {
  const numbers = await page.evaluate(async () => (await fetch('/metrics')).text());
  assert.match(numbers, /^quoin_host_up\{host="[^"]+"\} 1$/m);
  const checked = spawnSync('promtool', ['check', 'metrics'], { input: numbers, encoding: 'utf8' });
  assert.equal(checked.status, 0, `${checked.stdout}${checked.stderr}${checked.error || ''}`);
});

await test('a reload keeps this tab signed in; another tab is not', async () => {
  await page.reload();
  await page.waitForSelector('h1#title');
  const other = await context.newPage();
  await other.goto(url.origin);
  await other.getByLabel('Password').waitFor();
  await other.close();
});

await test('signing out ends the session at the manager too', async () => {
  const token = await page.evaluate(() => sessionStorage.getItem('quoin-token'));
  assert.match(token, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(await api('GET', 'hosts', token), 200);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Password').waitFor();
  assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  assert.equal(await api('GET', 'hosts', token), 401);
});

await test('a session that ended asks to sign in again, and says why', async () => {
  await signIn(user, password);
  await page.waitForSelector('h1#title');
  const token = await page.evaluate(() => sessionStorage.getItem('quoin-token'));
  assert.equal(await api('DELETE', 'session', token), 204);
  await errorText().filter({ hasText: 'session has ended' }).waitFor({ timeout: 20000 });
});

for (const [scheme, size] of [['dark', WIDE], ['light', NARROW]]) {
  await test(`signing in is accessible, ${scheme}, ${size.width} px wide`, async () => {
    await page.emulateMedia({ colorScheme: scheme });
    await page.setViewportSize(size);
    await page.goto(url.origin);
    await page.reload();
    await page.waitForSelector('#login:not([hidden])');
    assert.deepEqual(await violations(), []);
    assert.equal(await overflow(), 0);
    await picture(`sign-in-${scheme}-${size.width}`);
  });
}

await context.close();
fs.rmSync(profile, { recursive: true, force: true });
console.log(`browser: ${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
