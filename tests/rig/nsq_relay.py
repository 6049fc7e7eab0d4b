# SPDX-License-Identifier: Apache-2.0
"""nsq_relay - stands before a real nsqd and can spoil what is published.

A consumer's bytes pass as they are. A connection on which PUB comes is treated
as `publishing` says at that moment:

    pass    it passes
    cut     it is closed before nsqd has the PUB
    hide    nsqd has the PUB, the answer is kept back and the connection closed
    refuse  nsqd does not get it; the answer is the error of a bad topic
"""
import socket
import struct
import threading

REFUSAL = b'E_BAD_TOPIC PUB topic name is not valid'


class NsqRelay:
    def __init__(self, nsqd):
        self.publishing = 'pass'
        self.publisher_count = 0  # connections on which PUB came
        self._nsqd_port = nsqd.tcp_port
        self._open = []
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.tcp_address = f'127.0.0.1:{self._listener.getsockname()[1]}'
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # it was closed
            try:
                nsqd = socket.create_connection(('127.0.0.1', self._nsqd_port))
            except OSError:
                client.close()
                continue
            link = _Link(self, client, nsqd)
            self._open.append(link)
            link.start()

    def cut_consumers(self):
        """Close every connection that does not publish."""
        for link in self._open:
            if not link.publishes:
                link.close()

    def end(self):
        # A blocked accept() does not notice a close() alone.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for link in self._open:
            link.close()


class _Link:
    def __init__(self, relay, client, nsqd):
        self._relay, self._client, self._nsqd = relay, client, nsqd
        self.publishes = False
        self._hides = False

    def start(self):
        for one in (self._up, self._down):
            threading.Thread(target=one, daemon=True).start()

    def close(self):
        for one in (self._client, self._nsqd):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already

    def _up(self):
        """A PUB is the first command behind the handshake, in a piece."""
        try:
            while piece := self._client.recv(1 << 20):
                if not self.publishes and b'PUB ' in piece[:4096]:
                    self.publishes = True
                    self._relay.publisher_count += 1
                    if not self._spoil():
                        break
                self._nsqd.sendall(piece)
        except OSError:
            pass
        self.close()

    def _spoil(self):
        """False if the connection is over."""
        way = self._relay.publishing
        self._hides = way == 'hide'
        if way == 'refuse':
            self._client.sendall(struct.pack('>II', 4 + len(REFUSAL), 1) +
                                 REFUSAL)
        return way in ('pass', 'hide')

    def _down(self):
        try:
            while piece := self._nsqd.recv(1 << 20):
                if self._hides:
                    break
                self._client.sendall(piece)
        except OSError:
            pass
        self.close()
