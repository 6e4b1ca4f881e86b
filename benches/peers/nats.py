"""NATS JetStream, by its text protocol: a stream in files, a durable pull consumer, and request and reply for calls."""

import json

import wire


class Nats:
    program = "nats-server"

    def __init__(self, folder, durable):
        argv = [wire.installed(self.program), "-a", "127.0.0.1", "-p", "{port}"]
        argv += ["-js", "-sd", "{folder}"]
        self.stored = durable
        self.name = "NATS JetStream, file" if durable else "NATS JetStream, memory"
        self.durable = "in the page cache, synced every 2 min" if durable else "nothing"
        self.server = wire.Server(folder, argv)
        link = self.link()
        stream = {"name": "S", "subjects": ["work"], "retention": "workqueue", "storage": "file" if durable else "memory"}
        self.ask(link, "STREAM.CREATE.S", stream)
        consumer = {"durable_name": "C", "ack_policy": "explicit", "max_ack_pending": 100_000}
        self.ask(link, "CONSUMER.DURABLE.CREATE.S.C", {"stream_name": "S", "config": consumer})

    def link(self):
        link = wire.Link(self.server.port)
        link.line()
        link.send(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB back.%d 1\r\nPING\r\n' % id(link))
        while link.line() != b"PONG":
            pass
        link.back = b"back.%d" % id(link)
        return link

    def ask(self, link, verb, value):
        body = json.dumps(value).encode()
        link.send(b"PUB $JS.API.%s %s %d\r\n%s\r\n" % (verb.encode(), link.back, len(body), body))
        answer = json.loads(self.heard(link)[2])
        assert "error" not in answer, answer

    def heard(self, link):
        """Subject, reply subject if any, and body of the next message."""
        while True:
            words = link.line().split(b" ")
            if words[0] == b"MSG":
                return words[1], words[3] if len(words) == 5 else None, link.take(int(words[-1]) + 2)[:-2]
            if words[0] == b"PING":
                link.send(b"PONG\r\n")

    def submit(self, link):
        return b"PUB work %s %d\r\n%s\r\n" % (link.back, len(wire.BODY), wire.BODY)

    def accepted(self, link):
        end = link.buffer.rfind(b"}\r\n") + 3
        if end < 3:
            return 0
        assert b'"error"' not in link.buffer
        count = link.buffer.count(b"MSG ", 0, end)
        del link.buffer[:end]
        return count

    def drain(self, count):
        link = self.link()
        while count:
            some = min(1000, count)
            body = b'{"batch":%d}' % some
            link.send(b"PUB $JS.API.CONSUMER.MSG.NEXT.S.C %s %d\r\n%s\r\n" % (link.back, len(body), body))
            replies = [self.heard(link)[1] for _ in range(some)]
            link.send(b"".join(b"PUB %s 4\r\n+ACK\r\n" % reply for reply in replies))
            count -= some
        link.send(b"PING\r\n")
        while link.line() != b"PONG":
            pass

    def serve(self):
        link = self.link()
        link.send(b"SUB call 2\r\n")
        while True:
            _, reply, body = self.heard(link)
            link.send(b"PUB %s %d\r\n%s\r\n" % (reply, len(body), body))

    def caller(self):
        link = self.link()

        def call():
            link.send(b"PUB call %s %d\r\n%s\r\n" % (link.back, len(wire.BODY), wire.BODY))
            self.heard(link)

        # What nobody listens to is lost: the worker may not be there yet.
        link.socket.settimeout(0.2)
        for _ in range(50):
            try:
                call()
                break
            except TimeoutError:
                pass
        link.socket.settimeout(5)
        return call
