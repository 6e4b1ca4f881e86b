"""gearmand, by its binary protocol: background jobs, and foreground ones for calls."""

import struct

import wire

CAN_DO, SUBMIT, CREATED, GRAB, NO_JOB, ASSIGN, COMPLETE, SUBMIT_BG = 1, 7, 8, 9, 10, 11, 13, 18
PRE_SLEEP = 4


def packet(kind, *parts):
    body = b"\0".join(parts)
    return struct.pack(">4sII", b"\0REQ", kind, len(body)) + body


class Gearman:
    program = "gearmand"

    def __init__(self, folder, durable):
        argv = [wire.installed(self.program), "-L", "127.0.0.1", "-p", "{port}", "-l", "{folder}/gearmand.log", "-P", "{folder}/pid"]
        argv += ["-q", "libsqlite3", "--libsqlite3-db", "{folder}/queue.db"] if durable else []
        self.name = "gearmand, SQLite" if durable else "gearmand, memory"
        self.durable = "background jobs, as its SQLite module commits them" if durable else "nothing"
        self.server = wire.Server(folder, argv)

    def link(self):
        return wire.Link(self.server.port)

    def submit(self, _link=None, body=wire.BODY):
        return packet(SUBMIT_BG, b"work", b"", body)

    def accepted(self, link):
        count, at, data = 0, 0, link.buffer
        while len(data) - at >= 12:
            _, kind, size = struct.unpack_from(">4sII", data, at)
            if len(data) - at < 12 + size:
                break
            assert kind == CREATED, kind
            count, at = count + 1, at + 12 + size
        del data[:at]
        return count

    def heard(self, link):
        _, kind, size = struct.unpack(">4sII", link.take(12))
        return kind, link.take(size)

    def drain(self, count):
        link = self.link()
        link.send(packet(CAN_DO, b"work"))
        while count:
            some = min(256, count)
            link.send(packet(GRAB) * some)
            for _ in range(some):
                kind, body = self.heard(link)
                assert kind == ASSIGN, kind
                link.send(packet(COMPLETE, body.split(b"\0", 1)[0], b""))
            count -= some

    def serve(self):
        link = self.link()
        link.send(packet(CAN_DO, b"work"))
        while True:
            link.send(packet(GRAB))
            kind, body = self.heard(link)
            if kind == ASSIGN:
                handle, _, payload = body.split(b"\0", 2)
                link.send(packet(COMPLETE, handle, payload))
            elif kind == NO_JOB:
                link.send(packet(PRE_SLEEP))
                self.heard(link)

    def caller(self):
        link = self.link()

        def call():
            link.send(packet(SUBMIT, b"work", b"", wire.BODY))
            while self.heard(link)[0] != COMPLETE:
                pass

        return call
