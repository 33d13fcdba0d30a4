// The certified `oidc-provider` as a peer: a public native client, PKCE required, device flow, rotating refresh
// tokens whose reuse revokes the grant, JWT access tokens by resource indicator (RFC 8707, `typ` is `at+jwt`),
// revocation and RP-initiated logout; and two clients that are programs, one with a secret and one with a key.
// Loopback only.
//
// Prints one JSON line `{"issuer": …, "client_id": …, "resource": …, "programs": …}` when it listens and ends when
// stdin closes, so that a test that dies takes its provider with it.
//
// Settings, all optional: ACCESS_TOKEN_TTL and DEVICE_CODE_TTL in seconds; ACCESS_TOKEN_TYPE in place of `at+jwt`, which
// MongoDB's server refuses.
//
// GET  /journal  what was asked of the provider: [{method, route, grant_type, status, error}], and the refresh
//                tokens issued, so that a test can look for their bytes where they must not be.

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';

const { default: Provider } = await import('../../.tests/peers/node_modules/oidc-provider/lib/index.js');

const RESOURCE = 'https://mongodb.example.com';
const CLIENT_ID = 'mdb-login-native';
const seconds = (name, fallback) => Number(process.env[name] ?? fallback);

const escape = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
const page = (title, body) => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"></head><body><h1>${escape(title)}</h1>${body}</body></html>`;

const journal = { requests: [], refresh_tokens: [] };

async function body(req) {
  const chunks = [];
  for await (const chunk of req) chunks.push(chunk);
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });

const program = generateKeyPairSync('rsa', { modulusLength: 2048 });
const programs = {
  secret: { client_id: 'nightly-secret', client_secret: randomBytes(24).toString('base64url') + '+/ %' },
  key: {
    client_id: 'nightly-key',
    key_id: 'nightly-1',
    key: program.privateKey.export({ format: 'pem', type: 'pkcs8' }),
  },
};
const unattended = { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: CLIENT_ID,
      client_name: 'mdb-login',
      application_type: 'native',
      token_endpoint_auth_method: 'none',
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
      // Native clients may use any port on these hosts (RFC 8252 §7.3).
      redirect_uris: ['http://localhost:27097/redirect', 'http://127.0.0.1/redirect', 'http://[::1]/redirect'],
      id_token_signed_response_alg: 'RS256',
    },
    { ...unattended, ...programs.secret, token_endpoint_auth_method: 'client_secret_basic' },
    {
      ...unattended,
      client_id: programs.key.client_id,
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...program.publicKey.export({ format: 'jwk' }), kid: programs.key.key_id, use: 'sig' }] },
    },
  ],
  jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'peer-1', alg: 'RS256', use: 'sig' }] },
  cookies: { keys: ['loopback-test-peer'] },
  pkce: { required: () => true },
  scopes: ['openid', 'offline_access', 'email'],
  claims: { openid: ['sub'], email: ['email'] },
  conformIdTokenClaims: false,
  formats: {
    customizers: {
      jwt: (_ctx, _token, parts) => {
        if (process.env.ACCESS_TOKEN_TYPE) parts.header = { ...parts.header, typ: process.env.ACCESS_TOKEN_TYPE };
      },
    },
  },
  findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub, email: sub }) }),
  rotateRefreshToken: true,
  ttl: {
    AccessToken: seconds('ACCESS_TOKEN_TTL', 300),
    AuthorizationCode: 60,
    DeviceCode: seconds('DEVICE_CODE_TTL', 120),
    Grant: 3600,
    IdToken: 300,
    Interaction: 600,
    RefreshToken: 3600,
    Session: 3600,
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  renderError: (ctx, out, error) => {
    ctx.type = 'html';
    ctx.body = page('Something went wrong', `<p id="error">${escape(out.error)}: ${escape(out.error_description ?? error.message)}</p>`);
  },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: '',
        audience: RESOURCE,
        accessTokenTTL: seconds('ACCESS_TOKEN_TTL', 300),
        accessTokenFormat: 'jwt',
        jwt: { sign: { alg: 'RS256' } },
      }),
    },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form, _out, error) => {
        ctx.body = page('Enter the code', `${error ? '<p id="error">not this code</p>' : ''}${form}
          <button type="submit" form="op.deviceInputForm">Continue</button>`);
      },
      userCodeConfirmSource: (ctx, form, _client, _info, code) => {
        ctx.body = page('Confirm the device', `<p>${escape(code)}</p>${form}
          <button type="submit" form="op.deviceConfirmForm">Continue</button>
          <button type="submit" form="op.deviceConfirmForm" name="abort" value="yes">No</button>`);
      },
      successSource: (ctx) => {
        ctx.body = page('Device signed in', '<p id="done">You may close this window.</p>');
      },
    },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = page('Sign out?', `${form}<button type="submit" form="op.logoutForm" name="logout" value="yes">Yes</button>`);
      },
      postLogoutSuccessSource: (ctx) => {
        ctx.body = page('Signed out', '<p id="done">Signed out.</p>');
      },
    },
  },
});

for (const event of ['authorization.error', 'grant.error', 'revocation.error', 'server_error']) {
  provider.on(event, (ctx, error) => {
    ctx.state.error = error.error ?? error.message;
    if (event === 'server_error') console.error(error);
  });
}
provider.on('refresh_token.saved', (token) => journal.refresh_tokens.push(token.jti));

provider.use(async (ctx, next) => {
  if (ctx.path === '/journal') {
    ctx.body = journal;
    return;
  }
  const [, room, uid] = ctx.path.split('/');
  if (room === 'interaction' && uid) {
    await interaction(ctx);
    return;
  }
  await next();
  journal.requests.push({
    method: ctx.method,
    route: ctx.oidc?.route ?? ctx.path,
    grant_type: ctx.oidc?.params?.grant_type,
    scope: ctx.oidc?.params?.scope,
    pkce: ctx.oidc?.params?.code_challenge_method,
    status: ctx.status,
    error: ctx.state.error,
  });
});

async function interaction(ctx) {
  const { prompt, params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  ctx.type = 'html';
  if (ctx.method === 'GET') {
    ctx.body =
      prompt.name === 'login'
        ? page('Sign in', `<form method="post"><label>Name <input name="login" autocomplete="off" autofocus></label>
            <button type="submit">Sign in</button> <button type="submit" name="deny" value="yes">Cancel</button></form>`)
        : page('Allow', `<p>${escape(params.client_id)} asks for ${escape(params.scope)}.</p>
            <form method="post"><button type="submit">Allow</button> <button type="submit" name="deny" value="yes">Deny</button></form>`);
    return;
  }
  const form = await body(ctx.req);
  let result;
  if (form.get('deny')) {
    result = { error: 'access_denied', error_description: 'the person said no' };
  } else if (prompt.name === 'login') {
    result = { login: { accountId: form.get('login') || 'ada@example.com' } };
  } else {
    const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope ?? 'openid');
    for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, params.scope ?? 'openid');
    result = { consent: { grantId: await grant.save() } };
  }
  ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result, { mergeWithLastSubmission: !form.get('deny') }));
}

server.on('request', provider.callback());
console.log(JSON.stringify({ issuer, client_id: CLIENT_ID, resource: RESOURCE, programs }));

process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
