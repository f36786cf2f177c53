package store

import "ipcmq/internal/sys"

// Full says that the sender waits for room.
func (s *Store) Full() { s.waits().Store(1) }

// Memory returns the whole segment.
func (s *Store) Memory() []byte { return s.segment.Bytes(0, s.segment.Size()) }

// Forget removes the store, whatever is in it.
func (s *Store) Forget() { sys.ShmRemove(s.id) }
