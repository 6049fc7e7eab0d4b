/* SPDX-License-Identifier: Apache-2.0 */
'use strict';

/*
 * sheltered_server - keep a server on 127.0.0.1, and alive.
 *
 * Loaded with `node --require`. Two things of the Kinesis emulators do not fit
 * a test:
 *
 * - They listen on all addresses and have no option for it.
 * - kinesis-local 0.6.2 stops listening for good when a client resets its
 *   connection, as the kernel does for a killed worker.
 *
 * So a relay of ours listens on loopback in the server's place and the server
 * behind it on some free port. The relay shows the server an orderly end
 * however the client went, and takes what the server still has to say.
 */

const net = require('net');
const listen = net.Server.prototype.listen;

function relayTo(server) {
    return net.createServer({ allowHalfOpen: true }, (client) => {
        const inner = net.connect({
            port: server.address().port,
            host: '127.0.0.1',
            allowHalfOpen: true,
        });

        client.setNoDelay(true);
        inner.setNoDelay(true);
        client.on('data', (bytes) => inner.write(bytes));
        client.on('error', () => {});
        client.on('end', () => inner.end());
        client.on('close', () => inner.end());
        inner.on('data', (bytes) => client.writable && client.write(bytes));
        inner.on('error', () => client.destroy());
        inner.on('end', () => client.end());
    });
}

net.Server.prototype.listen = function (...given) {
    const first = given[0];
    const callback = given.findLast((one) => typeof one === 'function');
    const port = Number(typeof first === 'object' && first ? first.port : first);

    if (callback)
        this.once('listening', callback);
    return listen.call(this, { port: 0, host: '127.0.0.1' }, () =>
        listen.call(relayTo(this), { port, host: '127.0.0.1' }));
};
