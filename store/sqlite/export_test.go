package sqlite

import "fmt"

// SetMaxPages makes log.db and state.db full at n pages, as a full disk would.
func (s *Store) SetMaxPages(n int) error {
	sql := fmt.Sprintf("PRAGMA max_page_count=%d", n)
	if err := s.log.script(sql); err != nil {
		return err
	}
	return s.state.script(sql)
}

// Exec runs sql on the database at path.
func Exec(path, sql string) error {
	c, err := openConn(path, allPragmas)
	if err != nil {
		return err
	}
	if err := c.script(sql); err != nil {
		return err
	}
	return c.close()
}

// Damaged exposes which errors poison the store wherever they occur.
var Damaged = damaged
