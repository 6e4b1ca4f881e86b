"""What the peers' clients share: closed loops and pipelines over plain sockets, and servers of one's own."""

import os, selectors, shutil, socket, subprocess, sys, tempfile, time

BODY = b"x" * 100
WINDOW = 4096  # requests on their way in a pipeline
LONGEST = 10.0  # seconds of a measurement: who is slow is given fewer tasks


class Link:
    """A socket, and what came in that nobody has read yet."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        data = self.socket.recv(1 << 20)
        if not data:
            raise EOFError("the server closed the link")
        self.buffer += data

    def line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            self.more()
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        return line

    def take(self, size):
        while len(self.buffer) < size:
            self.more()
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data


def singles(peer, clients, count):
    """So many links, each with one submit on its way: how many there were, and how many a second."""
    links = [peer.link() for _ in range(clients)]
    picker, done, asked = selectors.DefaultSelector(), 0, 0
    for link in links:
        picker.register(link.socket, selectors.EVENT_READ, link)
    begun = time.perf_counter()
    for link in links[:count]:
        link.send(peer.submit(link))
        asked += 1
    while done < asked:
        for key, _ in picker.select():
            link = key.data
            link.more()
            for _ in range(peer.accepted(link)):
                done += 1
                if asked < count and time.perf_counter() - begun < LONGEST:
                    link.send(peer.submit(link))
                    asked += 1
    return done, done / (time.perf_counter() - begun)


def bulk(peer, count):
    """One link, many submits on their way, more while that is quick: how many there were, and how many a second."""
    link, done, some = peer.link(), 0, 256
    begun = time.perf_counter()
    while done < count and time.perf_counter() - begun < LONGEST:
        some, before = min(some, count - done), time.perf_counter()
        link.send(peer.submit(link) * some)
        open_ = some
        while open_:
            link.more()
            open_ -= peer.accepted(link)
        done += some
        some = WINDOW if time.perf_counter() - before < 1 else some
    return done, done / (time.perf_counter() - begun)


def calls(peer, count):
    """One caller, one at a time, a worker in a process of its own: (p50, p99) in milliseconds."""
    worker = os.fork()
    if worker == 0:
        try:
            peer.serve()
        finally:
            os._exit(0)
    try:
        call, times = peer.caller(), []
        for n in range(count + 20):
            begun = time.perf_counter()
            call()
            if n >= 20:  # the first ones meet a worker that is not there yet
                times.append((time.perf_counter() - begun) * 1000)
            time.sleep(0.01)
    finally:
        os.kill(worker, 9)
        os.waitpid(worker, 0)
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


class Server:
    """A program that listens on a port of its own, in a folder of its own; gone at the end."""

    def __init__(self, folder, argv):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = tempfile.mkdtemp(prefix="peer-", dir=folder)
        said = [part.format(port=self.port, folder=self.folder) for part in argv]
        log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(said, stdout=log, stderr=log)
        for _ in range(100):
            try:
                return socket.create_connection(("127.0.0.1", self.port)).close()
            except OSError:
                time.sleep(0.1)
        self.stop()
        raise OSError(f"{said[0]} does not listen")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def fsync(folder, count=300):
    """Milliseconds for 4 KiB appended and on disk: the yardstick."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        begun = time.perf_counter()
        for _ in range(count):
            os.write(file.fileno(), b"\0" * 4096)
            os.fdatasync(file.fileno())
        return (time.perf_counter() - begun) * 1000 / count


def installed(program):
    return shutil.which(program) or next((p for p in (f"/usr/sbin/{program}",) if os.path.exists(p)), None)


def say(*words):
    print(*words, file=sys.stderr, flush=True)
