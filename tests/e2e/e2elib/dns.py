"""A DNS server inside a pod, and a client that asks it."""
import socket
import struct
import threading

from .wire import inside

A, CNAME, AAAA = 1, 5, 28


def _name(name):
    return b"".join(bytes([len(p)]) + p.encode() for p in name.split(".")) + b"\0"


def _record(name, kind, ttl, data):
    return _name(name) + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


class Server:
    """Answers what 'zone' says: {name: (ttl, [address...])} or {name: (ttl, "alias")}.

    with Server(netns, zone): ..."""

    def __init__(self, netns, zone):
        self.zone = zone
        self.stopping = False
        self.sock = inside(netns, self._listen)
        self.thread = threading.Thread(target=self._serve)

    def _listen(self):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("", 53))
        sock.settimeout(0.1)
        return sock

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()
        self.sock.close()

    def _serve(self):
        while not self.stopping:
            try:
                query, client = self.sock.recvfrom(4096)
            except socket.timeout:
                continue
            self.sock.sendto(self._answer(query), client)

    def _answer(self, query):
        labels, pos = [], 12
        while query[pos]:
            labels.append(query[pos + 1:pos + 1 + query[pos]].decode())
            pos += 1 + query[pos]
        name, question = ".".join(labels), query[12:pos + 5]
        records = self._records(name.lower())
        return (query[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0) + question
                + b"".join(records))

    def _records(self, name):
        records = []
        while name in self.zone:
            ttl, what = self.zone[name]
            if not isinstance(what, str):
                return records + [_record(name, A, ttl, socket.inet_aton(a)) for a in what]
            records.append(_record(name, CNAME, ttl, _name(what)))
            name = what
        return records


def _ask(udp, name):
    """As a resolver does, which does not give up at once."""
    query = (struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + _name(name)
             + struct.pack("!HH", A, 1))
    udp.settimeout(1)
    for _ in range(3):
        try:
            udp.send(query)
            udp.recv(4096)
            return True
        except OSError:
            pass
    return False


def resolve_and_connect(netns, server, name, connect_to=None, timeout=0.6):
    """Asks 'server' for 'name'; with 'connect_to' (ip, port), connects there at once, with
    less patience than a second SYN takes.  (answered, connected)"""
    def work():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, \
                socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp:
            tcp.settimeout(timeout)
            udp.connect((server, 53))
            if not _ask(udp, name):
                return False, False
            if not connect_to:
                return True, False
            try:
                tcp.connect(connect_to)
            except OSError:
                return True, False
            return True, True
    return inside(netns, work)
