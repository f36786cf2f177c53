package sys

// Shmid is what shmctl(2), IPC_STAT, reports about a shared memory segment.
type Shmid struct {
	UID, GID, CUID, CGID uint32
	Mode                 uint32
	Size                 int64 // in bytes, as it was asked for
	Creator              int   // its pid; 0 if it is of another pid namespace
	Attached             int   // how many times it is, by all processes
}
