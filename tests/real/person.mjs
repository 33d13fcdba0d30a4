// A person with a plain browser, played over HTTP: follows redirects, keeps cookies, fills in the provider's forms.
//
//   node person.mjs URL [--login NAME] [--code USER_CODE] [--deny]
//
// Prints one JSON line `{"url": …, "status": …, "title": …, "text": …, "visited": […]}` about the page it ended on.

import { request } from 'node:http';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { login: { type: 'string', default: 'ada@example.com' }, code: { type: 'string' }, deny: { type: 'boolean' } },
});

const jar = new Map();
const visited = [];

// Not fetch(): that one says `Sec-Fetch-Mode: cors`, and a redirect listener is right to refuse it.
function navigate(url, form, cookies) {
  const body = form?.toString();
  const headers = {
    accept: 'text/html',
    'sec-fetch-mode': 'navigate',
    'sec-fetch-dest': 'document',
    'sec-fetch-site': visited.length > 1 ? 'cross-site' : 'none',
    ...(cookies && { cookie: cookies }),
    ...(body !== undefined && { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) }),
  };
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: form ? 'POST' : 'GET', headers, agent: false, timeout: 30_000 }, async (answer) => {
      const chunks = [];
      for await (const chunk of answer) chunks.push(chunk);
      resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString() });
    });
    asked.on('timeout', () => asked.destroy(new Error(`no answer from ${url.origin} within 30 s`)));
    asked.on('error', reject);
    asked.end(body);
  });
}

async function open(url, form) {
  for (let hops = 0; hops < 20; hops++) {
    const here = new URL(url);
    if (!['127.0.0.1', 'localhost', '[::1]'].includes(here.hostname)) throw new Error(`left the loopback: ${url}`);
    visited.push(here.origin + here.pathname);
    const cookies = [...(jar.get(here.host) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await navigate(here, form, cookies);
    for (const line of response.headers['set-cookie'] ?? []) {
      const [pair, ...attributes] = line.split(';');
      const [name, ...value] = pair.split('=');
      const mine = jar.get(here.host) ?? new Map();
      jar.set(here.host, mine);
      const gone = attributes.some((a) => /^\s*expires=Thu, 01 Jan 1970/i.test(a));
      gone ? mine.delete(name.trim()) : mine.set(name.trim(), value.join('='));
    }
    const location = response.headers.location;
    if (!location) return { url, status: response.status, html: response.body };
    const keepsMethod = response.status === 307 || response.status === 308;
    url = new URL(location, url).href;
    form = keepsMethod ? form : undefined;
  }
  throw new Error('more than 20 redirects');
}

const decode = (text) => text.replace(/&#(\d+);/g, (_, n) => String.fromCharCode(n)).replace(/&quot;/g, '"').replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');
const attribute = (tag, name) => decode(tag.match(new RegExp(`\\b${name}\\s*=\\s*"([^"]*)"`, 'i'))?.[1] ?? '');

let page = await open(positionals[0]);
for (let step = 0; step < 8; step++) {
  const form = page.html.match(/<form\b[^>]*method="?post[^>]*>[\s\S]*?<\/form>/i)?.[0];
  if (!form) break;
  const fields = new URLSearchParams();
  for (const input of form.match(/<input\b[^>]*>/gi) ?? []) {
    const name = attribute(input, 'name');
    if (name === 'login') fields.set(name, options.login);
    else if (name === 'user_code' && /type="text"/i.test(input)) fields.set(name, options.code ?? attribute(input, 'value'));
    else if (name) fields.set(name, attribute(input, 'value'));
  }
  const refusal = /name="(deny|abort)"/.exec(page.html)?.[1];
  if (options.deny && refusal) fields.set(refusal, 'yes');
  else if (/name="logout"/.test(page.html)) fields.set('logout', 'yes');
  page = await open(new URL(attribute(form, 'action') || page.url, page.url).href, fields);
}

const text = decode(page.html.replace(/<(style|script|head)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]+>/g, ' ')).replace(/\s+/g, ' ').trim();
const title = decode(page.html.match(/<title>([\s\S]*?)<\/title>/i)?.[1] ?? '').trim();
console.log(JSON.stringify({ url: page.url, status: page.status, title, text, visited }));
