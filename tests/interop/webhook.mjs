// A game's webhook for the tests: it verifies each request with verify.mjs, which is the README's and lies beside it, and prints
// what it was told as a line of JSON.
//
//   node webhook.mjs
//
//   SECRET      what requests are signed with
//   STATUSES    what the first requests are answered, as in 500,429; then 204
//
// The facts: {"listening":PORT}  {"reward":{…},"id":ID,"status":N}  {"forged":WHY}

import http from 'node:http';
import process from 'node:process';
import { verified } from './verify.mjs';

const statuses = (process.env.STATUSES ?? '').split(',').filter(Boolean).map(Number);
const tell = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
    const signed = {
      payload: Buffer.concat(chunks).toString(),
      timestamp: request.headers['webhook-timestamp'],
      signature: request.headers['webhook-signature'],
    };
    const id = request.headers['webhook-id'];
    let status = 400;
    try {
      const reward = verified({ event_id: id, signed }, process.env.SECRET);
      status = statuses.shift() ?? 204;
      tell({ reward, id, status });
    } catch (error) {
      tell({ forged: error.message });
    }
    response.writeHead(status, status === 429 ? { 'retry-after': '1' } : {}).end();
  });
});
server.listen(0, '127.0.0.1', () => tell({ listening: server.address().port }));
process.stdin.on('end', () => process.exit(0)).resume();
