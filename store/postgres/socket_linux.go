package postgres

import (
	"syscall"
	"time"
)

// tcpUserTimeoutOption is TCP_USER_TIMEOUT, which package syscall lacks.
const tcpUserTimeoutOption = 18

// setUserTimeout makes the kernel close a connection on which nothing sent has been
// acknowledged for d. A Unix socket has no such option and needs none.
func setUserTimeout(fd int, d time.Duration) error {
	err := syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, tcpUserTimeoutOption, int(d.Milliseconds()))
	if err == syscall.EOPNOTSUPP || err == syscall.ENOPROTOOPT {
		return nil
	}
	return err
}
