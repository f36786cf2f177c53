//go:build !linux

package sys

// Flags of mq_open(2), as on most architectures of Linux.
const (
	MQ_RDONLY   = 0
	MQ_WRONLY   = 0o1
	MQ_RDWR     = 0o2
	MQ_CREAT    = 0o100
	MQ_EXCL     = 0o200
	MQ_NONBLOCK = 0o4000
	MQ_ACCMODE  = 0o3
)

// See mqueue_linux.go for these functions.

func MqOpen(string, int, uint32, *MqAttr) (int, Errno)         { return 0, ENOSYS }
func MqUnlink(string) Errno                                    { return ENOSYS }
func MqGetAttr(int) (MqAttr, Errno)                            { return MqAttr{}, ENOSYS }
func MqSend(int, []byte, uint32, *Deadline) Errno              { return ENOSYS }
func TryMqSend(int, []byte, uint32, *Deadline) Errno           { return ENOSYS }
func MqReceive(int, []byte, *Deadline) (int, uint32, Errno)    { return 0, 0, ENOSYS }
func TryMqReceive(int, []byte, *Deadline) (int, uint32, Errno) { return 0, 0, ENOSYS }
func MqCanSleep() Errno                                        { return ENOSYS }
func MqLimit() (soft, hard uint64, errno Errno)                { return 0, 0, ENOSYS }
func MqSetNonblock(int) Errno                                  { return ENOSYS }
func IsMqueue(int) (bool, Errno)                               { return false, ENOSYS }
func FileFlags(int) (int, Errno)                               { return 0, ENOSYS }
func Duplicate(int) (int, Errno)                               { return 0, ENOSYS }
