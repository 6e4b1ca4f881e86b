"""beanstalkd, by its text protocol."""

import wire


class Beanstalk:
    program = "beanstalkd"

    def __init__(self, folder, durable):
        argv = [wire.installed(self.program), "-l", "127.0.0.1", "-p", "{port}"]
        argv += ["-b", "{folder}", "-f", "0"] if durable else []
        self.name = "beanstalkd -f 0" if durable else "beanstalkd, memory"
        self.durable = "each put, on disk before its reply" if durable else "nothing"
        self.server = wire.Server(folder, argv)

    def link(self, tube=b"work"):
        link = wire.Link(self.server.port)
        link.send(b"use %s\r\nwatch %s\r\nignore default\r\n" % (tube, tube))
        for _ in range(3):
            link.line()
        return link

    def submit(self, _link=None, body=wire.BODY):
        return b"put 1024 0 600 %d\r\n%s\r\n" % (len(body), body)

    def accepted(self, link):
        end = link.buffer.rfind(b"\r\n") + 2
        count = link.buffer.count(b"INSERTED", 0, end)
        del link.buffer[:end]
        return count

    def drain(self, count):
        link = self.link()
        while count:
            some = min(wire.WINDOW, count)
            link.send(b"reserve\r\n" * some)
            link.send(b"".join(b"delete %s\r\n" % self.reserved(link)[0] for _ in range(some)))
            for _ in range(some):
                assert link.line() == b"DELETED"
            count -= some

    def reserved(self, link):
        word, number, size = link.line().split(b" ")
        assert word == b"RESERVED"
        return number, link.take(int(size) + 2)[:-2]

    def serve(self):
        work, back = self.link(), self.link(b"back")
        while True:
            work.send(b"reserve\r\n")
            number, body = self.reserved(work)
            back.send(self.submit(body=body))
            back.line()
            work.send(b"delete %s\r\n" % number)
            work.line()

    def caller(self):
        work, back = self.link(), self.link(b"back")

        def call():
            work.send(self.submit())
            work.line()
            back.send(b"reserve\r\n")
            number, _ = self.reserved(back)
            back.send(b"delete %s\r\n" % number)
            back.line()

        return call
