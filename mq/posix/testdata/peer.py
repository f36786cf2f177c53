# Does what peer.c does, through ctypes.
import ctypes
import os
import sys


class Attr(ctypes.Structure):
    _fields_ = [(n, ctypes.c_long) for n in ("flags", "maxmsg", "msgsize", "curmsgs")] + [("reserved", ctypes.c_long * 4)]


def load():
    for library in (None, "librt.so.1"):  # in the C library itself since glibc 2.34
        try:
            c = ctypes.CDLL(library, use_errno=True)
            c.mq_open
            return c
        except (OSError, AttributeError):
            pass
    sys.exit("no mq_open")


c = load()
c.mq_receive.restype = ctypes.c_ssize_t
c.mq_receive.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.POINTER(ctypes.c_uint)]
c.mq_send.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint]


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


q = check(c.mq_open(sys.argv[1].encode(), os.O_RDWR))
attr = Attr()
check(c.mq_getattr(q, ctypes.byref(attr)))
for line in sys.stdin:
    words = line.split()
    if words[0] == "send":
        body = bytes.fromhex(words[2] if len(words) > 2 else "")
        check(c.mq_send(q, body, len(body), int(words[1])))
        print("ok", flush=True)
    else:
        body = ctypes.create_string_buffer(attr.msgsize)
        priority = ctypes.c_uint()
        n = check(c.mq_receive(q, body, attr.msgsize, ctypes.byref(priority)))
        print(priority.value, body.raw[:n].hex(), flush=True)
