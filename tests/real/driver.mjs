// What a person's program does with the `mongodb` npm driver: sign in, and work for a while.
//
//   node driver.mjs URI ROUNDS PAUSE_MS
//
// Each round pings, inserts a document and finds it again. The token comes from the URI's ENVIRONMENT, or, if
// TOKEN_COMMAND is set (a JSON array), from a callback that runs that command and takes its output; TOKEN_CALLBACK may
// name the property that it is set as. Prints one JSON line {"user": …, "roles": […], "rounds": …, "count": …,
// "callbacks": …, "idp_info": …}, or {"error": CODE, "message": …} with exit status 1.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const [uri, rounds, pause] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const { MongoClient, MongoServerError } = (await import('../../.tests/peers/node_modules/mongodb/lib/index.js')).default;

let callbacks = 0;
let idpInfo = null;
async function command(context) {
  callbacks += 1;
  idpInfo = context.idpInfo ?? null;
  const [program, ...args] = JSON.parse(process.env.TOKEN_COMMAND);
  const { stdout } = await promisify(execFile)(program, args);
  return { accessToken: stdout };
}

async function work(client) {
  // First of all: the server has nobody to name once a token has expired, and does not ask for another one here.
  const { authInfo } = await client.db('admin').command({ connectionStatus: 1 });
  const people = client.db('shop').collection('people');
  for (let number = 0; number < rounds; number++) {
    await client.db('admin').command({ ping: 1 });
    await people.insertOne({ number });
    assert.equal((await people.findOne({ number })).number, number);
    await sleep(pause);
  }
  return {
    user: authInfo.authenticatedUsers[0].user,
    roles: authInfo.authenticatedUserRoles.map(({ role }) => role),
    rounds,
    count: await people.countDocuments({}),
    callbacks,
    idp_info: idpInfo,
  };
}

const options = {};
if (process.env.TOKEN_COMMAND) {
  options.authMechanismProperties = { [process.env.TOKEN_CALLBACK ?? 'OIDC_CALLBACK']: command };
}
const client = new MongoClient(uri, { serverSelectionTimeoutMS: 10_000, ...options });
try {
  console.log(JSON.stringify(await work(client)));
} catch (error) {
  if (!(error instanceof MongoServerError)) throw error;
  console.log(JSON.stringify({ error: error.code, message: error.message }));
  process.exitCode = 1;
} finally {
  await client.close();
}
