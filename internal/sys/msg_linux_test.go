package sys_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"ipcmq/internal/sys"
	"ipcmq/internal/testutil"
)

func newQueue(t *testing.T) int {
	t.Helper()
	id, errno := sys.Msgget(0, sys.IPC_CREAT|0o600)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { sys.MsgRemove(id) })
	return id
}

func TestKernelWritesNoMoreThanTheStruct(t *testing.T) {
	if sys.MsqidRoom < sys.Fills()[0].Size {
		t.Errorf("IPC_STAT writes %d bytes into %d", sys.Fills()[0].Size, sys.MsqidRoom)
	}
	sys.Ways(func(way string) {
		for _, fill := range sys.Fills() {
			t.Run(way+" "+fill.Name, func(t *testing.T) {
				id := newQueue(t)
				if fill.Name == "MSG_STAT_ANY" {
					testutil.NotEmulated(t, "the emulator does not know MSG_STAT_ANY")
					id &= 1<<15 - 1 // the index
				}
				written := 0
				for _, canary := range []byte{'#', '~'} { // whatever is written differs from one of them
					buf := bytes.Repeat([]byte{canary}, 4096)
					if errno := fill.Into(id, buf); errno != 0 {
						t.Fatal(errno)
					}
					written = max(written, len(bytes.TrimRight(buf, string([]byte{canary}))))
				}
				if written == 0 || written > fill.Size {
					t.Errorf("%d bytes were written into a struct of %d", written, fill.Size)
				}
			})
		}
	})
}

// message returns what Msgsnd takes and the number of bytes in it.
func message(typ int64, text string) ([]byte, int) {
	buf := make([]byte, sys.TypeSize+len(text))
	sys.PutType(buf, typ)
	copy(buf[sys.TypeSize:], text)
	return buf, len(text)
}

func TestEveryCallInEachWay(t *testing.T) {
	sys.Ways(func(way string) { t.Run(way, everyCall) })
}

// on64 are the architectures of 64 bits that are tested with an emulator.
var on64 = []string{"arm64", "loong64", "mips64", "mips64le", "ppc64", "ppc64le", "riscv64", "s390x"}

func everyCall(t *testing.T) {
	id := newQueue(t)

	for _, call := range []struct {
		name string
		send func(int, []byte, int, int) sys.Errno
	}{{"Msgsnd", sys.Msgsnd}, {"TryMsgsnd", sys.TryMsgsnd}} {
		for _, typ := range []int64{5, 3, sys.MaxType} {
			buf, n := message(typ, call.name)
			if errno := call.send(id, buf, n, 0); errno != 0 {
				t.Fatalf("%s: %v", call.name, errno)
			}
		}
	}
	if buf, n := message(1, ""); sys.Msgsnd(id, buf, n, 0) != 0 {
		t.Error("an empty message was refused")
	}
	if buf, n := message(0, "x"); sys.Msgsnd(id, buf, n, 0) != sys.EINVAL {
		t.Error("type 0 was sent")
	}

	ds, errno := sys.MsgStat(id)
	uid, gid, pid := uint32(os.Getuid()), uint32(os.Getgid()), int32(os.Getpid())
	if errno != 0 || ds.Key != 0 || ds.UID != uid || ds.GID != gid || ds.CUID != uid || ds.CGID != gid {
		t.Errorf("MsgStat: %+v, %v", ds, errno)
	}
	if ds.Qnum != 7 || ds.Cbytes != uint64(3*len("Msgsnd")+3*len("TryMsgsnd")) || ds.Qbytes == 0 {
		t.Errorf("MsgStat: %+v", ds)
	}
	t.Run("times", func(t *testing.T) {
		testutil.NotEmulated(t, "the emulator swaps the words of the times", "mips")
		if ds.Stime < ds.Ctime || ds.Ctime < 1<<30 || ds.Stime > 1<<33 || ds.Rtime != 0 {
			t.Errorf("MsgStat: times %d, %d, %d", ds.Stime, ds.Rtime, ds.Ctime)
		}
	})
	t.Run("process ids", func(t *testing.T) {
		testutil.NotEmulated(t, "the emulator makes them 64 bits each", on64...)
		if ds.Lspid != pid || ds.Lrpid != 0 {
			t.Errorf("MsgStat: %+v", ds)
		}
	})
	t.Run("MsgStatAny", func(t *testing.T) {
		testutil.NotEmulated(t, "the emulator does not know MSG_STAT_ANY")
		if found, any, errno := sys.MsgStatAny(id & (1<<15 - 1)); errno != 0 || found != id || any != ds {
			t.Errorf("MsgStatAny: id %d, %+v, %v; MsgStat: id %d, %+v", found, any, errno, id, ds)
		}
	})

	change := sys.Msqid{UID: ds.UID, GID: ds.GID, Mode: 0o640, Qbytes: ds.Qbytes - 1}
	if errno := sys.MsgSet(id, change); errno != 0 {
		t.Fatalf("MsgSet: %v", errno)
	}
	after, _ := sys.MsgStat(id)
	if after.Qbytes != ds.Qbytes-1 || after.UID != ds.UID || after.Qnum != ds.Qnum {
		t.Errorf("after MsgSet: %+v", after)
	}
	t.Run("mode", func(t *testing.T) {
		testutil.NotEmulated(t, "the emulator makes it 16 bits", "s390x")
		if ds.Mode != 0o600 || after.Mode != 0o640 {
			t.Errorf("mode %#o, and %#o after MsgSet", ds.Mode, after.Mode)
		}
	})

	for i, test := range []struct {
		name  string
		typ   int64
		flags int
		room  int
		want  int64 // type
		text  string
		errno sys.Errno
	}{
		{"no type", 0, 0, 9, 5, "Msgsnd", 0},
		{"too little room", 3, 0, 5, 0, "", sys.E2BIG},
		{"cut", 3, sys.MSG_NOERROR, 5, 3, "Msgsn", 0},
		{"largest type", sys.MaxType, 0, 9, sys.MaxType, "Msgsnd", 0},
		{"a copy of the first", 0, sys.MSG_COPY, 9, 5, "TryMsgsnd", 0},
		{"up to", -3, 0, 9, 1, "", 0},
		{"up to again", -4, 0, 9, 3, "TryMsgsnd", 0},
		{"except", 5, sys.MSG_EXCEPT, 9, sys.MaxType, "TryMsgsnd", 0},
		{"up to the largest", -sys.MaxType, 0, 9, 5, "TryMsgsnd", 0},
		{"nothing left", 0, 0, 9, 0, "", sys.ENOMSG},
		{"still nothing", 0, 0, 9, 0, "", sys.ENOMSG},
	} {
		// Both functions, in turn; with IPC_NOWAIT they must do the same.
		name, receive := "TryMsgrcv", sys.TryMsgrcv
		if i%2 == 1 {
			name, receive = "Msgrcv", sys.Msgrcv
		}
		buf := bytes.Repeat([]byte{'#'}, sys.TypeSize+64)
		n, errno := receive(id, buf, test.room, test.typ, test.flags|sys.IPC_NOWAIT)
		if errno != test.errno {
			t.Fatalf("%s, %s: %v", test.name, name, errno)
		}
		if errno != 0 {
			continue
		}
		if got := string(buf[sys.TypeSize : sys.TypeSize+n]); got != test.text || sys.GetType(buf) != test.want {
			t.Errorf("%s, %s: type %d, %q", test.name, name, sys.GetType(buf), got)
		}
		if rest := buf[sys.TypeSize+n:]; strings.Trim(string(rest), "#") != "" {
			t.Errorf("%s, %s: more than the message was written: %x", test.name, name, rest)
		}
	}
	buf, n := message(4, "again")
	if errno := sys.Msgsnd(id, buf, n, 0); errno != 0 {
		t.Fatal(errno)
	}
	clear(buf)
	if n, errno := sys.Msgrcv(id, buf, 5, 4, 0); errno != 0 || n != 5 || sys.GetType(buf) != 4 {
		t.Errorf("Msgrcv: %d, %v, type %d", n, errno, sys.GetType(buf))
	}
	after, _ = sys.MsgStat(id)
	if after.Qnum != 0 || after.Cbytes != 0 || after.Rtime < ds.Ctime {
		t.Errorf("after receiving: %+v", after)
	}
	t.Run("last receiver", func(t *testing.T) {
		testutil.NotEmulated(t, "the emulator makes process ids 64 bits each", on64...)
		if after.Lspid != pid || after.Lrpid != pid {
			t.Errorf("after receiving: %+v", after)
		}
	})

	limits, errno := sys.MsgLimits()
	if errno != 0 || limits.Max < 1 || limits.Mnb < 1 || limits.Mni < 1 {
		t.Errorf("MsgLimits: %+v, %v", limits, errno)
	}
	t.Run("usage", func(t *testing.T) {
		testutil.NeedNamespace(t) // where there is no other queue
		if index, used, errno := sys.MsgUsage(); errno != 0 || used.Pool < 1 || index < 0 || used.Map != 0 || used.Tql != 0 {
			t.Errorf("MsgUsage: %d, %+v, %v", index, used, errno)
		}
	})

	if errno := sys.MsgRemove(id); errno != 0 {
		t.Fatal(errno)
	}
	if _, errno := sys.MsgStat(id); errno != sys.EINVAL {
		t.Errorf("MsgStat of a removed queue: %v", errno)
	}
	if errno := sys.MsgRemove(id); errno != sys.EINVAL {
		t.Errorf("MsgRemove of a removed queue: %v", errno)
	}
	if _, errno := sys.Msgget(12345, 0); errno != sys.ENOENT {
		t.Errorf("Msgget of no queue: %v", errno)
	}
}
