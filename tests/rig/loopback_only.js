/* SPDX-License-Identifier: Apache-2.0 */
'use strict';

/*
 * loopback_only - keep a server on 127.0.0.1 whatever address it asks for.
 *
 * Loaded with `node --require`. The Kinesis emulators listen on all addresses
 * and have no option for it; a test must not open a port to the network.
 */

const net = require('net');
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function (...given) {
    const callback = given.findLast((one) => typeof one === 'function');
    const first = given[0];
    const port = typeof first === 'object' && first ? first.port : first;

    return listen.call(this, { port: Number(port), host: '127.0.0.1' }, callback);
};
