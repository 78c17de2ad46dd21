# Reads inputs (4 bytes of length, big-endian, then bytes) and says in a line for each what h11 finds in it.
import os
import sys

# This file has the name of what it wants.
sys.path = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
import h11  # noqa: E402


def read(data):
    found = []
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request, body = None, b""
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                return found + ["N"]
            if isinstance(event, h11.Request):
                fields = b"".join(name + b":" + value + b"\n" for name, value in event.headers)
                request = "%s %s %s %s" % (event.method.decode("latin1"), event.target.hex(),
                                           event.http_version.decode(), fields.hex() or "-")
                body = b""
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                found.append("%s %s" % (request, body.hex() or "-"))
                connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    return found + ["K"]
                connection.start_next_cycle()
            else:
                return found + ["K"]
    except h11.RemoteProtocolError:
        return found + ["E"]


def main():
    data = sys.stdin.buffer.read()
    at = 0
    while at < len(data):
        count = int.from_bytes(data[at:at + 4], "big")
        print("\t".join(read(data[at + 4:at + 4 + count])))
        at += 4 + count


main()
