package sys

import "syscall"

// FileID returns the device and inode number of the file at path, following
// symbolic links, as stat(2) does.
func FileID(path string) (dev, ino uint64, err error) {
	var st syscall.Stat_t
	for {
		err = syscall.Stat(path, &st)
		if err != syscall.EINTR {
			break
		}
	}
	return uint64(st.Dev), uint64(st.Ino), err
}
