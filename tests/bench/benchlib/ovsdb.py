"""Transactions in an OVSDB database, over one open connection."""
import json
import socket

from benchlib.context import BenchError


class Ovsdb:
    def __init__(self, path, database):
        self.database = database
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(path)
        self.decoder = json.JSONDecoder()
        self.text = ""
        self.id = 0

    def close(self):
        self.sock.close()

    def transact(self, operations):
        """The results; an operation that fails is a BenchError."""
        self.id += 1
        self._send({"method": "transact", "params": [self.database, *operations],
                    "id": self.id})
        while True:
            message = self._receive()
            if message.get("method") == "echo":
                self._send({"id": message["id"], "result": message["params"], "error": None})
            elif message.get("id") == self.id:
                break
        errors = [r for r in message["result"] or [] if r and "error" in r]
        if message["error"] or errors:
            raise BenchError(f"OVSDB: {message['error'] or errors[0]}")
        return message["result"]

    def _send(self, message):
        self.sock.sendall(json.dumps(message, separators=(",", ":")).encode())

    def _receive(self):
        while True:
            try:
                message, end = self.decoder.raw_decode(self.text)
                self.text = self.text[end:].lstrip()
                return message
            except ValueError:
                more = self.sock.recv(1 << 20)
                if not more:
                    raise BenchError("the OVSDB server closed the connection") from None
                self.text += more.decode()
