//go:build linux

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"time"
	"unsafe"
)

// loadSpec is what a generator sends. All Requests, one after another on a connection,
// are one operation of so many Units.
type loadSpec struct {
	Addr     string
	PID      int // of the server, whose CPU is counted
	Conns    int
	Seconds  float64
	Warm     float64
	Rate     float64 // operations per second, due whether or not earlier ones were answered; 0 = as fast as replies come
	Requests []request
	Units    int
	Leaves   int
}

// loadResult is what happened in the measured time. Latencies are microseconds; of
// paced operations they count from when they were due.
type loadResult struct {
	Seconds               float64
	Ops, Units            float64
	Refused               int // replies of another status
	Example               string
	P50, P99, P999, Max   float64
	Server, Client, Other float64 // cores used by the server, the generator, and the rest of the machine
	MicrosPerUnit, PerSec float64 // CPU of the server; units per second
	All                   float64 // units that were answered, measured or not
	WorstSecond           float64 // units of the second in which fewest were answered
	Unsent                int     // paced operations that were due and not begun at the end
}

// load is a generator. One thread and an epoll serve all connections: on a machine with
// few cores the generator must cost little beside the server.
type load struct {
	spec   *loadSpec
	epoll  int
	timer  int
	conns  []*conn
	idle   []*conn
	fill   filler
	hist   *hist
	result loadResult
	all    uint64   // operations that were answered
	each   []uint64 // of them, of each measured second
	since  time.Time

	measuring bool
	stopping  bool      // no new operations
	due       time.Time // of the next paced operation
	gap       time.Duration
}

// conn is one connection, with its own copy of the requests.
type conn struct {
	fd        int
	templates []*template
	step      int // of the operation
	began     time.Time
	busy      bool // an operation is under way
	again     bool // its request was sent a second time
	id        []byte
	reply     reply
}

func runLoad(s *loadSpec) (loadResult, error) {
	runtime.LockOSThread()
	l := &load{spec: s, hist: new(hist)}
	l.fill = filler{rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())), seq: uint64(time.Now().UnixNano()), leaves: max(1, s.Leaves)}
	if err := l.open(); err != nil {
		return l.result, err
	}
	if err := l.run(); err != nil {
		return l.result, err
	}
	r := &l.result
	r.P50, r.P99, r.P999, r.Max = l.hist.quantile(.5), l.hist.quantile(.99), l.hist.quantile(.999), float64(l.hist.max)/1e3
	r.Ops = float64(l.hist.n)
	r.Units = r.Ops * float64(s.Units)
	r.PerSec = r.Units / r.Seconds
	r.All = float64(l.all) * float64(s.Units)
	if whole := l.each[:min(len(l.each), int(r.Seconds))]; len(whole) > 0 {
		r.WorstSecond = float64(slices.Min(whole)) * float64(s.Units)
	}
	r.MicrosPerUnit = r.Server * r.Seconds * 1e6 / max(1, r.Units)
	return *r, nil
}

func (l *load) open() (err error) {
	if l.epoll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return err
	}
	const monotonic = 1
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, monotonic, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		return fmt.Errorf("timerfd: %w", errno)
	}
	l.timer = int(fd)
	if err := l.watch(l.timer, -1); err != nil {
		return err
	}
	for i := range l.spec.Conns {
		c := &conn{reply: newReply(), id: make([]byte, idWidth)}
		if c.fd, err = dial(l.spec.Addr); err != nil {
			return err
		}
		for j := range l.spec.Requests {
			c.templates = append(c.templates, compile(&l.spec.Requests[j], l.spec.Addr))
		}
		if err := l.watch(c.fd, i); err != nil {
			return err
		}
		l.conns = append(l.conns, c)
	}
	return nil
}

func (l *load) watch(fd, index int) error {
	return syscall.EpollCtl(l.epoll, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(index)})
}

// dial makes a blocking socket: it is read only when epoll says so, and its send buffer
// takes any request whole.
func dial(addr string) (int, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().Is4() || !at.Addr().IsLoopback() {
		return 0, fmt.Errorf("%q is no IPv4 loopback address: %w", addr, net.InvalidAddrError("refused"))
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	return fd, errors.Join(
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1),
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1<<20),
		syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}))
}

// redial replaces a connection that the server closed while nothing was under way on it:
// where replies come fast, few of the connections of a paced load are used, and servers
// close those that are idle for long.
func (l *load) redial(c *conn) (err error) {
	index := slices.Index(l.conns, c)
	if err := syscall.Close(c.fd); err != nil { // which takes it from the epoll
		return err
	}
	if c.fd, err = dial(l.spec.Addr); err != nil {
		return err
	}
	return l.watch(c.fd, index)
}

// run warms up, measures and stops.
func (l *load) run() error {
	if l.spec.Rate > 0 {
		l.gap = time.Duration(1e9 / l.spec.Rate)
		l.due = time.Now()
		l.idle = append(l.idle, l.conns...)
		if err := l.sendDue(); err != nil {
			return err
		}
	} else {
		for _, c := range l.conns {
			if err := l.begin(c, time.Now()); err != nil {
				return err
			}
		}
	}
	if err := l.until(time.Now().Add(seconds(l.spec.Warm))); err != nil {
		return err
	}
	before := readUsage(l.spec.PID)
	began := time.Now()
	l.measuring, l.since = true, began
	if err := l.until(began.Add(seconds(l.spec.Seconds))); err != nil {
		return err
	}
	l.result.Seconds = time.Since(began).Seconds()
	after := readUsage(l.spec.PID)
	l.result.Server, l.result.Client, l.result.Other = after.since(before, l.result.Seconds)
	if l.gap > 0 {
		l.result.Unsent = int(max(0, time.Since(l.due)/l.gap))
	}
	return l.drain()
}

// drain takes the replies that are still to come: a server that sees requests break off
// does other work than one that answers them.
func (l *load) drain() error {
	l.measuring, l.stopping = false, true
	return l.until(time.Now().Add(5 * time.Second))
}

func seconds(s float64) time.Duration { return time.Duration(s * 1e9) }

func (l *load) until(end time.Time) error {
	events := make([]syscall.EpollEvent, 128)
	for {
		left := time.Until(end)
		if left <= 0 || l.stopping && len(l.idle) == len(l.conns) {
			return nil
		}
		n, err := syscall.EpollWait(l.epoll, events, int(left/time.Millisecond)+1)
		if err != nil && err != syscall.EINTR {
			return err
		}
		for i := range max(0, n) {
			if events[i].Fd < 0 {
				var b [8]byte
				_, _ = syscall.Read(l.timer, b[:]) // what it counted does not matter
				continue
			}
			if err := l.receive(l.conns[events[i].Fd]); err != nil {
				return err
			}
		}
		if l.gap > 0 && !l.stopping {
			if err := l.sendDue(); err != nil {
				return err
			}
		}
	}
}

// sendDue begins what is due, as far as connections are idle, and sets the timer for
// what comes next. What finds no connection keeps its due time.
func (l *load) sendDue() error {
	for len(l.idle) > 0 {
		wait := time.Until(l.due)
		if wait > 0 {
			return l.wake(wait)
		}
		c := l.idle[len(l.idle)-1]
		l.idle = l.idle[:len(l.idle)-1]
		if err := l.begin(c, l.due); err != nil {
			return err
		}
		l.due = l.due.Add(l.gap)
	}
	return nil
}

// wake arms the timer, which is exact to the microsecond; epoll's own timeout is not.
func (l *load) wake(after time.Duration) error {
	var spec [32]byte // interval and first expiry, each seconds and nanoseconds
	binary.NativeEndian.PutUint64(spec[16:], uint64(after/time.Second))
	binary.NativeEndian.PutUint64(spec[24:], uint64(after%time.Second))
	_, _, errno := syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, uintptr(l.timer), 0, uintptr(unsafe.Pointer(&spec[0])), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("timerfd: %w", errno)
	}
	return nil
}

// begin starts an operation.
func (l *load) begin(c *conn, at time.Time) error {
	c.began, c.step, c.busy, c.again = at, 0, true, false
	return l.send(c)
}

func (l *load) send(c *conn) error {
	c.reply.reset()
	b := l.fill.fill(c.templates[c.step], c.id)
	for len(b) > 0 {
		n, err := syscall.Write(c.fd, b)
		if err != nil {
			return fmt.Errorf("sending: %w", err)
		}
		b = b[n:]
	}
	return nil
}

// count notes an operation in its second.
func (l *load) count(now time.Time) {
	second := int(now.Sub(l.since) / time.Second)
	for len(l.each) <= second {
		l.each = append(l.each, 0)
	}
	l.each[second]++
}

func (l *load) receive(c *conn) error {
	r := &c.reply
	n, err := syscall.Read(c.fd, r.buf[r.n:])
	if closed := n <= 0; closed && !c.busy {
		return l.redial(c)
	} else if closed && r.n == 0 && !c.again { // the request and the end crossed
		if err := l.redial(c); err != nil {
			return err
		}
		c.again = true
		return l.send(c)
	}
	if err != nil {
		return fmt.Errorf("receiving: %w", err)
	}
	if n == 0 {
		return errors.New("the server closed a connection")
	}
	r.n += n
	if ok, err := r.complete(); !ok || err != nil {
		return err
	}
	if r.status() != c.templates[c.step].status {
		l.result.Refused++
		l.result.Example = string(r.buf[:min(r.n, 600)])
		c.step = len(c.templates) // the rest makes no sense
	}
	if c.step++; c.step < len(c.templates) {
		if id := r.id(); id != nil {
			copy(c.id, id)
		}
		return l.send(c)
	}
	now := time.Now()
	c.busy = false
	l.all++
	if l.measuring {
		l.hist.add(int64(now.Sub(c.began)))
		l.count(now)
	}
	if l.gap > 0 || l.stopping {
		l.idle = append(l.idle, c)
		return nil
	}
	return l.begin(c, now)
}
