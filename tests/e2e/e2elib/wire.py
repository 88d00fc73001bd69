"""Sockets inside other network namespaces, and ears on their interfaces."""
import ctypes
import os
import select
import socket
import struct
import threading

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
_libc = ctypes.CDLL(None, use_errno=True)


def inside(netns, function):
    """function() as run in the namespace; what it opens stays there.

    A thread of its own enters, because the namespace belongs to the thread."""
    outcome = {}

    def work():
        try:
            fd = os.open(f"/run/netns/{netns}", os.O_RDONLY)
            try:
                if _libc.setns(fd, CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), f"cannot enter {netns}")
            finally:
                os.close(fd)
            outcome["value"] = function()
        except BaseException as e:  # Handed to the caller below.
            outcome["error"] = e

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["value"]


def open_socket(netns, kind, protocol=0, family=socket.AF_INET):
    return inside(netns, lambda: socket.socket(family, kind, protocol))


class Connection:
    """A TCP connection to a labpod listener, which greets and echoes."""

    def __init__(self, netns, ip, port, timeout=5):
        family = socket.AF_INET6 if ":" in ip else socket.AF_INET
        self.sock = open_socket(netns, socket.SOCK_STREAM, family=family)
        self.sock.settimeout(timeout)
        self.sock.connect((ip, port))
        self.greeting = self._read_line()

    def echo(self, text, timeout=5):
        """True if the line comes back in time."""
        self.sock.settimeout(timeout)
        try:
            self.sock.sendall(f"{text}\n".encode())
            return self._read_line() == text
        except OSError:
            return False

    def _read_line(self):
        data = b""
        while not data.endswith(b"\n"):
            part = self.sock.recv(4096)
            if not part:
                break
            data += part
        return data.decode().rstrip("\n")

    def close(self):
        self.sock.close()


class Frame:
    """An Ethernet frame with what the tests ask about."""

    def __init__(self, data, outgoing):
        self.data, self.outgoing, self.length = data, outgoing, len(data)
        self.ethertype = struct.unpack_from("!H", data, 12)[0]
        self.src_mac = data[6:12].hex(":")
        self.src = self.dst = self.protocol = self.sport = self.dport = None
        if self.ethertype == 0x0800 and len(data) >= 34:
            self.protocol = data[23]
            self.src, self.dst = (socket.inet_ntoa(data[i:i + 4]) for i in (26, 30))
            self._read_ports(14 + (data[14] & 15) * 4)
        elif self.ethertype == 0x86dd and len(data) >= 54:  # Without extension headers.
            self.protocol = data[20]
            self.src, self.dst = (socket.inet_ntop(socket.AF_INET6, data[i:i + 16])
                                  for i in (22, 38))
            self._read_ports(54)

    def _read_ports(self, start):
        if self.protocol in (6, 17) and len(self.data) >= start + 4:
            self.sport, self.dport = struct.unpack_from("!HH", self.data, start)


class Ear:
    """Hears every frame of one interface from start to stop.

    with Ear(netns, "eth0") as ear: ...
    ear.frames  # after the block"""

    def __init__(self, netns, interface):
        self.sock = open_socket(netns, socket.SOCK_RAW, socket.htons(ETH_P_ALL), socket.AF_PACKET)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.sock.bind((interface, ETH_P_ALL))
        self.frames = []
        self.stopping = False
        self.thread = threading.Thread(target=self._listen)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.thread.join()
        self.sock.close()

    def _listen(self):
        # Whatever is in the socket when the end is called still counts.
        while True:
            last_round = self.stopping
            while select.select([self.sock], [], [], 0.05)[0]:
                data, address = self.sock.recvfrom(65536)
                self.frames.append(Frame(data, address[2] == socket.PACKET_OUTGOING))
            if last_round:
                return

    def heard(self, **wanted):
        """The frames so far whose fields equal those given."""
        return [f for f in list(self.frames)
                if all(getattr(f, k) == v for k, v in wanted.items())]


def send_frames(netns, frames, interface="eth0"):
    """Raw frames (bytes) out of an interface, as they are."""
    sock = open_socket(netns, socket.SOCK_RAW, 0, socket.AF_PACKET)
    try:
        sock.bind((interface, 0))
        for frame in frames:
            sock.send(frame)
    finally:
        sock.close()
