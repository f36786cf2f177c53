package procfs

import (
	"io/fs"
	"os"
)

// Root is /proc. Its errors name whole paths.
var Root fs.ReadLinkFS = root("/proc/")

type root string

func (r root) Open(name string) (fs.File, error)          { return os.Open(string(r) + name) }
func (r root) ReadFile(name string) ([]byte, error)       { return os.ReadFile(string(r) + name) }
func (r root) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(string(r) + name) }
func (r root) ReadLink(name string) (string, error)       { return os.Readlink(string(r) + name) }
func (r root) Lstat(name string) (fs.FileInfo, error)     { return os.Lstat(string(r) + name) }
