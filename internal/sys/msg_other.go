//go:build !linux

package sys

// See msg_linux.go for these functions.

func Msgget(uint32, int) (int, Errno)                            { return 0, ENOSYS }
func Msgsnd(int, []byte, int, int) Errno                         { return ENOSYS }
func TryMsgsnd(int, []byte, int, int) Errno                      { return ENOSYS }
func Msgrcv(int, []byte, int, int64, int) (int, Errno)           { return 0, ENOSYS }
func TryMsgrcv(int, []byte, int, int64, int) (int, Errno)        { return 0, ENOSYS }
func TryMsgsndFrom(*byte, int, int) Errno                        { return ENOSYS }
func TryMsgrcvAt(*byte, int, int, uintptr, int) (uintptr, Errno) { return 0, ENOSYS }
func MsgStat(int) (Msqid, Errno)                                 { return Msqid{}, ENOSYS }
func MsgStatAny(int) (int, Msqid, Errno)                         { return 0, Msqid{}, ENOSYS }
func MsgSet(int, Msqid) Errno                                    { return ENOSYS }
func MsgRemove(int) Errno                                        { return ENOSYS }
func MsgLimits() (Msginfo, Errno)                                { return Msginfo{}, ENOSYS }
func MsgUsage() (int, Msginfo, Errno)                            { return 0, Msginfo{}, ENOSYS }
