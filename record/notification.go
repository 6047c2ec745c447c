package record

import "github.com/bursarhq/bursar"

// Notification says who hears of what happens to the limits of an entity and of all below it.
type Notification struct {
	ID            [16]byte
	Ent           uint32 // 0 = the customer
	Name          string
	Emails        []string
	SlackURLs     []string
	Thresholds    []int
	Denials       bool
	BoostRequests bool
	ByToken       bool       // an access token made it
	Root          uint32     // the token's root; 0 = it had none
	Tokens        [][16]byte // the access token that named each recipient, Emails and then SlackURLs; zero = a key did
	Created       bursar.Time
	Updated       bursar.Time
}

// NotificationPut makes a notification, or puts another in the place of the one with its ID.
type NotificationPut struct{ Notification Notification }

func (*NotificationPut) Kind() Kind { return kindNotification }

func (r *NotificationPut) encode(e *Encoder) {
	n := &r.Notification
	e.Hash(n.ID)
	e.Ord(n.Ent)
	e.String(n.Name)
	e.strings(n.Emails)
	e.strings(n.SlackURLs)
	e.ints(n.Thresholds)
	e.flags(n.Denials, n.BoostRequests)
	e.Bool(n.ByToken)
	e.Ord(n.Root)
	e.Uint(uint64(len(n.Tokens)))
	for _, t := range n.Tokens {
		e.Hash(t)
	}
	e.Time(n.Created)
	e.Time(n.Updated)
}

func (r *NotificationPut) decode(d *Decoder) {
	n := Notification{ID: d.hash(), Ent: d.ord(), Name: d.string(), Emails: d.strings(), SlackURLs: d.strings(), Thresholds: d.ints()}
	d.flags(&n.Denials, &n.BoostRequests)
	n.ByToken, n.Root = d.bool(), d.ord()
	for range d.count() {
		n.Tokens = append(n.Tokens, d.hash())
	}
	if len(n.Tokens) != len(n.Emails)+len(n.SlackURLs) {
		d.fail()
	}
	n.Created, n.Updated = d.time(), d.time()
	r.Notification = n
}

// NotificationDeleted takes a notification of an entity away.
type NotificationDeleted struct {
	Ent uint32
	ID  [16]byte
}

func (*NotificationDeleted) Kind() Kind { return kindNotificationEnd }

func (r *NotificationDeleted) encode(e *Encoder) {
	e.Ord(r.Ent)
	e.Hash(r.ID)
}

func (r *NotificationDeleted) decode(d *Decoder) { r.Ent, r.ID = d.ord(), d.hash() }

// NotificationsUsed says what access tokens with a root, 0 = those without, did with notifications: it takes the place of
// what it said before.
type NotificationsUsed struct {
	Root uint32
	Use  NotificationUse
}

// NotificationUse is what was done in the hour that began at Hour.
type NotificationUse struct {
	Hour       bursar.Time
	Tests      uint32
	Recipients uint32 // that were new
}

func (*NotificationsUsed) Kind() Kind { return kindNotificationUse }

func (r *NotificationsUsed) encode(e *Encoder) {
	e.Ord(r.Root)
	e.Time(r.Use.Hour)
	e.Ord(r.Use.Tests)
	e.Ord(r.Use.Recipients)
}

func (r *NotificationsUsed) decode(d *Decoder) {
	r.Root = d.ord()
	r.Use = NotificationUse{d.time(), d.ord(), d.ord()}
}

// LimitTold says what people were told of a row in a window: it takes the place of what it said before.
type LimitTold struct {
	Row  uint32
	Told Told
}

// Told is what people were told of a row in the window that began at Start.
type Told struct {
	Start  bursar.Time
	Levels []int // percent, ascending
	Denied bool
	Owed   bool // the commit told of so much that people are yet to be told of more that was reached
}

func (*LimitTold) Kind() Kind { return kindTold }

func (r *LimitTold) encode(e *Encoder) {
	e.Ord(r.Row)
	e.Time(r.Told.Start)
	e.ints(r.Told.Levels)
	e.flags(r.Told.Denied, r.Told.Owed)
}

func (r *LimitTold) decode(d *Decoder) {
	r.Row = d.ord()
	r.Told = Told{Start: d.time(), Levels: d.ints()}
	d.flags(&r.Told.Denied, &r.Told.Owed)
}

// flags are what is told of. Others may come to be: a version that does not know one refuses the record.
func (e *Encoder) flags(list ...bool) {
	n := uint64(0)
	for i, set := range list {
		if set {
			n |= 1 << i
		}
	}
	e.Uint(n)
}

func (d *Decoder) flags(list ...*bool) {
	n := d.uint()
	for i, set := range list {
		*set = n&(1<<i) != 0
	}
	if n>>len(list) != 0 {
		d.fail()
	}
}

func (e *Encoder) strings(list []string) {
	e.Uint(uint64(len(list)))
	for _, s := range list {
		e.String(s)
	}
}

func (d *Decoder) strings() []string {
	var list []string
	for range d.count() {
		list = append(list, d.string())
	}
	return list
}
