// A real Socket.IO 4 server for the tests: it accepts `mining_reward`, acknowledges it, relays it to the room that the event
// names, and prints each fact as one line of JSON on standard output, where the test reads it.
//
//   node server.mjs [--port N] [--mode ack|noack] [--namespace /NAME] [--recovery] [--ping-interval-ms N] [--ping-timeout-ms N]
//
//   --port             0 (default): a free one, on 127.0.0.1
//   --mode             noack: events are received and never acknowledged
//   --namespace        the namespace that clients come into; the default is /
//   --recovery         with connection state recovery
//   INTEROP_AUTH_TOKEN in the environment: a client must bring it as `auth.token`, else it is refused
//   POOL_POLLER_TEST_NODE_MODULES      where the `socket.io` package is installed
//
// The facts:
//   {"listening":PORT}                                                the server takes connections
//   {"connected":ID}  {"refused":REASON}  {"disconnected":REASON}     a client's connection to the namespace /
//   {"event":NAME,"payload_text":TEXT,"wire_text":TEXT,"has_callback":BOOL}
//            a `mining_reward`: the payload as this server's JSON writes it again, and the packet as it came over the wire
//   {"joined":ROOM}  {"relayed":ROOM,"members":N}                     players' rooms: a client asks to `join` player_<id>
//
// It ends when its standard input ends or at SIGTERM, so it never outlives the test that started it.

import { createRequire } from 'node:module';
import http from 'node:http';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';

const modules = process.env.POOL_POLLER_TEST_NODE_MODULES;
if (!modules) {
  console.error('set POOL_POLLER_TEST_NODE_MODULES, or use tests/run');
  process.exit(2);
}
// Dependencies are installed outside of the source tree, where `import` would not look.
const { Server } = createRequire(path.join(path.dirname(modules), 'interop.cjs'))('socket.io');

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '0' },
    mode: { type: 'string', default: 'ack' },
    namespace: { type: 'string', default: '/' },
    recovery: { type: 'boolean', default: false },
    'ping-interval-ms': { type: 'string', default: '25000' },
    'ping-timeout-ms': { type: 'string', default: '20000' },
  },
});
if (!['ack', 'noack'].includes(options.mode)) {
  console.error(`--mode ${options.mode}: ack or noack`);
  process.exit(2);
}
const token = process.env.INTEROP_AUTH_TOKEN ?? '';
const tell = (fact) => process.stdout.write(`${JSON.stringify(fact)}\n`);

const server = http.createServer();
const everything = new Server(server, {
  ...(options.recovery ? { connectionStateRecovery: { maxDisconnectionDuration: 120_000, skipMiddlewares: true } } : {}),
  pingInterval: Number(options['ping-interval-ms']),
  pingTimeout: Number(options['ping-timeout-ms']),
});
const io = everything.of(options.namespace);

io.use((socket, next) => {
  if (token !== '' && socket.handshake.auth?.token !== token) {
    tell({ refused: 'unauthorized' });
    next(new Error('unauthorized'));
  } else {
    next();
  }
});

io.on('connection', (socket) => {
  tell({ connected: socket.id });
  let wireText = '';
  socket.conn.on('packet', ({ type, data }) => {
    if (type === 'message') wireText = String(data);
  });
  socket.on('join', (room) => {
    if (!/^player_\d+$/.test(room)) return;
    socket.join(room);
    tell({ joined: room });
  });
  socket.on('mining_reward', (payload, callback) => {
    const hasCallback = typeof callback === 'function';
    tell({
      event: 'mining_reward',
      payload_text: JSON.stringify(payload),
      wire_text: wireText,
      has_callback: hasCallback,
    });
    const room = payload?.room;
    if (typeof room === 'string') {
      tell({ relayed: room, members: io.adapter.rooms.get(room)?.size ?? 0 });
      io.to(room).emit('mining_reward', payload);
    }
    if (options.mode === 'ack' && hasCallback) callback({ ok: true });
  });
  socket.on('disconnect', (reason) => tell({ disconnected: reason }));
});

server.on('error', (error) => {
  console.error(`interop server: ${error.message}`);
  process.exit(1);
});
server.listen(Number(options.port), '127.0.0.1', () => tell({ listening: server.address().port }));

const stop = () => {
  everything.disconnectSockets(true);
  process.exit(0);
};
process.on('SIGTERM', stop);
process.stdin.on('end', stop).on('error', stop).resume();
