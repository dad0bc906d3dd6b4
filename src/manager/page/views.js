/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is shown, made from what the API said. Everything that a host or a person named becomes a
 * text node, never HTML: there is no innerHTML on this page.
 */
'use strict';

const ICONS = { /* 16 by 16, even-odd */
  ok: 'M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0ZM6.9 11.6 3.3 8l1.3-1.3 2.3 2.3 4.5-4.5 1.3 1.3Z',
  warn: 'M8 1 0 15h16ZM7.1 6h1.8v4.5H7.1Zm0 5.8h1.8v1.7H7.1Z',
  bad: 'M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0ZM7.1 3.5h1.8v5.5H7.1Zm0 7h1.8v1.9H7.1Z',
  info: 'M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0ZM7.1 3.6h1.8v1.9H7.1Zm0 3.4h1.8v5.4H7.1Z',
  none: 'M8 0a8 8 0 1 0 0 16A8 8 0 0 0 8 0ZM4 7.1h8v1.8H4Z',
  home: 'M8 1 0.5 7.5 1.7 8.9 3 7.8V15h4v-4h2v4h4V7.8l1.3 1.1 1.2-1.4Z',
  server: 'M1 2h14v5H1Zm0 7h14v5H1Zm2-5v1h2V4Zm0 7v1h2v-1Zm7-7v1h3V4Zm0 7v1h3v-1Z',
  disk: 'M8 1c3.6 0 6 1 6 2.3S11.6 5.6 8 5.6 2 4.6 2 3.3 4.4 1 8 1ZM2 5.4c1.2 1 3.5 1.5 6 1.5s4.8-.5 6-1.5v3.3C14 10 11.6 11 8 11S2 10 2 8.7Zm0 5.3c1.2 1 3.5 1.5 6 1.5s4.8-.5 6-1.5v2C14 14 11.6 15 8 15s-6-1-6-2.3Z',
  lock: 'M8 0a4 4 0 0 0-4 4v3H3a1 1 0 0 0-1 1v7a1 1 0 0 0 1 1h10a1 1 0 0 0 1-1V8a1 1 0 0 0-1-1h-1V4a4 4 0 0 0-4-4Zm0 2a2 2 0 0 1 2 2v3H6V4a2 2 0 0 1 2-2Zm-.8 8h1.6v3H7.2Z',
  open: 'M8 0a4 4 0 0 0-4 4v3H3a1 1 0 0 0-1 1v7a1 1 0 0 0 1 1h10a1 1 0 0 0 1-1V8a1 1 0 0 0-1-1H6V4a2 2 0 0 1 4 0h2a4 4 0 0 0-4-4Zm-.8 10h1.6v3H7.2Z',
  list: 'M1 2h2v2H1Zm4 0h10v2H5ZM1 7h2v2H1Zm4 0h10v2H5Zm-4 5h2v2H1Zm4 0h10v2H5Z',
  screen: 'M1 2h14v9H9.5v1.5H12V14H4v-1.5h2.5V11H1Zm1.5 1.5v6h11v-6Z',
  cluster: 'M5.5 1h5v4H8.8v2H13v3.5h1.5V15h-5v-4.5h1.7V8.8H4.8v1.7h1.7V15h-5v-4.5H3V7h4.2V5H5.5Z',
  copy: 'M5 1h9v10h-2V3H5ZM2 5h8v10H2Z',
  theme: 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 2v10A5 5 0 0 1 8 3Z',
};

function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon');
  path.setAttribute('d', ICONS[name]);
  path.setAttribute('fill-rule', 'evenodd');
  svg.append(path);
  return svg;
}

/* h('p', {class: 'x'}, child, …): children that are no nodes become text. */
function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else if (value === true) node.setAttribute(key, '');
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/* A state is an icon, a word and a colour, in this order of importance. */
const STATES = {
  up: ['ok', 'Up'], away: ['bad', 'Away'], unknown: ['none', 'Unknown'],
  ok: ['ok', 'Healthy'], warn: ['warn', 'Warning'], failed: ['bad', 'Failed'],
  done: ['ok', 'Done'], current: ['ok', 'Current'], old: ['warn', 'Old key'], open: ['ok', 'Open'], closed: ['none', 'Not opened yet'],
  running: ['ok', 'Running'], paused: ['warn', 'Paused'], crashed: ['bad', 'Crashed'], off: ['none', 'Off'],
};
function label(kind, text, shape) {
  return h('span', { class: `label ${kind}` }, icon(shape || kind), text);
}
function state(name) {
  const [kind, text] = STATES[name] || ['none', name || 'Unknown'];
  return label(kind, text);
}
const health = (name) => (name === 'away' ? label('bad', 'Does not answer') : state(name));
const SEVERITIES = { info: ['info', 'Info'], warning: ['warn', 'Warning'], error: ['bad', 'Error'] };
const severity = (name) => label(...(SEVERITIES[name] || ['none', name]));
function encrypted(vm) {
  if (vm.encrypted === null) return state('unknown');
  return vm.encrypted ? label('ok', 'Encrypted', 'lock') : label('bad', 'Not encrypted', 'open');
}
function backup(provider) {
  if (provider.backup_fetched === null) return state('unknown');
  return provider.backup_fetched ? label('ok', 'Backup fetched') : label('warn', 'No backup yet');
}

const DASH = '–';
function size(bytes) {
  if (bytes === null || bytes === undefined) return DASH;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let n = 0;
  while (bytes >= 1024 && n < units.length - 1) { bytes /= 1024; n++; }
  return `${bytes.toFixed(n === 0 || bytes >= 100 ? 0 : 1).replace(/\.0$/, '')} ${units[n]}`;
}
const count = (n, one, many) => `${n} ${n === 1 ? one : many || one + 's'}`;

/* "3 min ago", kept true by app.js; the whole time is in the title. */
function ago(at) {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(at)) / 1000));
  for (const [unit, length] of [['day', 86400], ['h', 3600], ['min', 60]]) {
    if (seconds >= length) {
      const n = Math.floor(seconds / length);
      return `${n} ${unit}${unit === 'day' && n > 1 ? 's' : ''} ago`;
    }
  }
  return seconds < 10 ? 'just now' : `${seconds} s ago`;
}
function when(at, host) {
  if (!at) return DASH;
  return h('time', { datetime: at, title: new Date(at).toLocaleString(), 'data-seen': host }, ago(at));
}
const text = (value) => (value === null || value === undefined || value === '' ? DASH : String(value));
const code = (value) => (value ? h('code', {}, value) : DASH);

function facts(...rows) {
  return h('dl', { class: 'facts' }, rows.filter(Boolean).map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}
function card(shape, title, end, ...body) {
  const id = `card-${title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}`;
  return h('section', { class: 'card', 'aria-labelledby': id },
    h('div', { class: 'card-head' }, h('h2', { id }, icon(shape), title), end ? h('div', { class: 'end' }, end) : null),
    ...body);
}
/* On a narrow screen each row becomes a small list; the roles keep it a table for assistive technology. */
function table(caption, heads, rows, empty) {
  if (rows.length === 0) return h('p', { class: 'empty' }, empty);
  return h('table', { class: 'stack', role: 'table' },
    h('caption', {}, caption),
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads.map((head) => h('th', { scope: 'col', role: 'columnheader' }, head)))),
    h('tbody', { role: 'rowgroup' }, rows.map((cells) => h('tr', { role: 'row' }, cells.map((cell, i) => (i === 0
      ? h('th', { scope: 'row', role: 'rowheader' }, cell)
      : h('td', { role: 'cell', 'data-name': heads[i] }, h('span', {}, cell))))))));
}
function alert(kind, title, ...body) {
  return h('div', { class: `alert ${kind === 'bad' ? 'danger' : 'warning'}` }, icon(kind), h('div', {}, h('strong', {}, title), ...body));
}
function command(line) {
  const button = h('button', { type: 'button', 'data-key': `copy ${line}`, onclick: () => navigator.clipboard.writeText(line).then(
    () => { button.lastChild.data = 'Copied'; setTimeout(() => { button.lastChild.data = 'Copy'; }, 2000); }, () => {}) },
  icon('copy'), 'Copy');
  return h('div', { class: 'command' }, h('code', {}, line), button);
}
function capacity(store) {
  const total = store.bytes_total, used = store.bytes_used;
  if (!total || used === null) return h('p', { class: 'subtle' }, 'How full it is, nobody can tell now.');
  const percent = Math.min(100, Math.round((used / total) * 100));
  const bar = h('div', {});
  bar.style.width = `${percent}%`;
  return h('div', {},
    h('p', { class: 'meter-text' }, h('span', {}, `${size(used)} used of ${size(total)}`), h('span', { class: 'subtle' }, `${size(total - used)} free`)),
    h('div', { class: `meter ${percent >= 90 ? 'bad' : percent >= 75 ? 'warn' : ''}`, role: 'meter', 'aria-label': `Used space of ${store.name}`,
      'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': percent, 'aria-valuetext': `${percent} %` }, bar));
}
const reasons = (store) => (store.reasons && store.reasons.length > 0
  ? h('ul', { class: 'reasons' }, store.reasons.map((reason) => h('li', {}, reason))) : null);
function title(name, ...more) {
  return h('div', { class: 'title' }, h('h1', { tabindex: -1, id: 'title' }, name), ...more);
}

/* What a person should do something about, worst first, as the manager found it. */
const HEADS = { 'backup.missing': 'No backup of the keys was fetched yet' };
const headOf = (finding) => HEADS[finding.code] || finding.what;
/* A cluster that lost a hundred hosts has a hundred of these. */
const FINDINGS_SHOWN = 12;
function troubles(data) {
  const found = data.findings.filter((one) => one.severity !== 'info');
  const list = found.slice(0, FINDINGS_SHOWN).map((one) => alert(one.severity === 'error' ? 'bad' : 'warn', headOf(one),
    HEADS[one.code] ? h('p', {}, one.what) : null,
    one.code === 'backup.missing' ? command(`quoin key backup --cluster ${data.session.cluster} --file ${data.session.cluster}.keys`)
      : h('p', { class: 'subtle' }, one.remedy)));
  if (found.length > FINDINGS_SHOWN) {
    list.push(alert('warn', `And ${found.length - FINDINGS_SHOWN} more`, h('p', {}, h('a', { href: '#/health' }, 'See all findings'))));
  }
  return list;
}
function overall(data, list) {
  if (data.hosts.length === 0) return state('unknown');
  const bad = list.filter((one) => one.classList.contains('danger')).length;
  return bad ? label('bad', 'Needs help') : list.length ? label('warn', 'Needs attention') : label('ok', 'Healthy');
}
const KINDS = { datacenters: 'Data center', clusters: 'Cluster', hosts: 'Host', datastores: 'Datastore', vms: 'Machine', 'key-providers': 'Key provider', session: 'Session' };
const aboutWhat = (item) => `${KINDS[item.object] || item.object} ${item.name}`;
const eventRow = (event) => [severity(event.severity), event.what, aboutWhat(event), text(event.actor || event.host), when(event.at)];
/* More than this nobody reads, and no browser likes: who looks for one host types its name. */
const HOSTS_SHOWN = 50;

function progress(task) {
  if (task.state !== 'running') return state(task.state);
  return h('span', {}, h('progress', { max: 100, value: task.percent, 'aria-label': `Progress of task ${task.id}` }), ` ${task.percent} % ${task.doing || ''}`);
}
const taskRow = (task) => [`${task.kind} ${aboutWhat(task)}`, progress(task),
  task.error ? h('span', {}, task.error, task.remedy ? h('span', { class: 'subtle' }, ` ${task.remedy}`) : null) : DASH,
  text(task.actor), when(task.began), when(task.ended)];

/* Two steps: what changes every key's wrapping is not done by one slip of a finger. */
function rotation(data, view, provider) {
  const runs = data.tasks.find((task) => task.kind === 'rotate' && task.state === 'running');
  if (runs) return h('p', { role: 'status' }, 'A rotation runs: ', progress(runs));
  const said = h('p', { role: 'status' }, view.said);
  if (view.armed === provider.name) {
    return h('div', {}, h('p', {}, 'One host makes a new KEK, every host takes it and wraps its envelopes anew, and the old KEK is retired. The machines go on running. Every host must answer.'),
      h('button', { type: 'button', class: 'primary', 'data-key': 'rotate now', onclick: () => view.rotate(provider.name) }, 'Rotate now'), ' ',
      h('button', { type: 'button', 'data-key': 'rotate not', onclick: () => view.set('armed', '') }, 'Cancel'));
  }
  return h('div', {}, h('button', { type: 'button', 'data-key': `rotate ${provider.name}`, onclick: () => { view.said = ''; view.set('armed', provider.name); } }, 'Rotate the KEK …'), said);
}
function providerUse(host) {
  if (host.host_state !== 'up') return state('unknown');
  return host.trouble ? label('bad', 'Fails') : state(host.state);
}
function providerTable(provider) {
  const shown = [...provider.hosts].sort((a, b) => Boolean(b.trouble) - Boolean(a.trouble)).slice(0, HOSTS_SHOWN);
  return h('div', { class: 'card-foot' }, table(`${provider.name} as each host sees it${shown.length < provider.hosts.length ? `, ${shown.length} of ${provider.hosts.length}` : ''}`,
    ['Host', 'State', 'Key (KEK)', 'Last used', 'Last failure', 'Trouble'],
    shown.map((host) => [host.host, providerUse(host), code(host.kek), when(host.last_success), when(host.last_failure),
      host.trouble ? h('span', {}, host.trouble, host.remedy ? h('span', { class: 'subtle' }, ` ${host.remedy}`) : null) : DASH]), 'No host tells of it now.'));
}
function skew(host) {
  if (host.skew === null || host.skew === undefined) return DASH;
  return Math.abs(host.skew) < 2 ? 'right' : `${Math.abs(Math.round(host.skew))} s ${host.skew > 0 ? 'fast' : 'slow'}`;
}

const VIEWS = {
  overview(data) {
    const list = troubles(data);
    const up = data.hosts.filter((host) => host.state === 'up').length;
    const running = data.vms.filter((vm) => vm.state === 'running').length;
    const manager = data.vms.find((vm) => vm.name === data.session.manager);
    const cluster = data.clusters[0];
    return [title('Overview'), ...list,
      h('div', { class: 'cards' },
        card('cluster', cluster ? `Cluster ${cluster.name}` : 'Cluster', overall(data, list),
          h('dl', { class: 'figures' },
            h('div', {}, h('dt', {}, 'hosts up'), h('dd', {}, up, h('small', {}, ` of ${data.hosts.length}`))),
            h('div', {}, h('dt', {}, 'machines running'), h('dd', {}, running, h('small', {}, ` of ${data.vms.length}`))),
            h('div', {}, h('dt', {}, 'machines encrypted'), h('dd', {}, data.vms.filter((vm) => vm.encrypted).length, h('small', {}, ` of ${data.vms.length}`)))),
          h('div', { class: 'card-foot' }, facts(['Data center', text(data.session.datacenter)], ['Cluster id', code(cluster && cluster.id)]))),
        card('screen', 'Manager', manager ? [state(manager.state), ' ', encrypted(manager)] : state('unknown'),
          manager ? facts(['Name', manager.name], ['On host', h('a', { href: '#/hosts' }, manager.host)], ['Address', text(manager.network && manager.network.address)],
            ['Started', when(manager.since)], ['Size', `${count(manager.cpus || 0, 'CPU')}, ${size((manager.memory || 0) * 1048576)} memory`], ['Version', data.session.version])
            : facts(['Name', data.session.manager], ['Version', data.session.version], ['Host', 'not known yet'])),
        ...data.datastores.map((store) => card('disk', `Datastore ${store.name}`, health(store.health), capacity(store),
          h('div', { class: 'card-foot' }, facts(['Made with', text(store.type)], ['Copies', text(store.replicas)],
            ['Disks', store.osds ? `${store.osds.filter((osd) => osd.up).length} of ${store.osds.length} up` : DASH])))),
        ...data.providers.map((provider) => card('lock', 'Encryption', backup(provider),
          facts(['Key provider', `${provider.name} (${provider.type})`], ['Key (KEK)', code(provider.kek)], ['Kept by', keptBy(provider)],
            ['Machines', `${data.vms.filter((vm) => vm.encrypted).length} of ${data.vms.length} encrypted`]),
          h('p', { class: 'card-foot' }, h('a', { href: '#/encryption' }, 'See every machine’s keys'))))),
      card('list', 'Latest events', null, table('The five latest', ['Severity', 'What', 'About', 'By', 'When'], data.events.slice(0, 5).map(eventRow), 'Nothing has happened yet.'),
        h('p', { class: 'card-foot' }, h('a', { href: '#/events' }, 'All events')))];
  },

  hosts(data, view) {
    const wanted = view.host.toLowerCase();
    const found = data.hosts.filter((host) => !wanted || `${host.name} ${host.address} ${host.state}`.toLowerCase().includes(wanted));
    const shown = [...found].sort((a, b) => (b.state === 'away') - (a.state === 'away')).slice(0, HOSTS_SHOWN);
    return [title('Hosts', h('p', { class: 'subtle' }, `${data.hosts.filter((host) => host.state === 'up').length} of ${count(data.hosts.length, 'host')} up`)),
      data.hosts.length ? null : h('p', { class: 'empty' }, 'No host has joined yet.'),
      data.hosts.length > 3 ? h('div', { class: 'filters' },
        h('label', { class: 'grow' }, 'Find', h('input', { type: 'search', 'data-key': 'host', value: view.host, oninput: (change) => view.set('host', change.target.value) })),
        h('p', { class: 'count', role: 'status' }, `${shown.length} of ${count(found.length, 'host')} shown, those that are away first`)) : null,
      ...shown.map((host) => card('server', `Host ${host.name}`, state(host.state),
        facts(['Address', code(host.address)], [host.state === 'away' ? 'Away since' : 'Up since', when(host.since)], ['Last answer', when(host.seen, host.name)],
          ['Agent', text(host.version)], ['Cluster', text(host.cluster)], ['Clock', skew(host)],
          ['Certificate until', host.certificate_ends ? new Date(host.certificate_ends).toLocaleDateString() : DASH],
          host.trouble ? ['Trouble', host.trouble] : null, host.waiting ? ['Waits for', host.waiting] : null,
          ['Machines', data.vms.filter((vm) => vm.host === host.name).map((vm) => vm.name).join(', ') || 'none']),
        h('div', { class: 'card-foot' }, table(`Disks of ${host.name} in the datastore`, ['Disk', 'OSD', 'State'],
          (host.disks || []).map((disk) => [code(disk.disk), text(disk.id), disk.up ? state('up') : label('bad', 'Down')]), 'No disk of this host is known yet.'))))].filter(Boolean);
  },

  datastore(data) {
    return [title('Datastore'),
      data.datastores.length ? null : h('p', { class: 'empty' }, 'There is no datastore yet.'),
      ...data.datastores.map((store) => card('disk', `Datastore ${store.name}`, health(store.health),
        capacity(store), reasons(store),
        h('div', { class: 'card-foot' }, facts(['Made with', text(store.type)], ['Copies', store.copies ? `${store.copies} of ${text(store.replicas)}` : text(store.replicas)],
          ['Monitors', store.monitors ? `${store.monitors_in_quorum} of ${store.monitors} in the quorum` : DASH], ['Total', size(store.bytes_total)], ['Used', size(store.bytes_used)])),
        h('div', { class: 'card-foot' }, table('Its disks', ['Disk', 'Host', 'OSD', 'State'],
          (store.osds || []).map((osd) => [code(osd.disk) === DASH ? `osd.${osd.id}` : code(osd.disk), text(osd.host), text(osd.id), osd.up ? state('up') : label('bad', 'Down')]),
          'Its disks are not known now.'))))].filter(Boolean);
  },

  encryption(data, view) {
    return [title('Encryption'),
      ...troubles({ ...data, findings: data.findings.filter((one) => /^(backup|kek|provider|envelope)\./.test(one.code)) }),
      ...data.providers.map((provider) => card('lock', `Key provider ${provider.name}`, backup(provider),
        facts(['Type', text(provider.type)], ['Key (KEK)', code(provider.kek)], ['Kept by', keptBy(provider)], ['Backup', provider.backup_fetched ? 'fetched at least once' : 'never fetched']),
        providerTable(provider),
        h('div', { class: 'card-foot' }, rotation(data, view, provider)))),
      card('screen', 'Virtual machines', null, table('The envelope of each machine’s key', ['Machine', 'Sealed', 'Envelope', 'Key (KEK)', 'Known since', 'Generation', 'Disks', 'Host'],
        data.vms.slice(0, 4 * HOSTS_SHOWN).map((vm) => [vm.name, encrypted(vm), state(vm.envelope), code(vm.kek || (providerOf(data, vm) || {}).kek), when(vm.kek_since), text(vm.generation),
          (vm.disks || []).map((disk) => `${disk.name} ${size(disk.bytes)}`).join(', ') || DASH, text(vm.host)]), 'No virtual machine is known yet.')),
      card('lock', 'How it is protected', null, facts(
        ['Disks', 'LUKS2, AES-256-XTS, a key of its own for each'],
        ['Disk keys', 'wrapped with the machine’s key, and that in an envelope by the KEK'],
        ['This manager', 'holds no key and can ask nobody for one']))];
  },

  health(data) {
    const found = (severity) => data.findings.filter((one) => one.severity === severity).length;
    return [title('Health', h('p', { class: 'subtle' }, `${count(found('error'), 'error')}, ${count(found('warning'), 'warning')}, ${count(found('info'), 'info')}`)),
      h('section', { class: 'card', 'aria-label': 'Findings' },
        table('What is not as it should be, and what to do', ['Severity', 'What', 'What to do', 'Where'],
          data.findings.slice(0, 4 * HOSTS_SHOWN).map((one) => [severity(one.severity), one.what, text(one.remedy), code(one.where)]), 'Nothing stands against this cluster.'))];
  },

  tasks(data) {
    return [title('Tasks'),
      h('section', { class: 'card', 'aria-label': 'Tasks' },
        table('What was asked for, newest first', ['Task', 'State', 'Error', 'By', 'Began', 'Ended'], data.tasks.map(taskRow), 'Nothing was asked for yet.'))];
  },

  events(data, view) {
    const wanted = view.find.toLowerCase();
    const all = view.kind === 'key' ? data.uses : data.events;
    const shown = all.filter((event) => (!view.severity || event.severity === view.severity)
      && (!wanted || `${event.what} ${KINDS[event.object]} ${event.name} ${event.actor || ''} ${event.host || ''}`.toLowerCase().includes(wanted)));
    return [title('Events'),
      h('section', { class: 'card', 'aria-label': 'Events' },
        h('div', { class: 'filters' },
          h('label', {}, 'Kind of event', h('select', { 'data-key': 'kind', onchange: (change) => view.set('kind', change.target.value) },
            [['cluster', 'The cluster'], ['key', 'Uses of keys']].map(([value, name]) => h('option', { value, selected: view.kind === value }, name)))),
          h('label', {}, 'Severity', h('select', { 'data-key': 'severity', onchange: (change) => view.set('severity', change.target.value) },
            [['', 'All'], ['info', 'Info'], ['warning', 'Warning'], ['error', 'Error']].map(([value, name]) => h('option', { value, selected: view.severity === value }, name)))),
          h('label', { class: 'grow' }, 'Find', h('input', { type: 'search', 'data-key': 'find', value: view.find, oninput: (change) => view.set('find', change.target.value) })),
          h('p', { class: 'count', role: 'status' }, `${shown.length} of ${count(all.length, 'event')}`)),
        table('Newest first', ['Severity', 'What', 'About', 'By', 'When'], shown.map(eventRow), 'No event is like that.'))];
  },
};
const TITLES = { overview: 'Overview', health: 'Health', hosts: 'Hosts', datastore: 'Datastore', encryption: 'Encryption', tasks: 'Tasks', events: 'Events' };

function keptBy(provider) {
  return { tpm: 'the host’s TPM', file: 'a file that only root can read' }[provider.sealed_by] || text(provider.sealed_by);
}
/* What keeps a machine's keys when the machine does not say. */
function providerOf(data, vm) {
  return data.providers.flatMap((provider) => provider.hosts).find((host) => host.host === vm.host);
}
