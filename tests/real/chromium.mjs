// A person with a real Chromium, driven by playwright-core: opens the start URL, signs in through the provider's
// pages, waits for the final page and keeps pictures of it (light, dark, and 360 px wide).
//
//   node chromium.mjs START_URL ARTIFACTS_FOLDER [--login NAME] [--deny] [--prefix NAME]
//
// MDB_TEST_CHROMIUM names the browser (default /usr/bin/chromium). Prints one JSON line:
// {"url", "address_bar", "title", "text", "console_errors", "foreign_requests", "csp_violations", "failed_requests",
//  "overflows", "screenshots"}.

import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { chromium } = (await import('../../.tests/peers/node_modules/playwright-core/index.mjs')).default;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { login: { type: 'string', default: 'ada@example.com' }, deny: { type: 'boolean' }, prefix: { type: 'string', default: 'final' } },
});
const [start, artifacts] = positionals;
await mkdir(artifacts, { recursive: true });

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);
const isLocal = (url) => /^(data|blob|about|chrome-error):/.test(url) || LOOPBACK.has(new URL(url).hostname);

const profile = await mkdtemp(join(tmpdir(), 'mdb-login-chromium-'));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.MDB_TEST_CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  // Root has no sandbox to enter; the other flags keep Chromium itself from talking to anyone.
  chromiumSandbox: process.getuid?.() !== 0 && process.platform === 'linux' ? undefined : false,
  args: ['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  colorScheme: 'light',
  viewport: { width: 1000, height: 700 },
});

const report = { console_errors: [], foreign_requests: [], csp_violations: [], failed_requests: [], screenshots: [] };
// Requests to strangers are recorded and refused, so that the report does not depend on the network.
await context.route((url) => !isLocal(url.href), (route) => {
  report.foreign_requests.push(route.request().url());
  return route.abort();
});
await context.exposeFunction('reportViolation', (violation) => report.csp_violations.push(violation));
await context.addInitScript(() => {
  document.addEventListener('securitypolicyviolation', (event) => window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`));
});

let status = 0;
try {
  const page = context.pages()[0] ?? (await context.newPage());
  page.setDefaultTimeout(15_000);
  page.on('console', (message) => {
    if (message.type() === 'error') report.console_errors.push(message.text());
    if (/Content Security Policy/.test(message.text())) report.csp_violations.push(message.text());
  });
  page.on('pageerror', (error) => report.console_errors.push(String(error)));
  page.on('requestfailed', (request) => report.failed_requests.push(`${request.url().split('?')[0]} ${request.failure()?.errorText}`));
  page.on('response', (response) => {
    if (response.status() >= 400) report.failed_requests.push(`${response.url().split('?')[0]} ${response.status()}`);
  });

  await page.goto(start);
  for (let step = 0; step < 4 && (await page.locator('button[type=submit]').count()) > 0; step++) {
    const name = page.locator('input[name=login]');
    if (await name.count()) await name.fill(options.login);
    const deny = page.locator('button[name=deny]');
    const button = options.deny && (await deny.count()) ? deny : page.locator('button[type=submit]').first();
    await Promise.all([page.waitForNavigation(), button.click()]);
  }
  // The final page may replace itself once more when the exchange is done; it is final when it holds still.
  for (let last = '', still = 0; still < 5; ) {
    await page.waitForTimeout(100);
    const now = page.url() + (await page.content().catch(() => String(Math.random())));
    still = now === last ? still + 1 : 0;
    last = now;
  }

  report.url = page.url();
  report.address_bar = await page.evaluate(() => location.href);
  report.title = await page.title();
  report.text = await page.innerText('body');
  const shoot = async (name) => {
    const path = join(artifacts, `${options.prefix}-${name}.png`);
    await page.screenshot({ path, fullPage: true });
    report.screenshots.push(path);
  };
  await shoot('light');
  await page.emulateMedia({ colorScheme: 'dark' });
  await shoot('dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 360, height: 640 });
  report.overflows = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
  await shoot('narrow');
} catch (error) {
  report.error = String(error.stack ?? error);
  status = 1;
} finally {
  await context.close();
  await rm(profile, { recursive: true, force: true });
}
console.log(JSON.stringify(report));
process.exit(status);
