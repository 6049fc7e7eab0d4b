# SPDX-License-Identifier: Apache-2.0
"""nsq_witness - stands between a consumer and a real nsqd and takes notes.

nsqd keeps no history, so a relay reads what passes: each message that is
delivered and each FIN become a line of history, in the form of the NSQ
simulator. What is delivered is noted before it is passed on and a FIN when it
arrives, so the notes never make a FIN look earlier than it was. The relay can
cut connections, in the middle of a frame too, and fall silent.

Nothing may be compressed or encrypted on these connections.
"""
import selectors
import socket
import struct
import threading
import time

from checker.message import Altered, Foreign, read

PIECE = 65536
MESSAGE = 2  # frame type
RESET = struct.pack('ii', 1, 0)  # SO_LINGER: close with RST
CARRIES_BODY = (b'IDENTIFY', b'AUTH', b'PUB', b'MPUB', b'DPUB')


class _Link:
    """One consumer's connection and its connection to nsqd."""

    def __init__(self, number, consumer, nsqd):
        self.number = number
        self.consumer, self.nsqd = consumer, nsqd
        self.down = b''  # of a frame that is not whole yet
        self.up = b''  # of a command that is not whole yet
        self.skip = len(b'  V2')  # of what is no command: magic, bodies
        self.silent_until = 0.0
        self.cuts_frame = False


class NsqWitness:
    def __init__(self, nsqd_port, history, index):
        """history: a Writer; index: how it names this nsqd."""
        self._port, self._history, self._index = nsqd_port, history, index
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.tcp_address = f'127.0.0.1:{self._listener.getsockname()[1]}'
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._links, self._count = {}, 0  # socket: link
        self._names = {}  # message id: (key, number in key)
        self._wishes = []  # what other threads want done
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    # --- asked for by other threads

    def cut(self, in_frame=False):
        """Close every connection; or the next time a frame passes."""
        self._wishes.append(('cut', in_frame))

    def fall_silent(self, seconds):
        """Pass nothing on for a while, in no direction."""
        self._wishes.append(('silence', time.monotonic() + seconds))

    def end(self):
        self._stopping = True
        self._thread.join()

    # --- the thread

    def _run(self):
        while not self._stopping:
            for key, _ in self._selector.select(0.02):
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj in self._links:
                    self._pass_on(key.fileobj)
            while self._wishes:
                self._grant(*self._wishes.pop(0))
            self._end_silences()
        for link in self._all_links():
            self._close(link)
        self._listener.close()

    def _all_links(self):
        return list({id(link): link for link in self._links.values()}.values())

    def _accept(self):
        consumer, _ = self._listener.accept()
        try:
            nsqd = socket.create_connection(('127.0.0.1', self._port))
        except OSError:
            consumer.close()
            return
        self._count += 1
        link = _Link(self._count, consumer, nsqd)
        for one in (consumer, nsqd):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._links[one] = link
            self._selector.register(one, selectors.EVENT_READ)

    def _close(self, link):
        for one in (link.consumer, link.nsqd):
            if self._links.pop(one, None):
                if one in self._selector.get_map():
                    self._selector.unregister(one)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.close()

    def _grant(self, wish, value):
        for link in self._all_links():
            if wish == 'cut' and not value:
                self._close(link)
            elif wish == 'cut':
                link.cuts_frame = True
            elif link.silent_until == 0:
                link.silent_until = value
                self._selector.unregister(link.consumer)
                self._selector.unregister(link.nsqd)

    def _end_silences(self):
        for link in self._all_links():
            if 0 < link.silent_until <= time.monotonic():
                link.silent_until = 0.0
                self._selector.register(link.consumer, selectors.EVENT_READ)
                self._selector.register(link.nsqd, selectors.EVENT_READ)

    def _pass_on(self, come):
        link = self._links[come]
        to = link.nsqd if come is link.consumer else link.consumer
        try:
            piece = come.recv(PIECE)
            if not piece:
                self._close(link)
                return
            if come is link.consumer:
                self._read_commands(link, piece)
            else:
                self._read_frames(link, piece)
                if link.cuts_frame:
                    piece = piece[:len(piece) // 2 + 1]
            to.sendall(piece)
        except OSError:
            self._close(link)
            return
        if link.cuts_frame and come is link.nsqd:
            self._close(link)

    def _read_frames(self, link, piece):
        data, place = link.down + piece, 0
        while len(data) - place >= 8:
            size, kind = struct.unpack_from('>II', data, place)
            end = place + 4 + size
            if len(data) < end:
                break
            if kind == MESSAGE:
                self._note_delivery(link, data[place + 16:place + 18],
                                    data[place + 18:place + 34],
                                    data[place + 34:end])
            place = end
        link.down = data[place:]

    def _note(self, link, what, identifier, key, sequence, **more):
        self._history.write('nsqd', what, nsqd=self._index,
                            connection=link.number, id=identifier.decode(),
                            key=key, seq=sequence, **more)

    def _note_delivery(self, link, attempts, identifier, body):
        try:
            _, key, sequence = read(body)
        except (Foreign, Altered):
            return  # of no publisher of ours
        self._names[identifier] = key, sequence
        self._note(link, 'deliver', identifier, key, sequence,
                   attempts=int.from_bytes(attempts, 'big'))

    def _read_commands(self, link, piece):
        data, place = link.up + piece, 0
        while True:
            step = min(link.skip, len(data) - place)
            place, link.skip = place + step, link.skip - step
            end = data.find(b'\n', place)
            if link.skip or end < 0:
                break
            line = data[place:end]
            if line.startswith(CARRIES_BODY):
                if len(data) < end + 5:
                    break
                link.skip = 4 + int.from_bytes(data[end + 1:end + 5], 'big')
            elif line.startswith(b'FIN '):
                name = self._names.get(line[4:20])
                if name:
                    self._note(link, 'fin', line[4:20], *name)
            place = end + 1
        link.up = data[place:]
